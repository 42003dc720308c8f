"""Processes of a lab: their mark, their end, and what others demand of the host."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edge_lab.core import process as module
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.process import (
    MARK,
    LabProcess,
    demand_of_others,
    end_processes,
    marked_environment,
    processes_of,
    spawn,
)

SLEEPER = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('here', flush=True); time.sleep(60)",
]


def spoken(log: Path, word: str = "here") -> None:
    Deadline.after(20).wait_for(word, lambda: log.exists() and word in log.read_text(), every=0.01)


def test_a_spawned_process_is_found_by_its_mark_and_ended(tmp_path: Path) -> None:
    process = spawn(SLEEPER, run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    assert [each.pid for each in processes_of(tmp_path / "run")] == [process.pid]
    ended = end_processes(tmp_path / "run", Deadline.after(20))
    assert [each.pid for each in ended] == [process.pid]
    assert process.wait(timeout=10) != 0
    assert list(processes_of(tmp_path / "run")) == []


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    process = spawn(STUBBORN, run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    end_processes(tmp_path / "run", Deadline.after(1.0))
    assert process.wait(timeout=10) == -9


def test_children_inherit_the_mark(tmp_path: Path) -> None:
    nested = f"import subprocess, sys; subprocess.run({SLEEPER!r})"
    process = spawn([sys.executable, "-c", nested], run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    assert len(list(processes_of(tmp_path / "run"))) == 2
    assert len(end_processes(tmp_path / "run", Deadline.after(20))) == 2
    process.wait(timeout=10)


def test_a_process_that_comes_while_others_are_ended_is_ended_too(tmp_path: Path) -> None:
    late = f"trap 'exec {sys.executable} -c \"import time; time.sleep(60)\" & exit' TERM"
    waits = "echo here; while :; do sleep 0.05; done"
    process = spawn(["bash", "-c", f"{late}; {waits}"], run=tmp_path, log=tmp_path / "log")
    spoken(tmp_path / "log")
    ended = [each.command for each in end_processes(tmp_path, Deadline.after(20))]
    process.wait(timeout=10)
    assert any("time.sleep" in each for each in ended if not each.startswith("bash"))
    assert list(processes_of(tmp_path)) == []


def test_a_process_in_the_middle_of_its_exec_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, kernel = tmp_path / "proc" / "11", tmp_path / "proc" / "12"
    for each in (starting, kernel):
        each.mkdir(parents=True)
        (each / "environ").touch()
        (each / "cmdline").touch()
    (starting / "exe").symlink_to("/bin/true")
    monkeypatch.setattr(module, "PROC", tmp_path / "proc")

    def begin(_: float) -> None:
        (starting / "environ").write_bytes(f"{MARK}={tmp_path}\0".encode())
        (starting / "cmdline").write_bytes(b"true\0")

    monkeypatch.setattr("edge_lab.core.process.time.sleep", begin)
    assert [each.pid for each in processes_of(tmp_path)] == [11]


def test_the_demand_of_others_counts_what_runs_and_neither_sleepers_nor_labs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEMAND_SECONDS", 0.3)
    busy = spawn(
        [sys.executable, "-c", "print('here', flush=True)\nwhile True: pass"],
        run=tmp_path / "busy",
        log=tmp_path / "busy.log",
    )
    idle = spawn(SLEEPER, run=tmp_path / "idle", log=tmp_path / "idle.log")
    spoken(tmp_path / "busy.log")
    spoken(tmp_path / "idle.log")
    there = tmp_path / "proc"
    there.mkdir()
    for pid in (busy.pid, idle.pid, os.getpid()):
        (there / str(pid)).symlink_to(module.PROC / str(pid))
    labs = list(processes_of(tmp_path / "busy"))
    assert [each.pid for each in labs] == [busy.pid]

    def demand(*labs: LabProcess) -> float:
        with monkeypatch.context() as patch:
            patch.setattr(module, "PROC", there)
            patch.setattr(module, "processes_of", lambda _: labs)
            return demand_of_others()

    # One thread that never sleeps: on a loaded machine it waits when it does not run.
    assert 0.7 < demand() < 1.3
    assert demand(*labs) < 0.3
    for run in ("busy", "idle"):
        assert len(end_processes(tmp_path / run, Deadline.after(20))) == 1


def test_processes_of_another_run_are_left_alone(tmp_path: Path) -> None:
    process = spawn(SLEEPER, run=tmp_path / "other", log=tmp_path / "log")
    spoken(tmp_path / "log")
    try:
        # A run whose path begins like the other's is not the other's.
        assert end_processes(tmp_path / "oth", Deadline.after(1)) == []
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(timeout=10)


def test_a_program_that_is_not_there_is_a_lab_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        spawn(["no-such-program"], run=tmp_path, log=tmp_path / "log")


def test_the_environment_of_a_lab_process_is_ours_and_the_mark(tmp_path: Path) -> None:
    environment = marked_environment(tmp_path, {"MORE": "1"})
    assert environment[MARK] == str(tmp_path)
    assert environment["MORE"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
    assert MARK not in os.environ
