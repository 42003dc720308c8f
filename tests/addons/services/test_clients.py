"""How suites/services asks from a pod, and how it takes the answers."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.provisioning.cri import CONTAINERD, CRI_O, CriRuntime
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


@dataclass(frozen=True)
class States:
    """As below the folder of a container runtime: sandbox and container of one pod, and another
    container."""

    runtime: CriRuntime
    root: Path

    @property
    def pattern(self) -> str:
        return f"{self.root}{self.runtime.states}"

    def place(self, id: str) -> Path:
        return Path(self.pattern.replace("*", id))

    def add(self, id: str, kind: str, pod: str, pid: int) -> None:
        names = self.runtime.annotations
        annotations = {names.kind: kind, names.name: pod}
        layout = {"indent": "\t"} if self.runtime is CRI_O else {"separators": (",", ":")}
        text = json.dumps({"annotations": annotations}, **layout)
        self.place(id).mkdir(parents=True)
        (self.place(id) / "config.json").write_text(text)
        # Without an end of line.
        (self.place(id) / self.runtime.pid_file).write_text(str(pid))


@pytest.fixture(params=[CONTAINERD, CRI_O], ids=lambda runtime: runtime.name)
def states(tmp_path: Path, request: pytest.FixtureRequest) -> States:
    found = States(request.param, tmp_path)
    found.add("a", "sandbox", "wanted", 1)
    found.add("b", "container", "other", 1)
    found.add("c", "container", "wanted", os.getpid())
    return found


def asked(states: States, pod: str) -> subprocess.CompletedProcess[str]:
    """What the script does, with an nsenter that only says what it was told."""
    programs = states.root / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "nsenter").write_text('#!/bin/sh\necho "$@"\n')
    (programs / "nsenter").chmod(0o755)
    script = in_pod(states.runtime, pod, ["probe", "x"])
    script = script.replace(states.runtime.states, states.pattern)
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{programs}:/usr/bin:/bin"},
    )


def test_a_command_runs_in_the_container_of_the_pod(states: States) -> None:
    done = asked(states, "wanted")
    assert done.stdout.split() == [
        "--target",
        str(os.getpid()),
        "--mount",
        "--net",
        "--",
        "probe",
        "x",
    ]


def test_without_a_container_that_lives_there_is_no_pod(states: States) -> None:
    assert asked(states, "absent").returncode == NO_POD
    (states.place("c") / states.runtime.pid_file).write_text("0")
    assert asked(states, "wanted").returncode == NO_POD
