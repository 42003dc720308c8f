"""The control plane's machine: what the script prints here, and what is none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edge_lab.core.errors import LabError
from edge_lab.observe.fleet.serverload import parse_moment, script


def _said(tmp_path: Path, pid: str) -> str:
    (tmp_path / "state.db").write_bytes(b"x" * (3 << 20))
    (tmp_path / "state.db-wal").write_bytes(b"x" * (1 << 20))
    text = script({"me": pid}, [f"{tmp_path}/state.db*"])
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True).stdout


def test_a_running_program_and_its_database_are_seen(tmp_path: Path) -> None:
    moment = parse_moment(_said(tmp_path, str(os.getpid())))
    assert moment.programs["me"].pid == os.getpid()
    assert moment.programs["me"].rss_mib > 1
    assert moment.programs["me"].cpu_s > 0
    assert moment.datastore_mib == pytest.approx(4.0)
    assert 0 < moment.available_mib < moment.total_mib
    assert moment.busy_s > 0


@pytest.mark.parametrize("pid", ["0", "$(true)"])
def test_a_program_that_does_not_run_has_no_pid(tmp_path: Path, pid: str) -> None:
    assert parse_moment(_said(tmp_path, pid)).programs["me"].pid == 0


@pytest.mark.parametrize("missing", ["clock", "cpu", "MemAvailable", "oom_kill", "datastore"])
def test_what_is_missing_is_no_evidence(tmp_path: Path, missing: str) -> None:
    said = _said(tmp_path, "0").splitlines()
    with pytest.raises(LabError):
        parse_moment("\n".join(line for line in said if not line.startswith(missing)))


def test_a_server_without_a_database_is_no_evidence(tmp_path: Path) -> None:
    said = _said(tmp_path, "0").splitlines()
    without = ["datastore" if line.startswith("datastore") else line for line in said]
    with pytest.raises(LabError):
        parse_moment("\n".join(without))
