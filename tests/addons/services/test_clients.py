"""How suites/services asks from a pod, and how it takes the answers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from edge_lab.observe.nodeview import TASKS
from suites.inpod import NO_POD, in_pod
from suites.services.clients import Attempt

REFUSED = "dial tcp 10.96.7.8:80: connect: connection refused"
UNKNOWN = "dial tcp: lookup nobody on 10.96.0.10:53: no such host"
FAILED = "dial tcp: lookup pod-of-server on 10.96.0.10:53: server misbehaving"
SILENT = "dial tcp: lookup pod-of-server on 10.96.0.10:53: read udp: i/o timeout"


@pytest.mark.parametrize(
    ("error", "refused", "unknown"),
    [
        (REFUSED, True, False),
        (UNKNOWN, False, True),
        (FAILED, False, False),
        (SILENT, False, False),
    ],
)
def test_refusals_and_denials_are_told_from_silence(
    error: str, refused: bool, unknown: bool
) -> None:
    found = Attempt("pod-of-server", ok=False, error=error, seconds=1.0)
    assert (found.refused, found.unknown) == (refused, unknown)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """As below containerd's folder: sandbox and container of one pod, and another container."""
    for task, kind, pod, pid in (
        ("a", "sandbox", "wanted", 1),
        ("b", "container", "other", 1),
        ("c", "container", "wanted", os.getpid()),
    ):
        folder = tmp_path / "tasks" / task
        folder.mkdir(parents=True)
        annotations = {
            "io.kubernetes.cri.container-type": kind,
            "io.kubernetes.cri.sandbox-name": pod,
        }
        text = json.dumps({"annotations": annotations}, separators=(",", ":"))
        (folder / "config.json").write_text(text)
        (folder / "init.pid").write_text(str(pid))  # without an end of line
    return tmp_path / "tasks"


def asked(tasks: Path, pod: str) -> subprocess.CompletedProcess[str]:
    """What the script does, with an nsenter that only says what it was told."""
    programs = tasks.parent / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "nsenter").write_text('#!/bin/sh\necho "$@"\n')
    (programs / "nsenter").chmod(0o755)
    script = in_pod(pod, ["probe", "x"]).replace(TASKS, str(tasks))
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{programs}:/usr/bin:/bin"},
    )


def test_a_command_runs_in_the_container_of_the_pod(tasks: Path) -> None:
    done = asked(tasks, "wanted")
    assert done.stdout.split() == [
        "--target",
        str(os.getpid()),
        "--mount",
        "--net",
        "--",
        "probe",
        "x",
    ]


def test_without_a_container_that_lives_there_is_no_pod(tasks: Path) -> None:
    assert asked(tasks, "absent").returncode == NO_POD
    (tasks / "c" / "init.pid").write_text("0")
    assert asked(tasks, "wanted").returncode == NO_POD
