"""Processes of a lab: their mark, their end, and what others demand of the host."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

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
    Deadline.after(60).wait_for(word, lambda: log.exists() and word in log.read_text(), every=0.01)


def test_a_spawned_process_is_found_by_its_mark_and_ended(tmp_path: Path) -> None:
    process = spawn(SLEEPER, run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    assert [each.pid for each in processes_of(tmp_path / "run")] == [process.pid]
    ended = end_processes(tmp_path / "run", Deadline.after(60))
    assert [each.pid for each in ended] == [process.pid]
    assert process.wait(timeout=60) != 0
    assert list(processes_of(tmp_path / "run")) == []


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    process = spawn(STUBBORN, run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    end_processes(tmp_path / "run", Deadline.after(4.0))
    assert process.wait(timeout=60) == -9


def test_children_inherit_the_mark(tmp_path: Path) -> None:
    nested = f"import subprocess, sys; subprocess.run({SLEEPER!r})"
    process = spawn([sys.executable, "-c", nested], run=tmp_path / "run", log=tmp_path / "log")
    spoken(tmp_path / "log")
    assert len(list(processes_of(tmp_path / "run"))) == 2
    assert len(end_processes(tmp_path / "run", Deadline.after(60))) == 2
    process.wait(timeout=60)


def test_a_process_that_comes_while_others_are_ended_is_ended_too(tmp_path: Path) -> None:
    late = "trap 'sleep 600 & echo $! > late; exit' TERM"
    waits = "echo here; while :; do sleep 0.05; done"
    script = f"cd '{tmp_path}'; {late}; {waits}"
    process = spawn(["bash", "-c", script], run=tmp_path, log=tmp_path / "log")
    spoken(tmp_path / "log")
    ended = [each.pid for each in end_processes(tmp_path, Deadline.after(60))]
    process.wait(timeout=60)
    assert int((tmp_path / "late").read_text()) in ended
    assert list(processes_of(tmp_path)) == []


def made_up(proc: Path, pid: int, run: Path) -> None:
    """A process of the run, as the kernel shows it."""
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "environ").write_bytes(f"{MARK}={run}\0".encode())
    (proc / str(pid) / "cmdline").write_bytes(b"sleep\0")


def test_a_process_that_is_left_by_one_that_ends_while_it_is_looked_for_is_ended_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc = tmp_path / "proc"
    made_up(proc, 11, tmp_path)
    monkeypatch.setattr(module, "PROC", proc)
    genuine = module._environment

    def environment(entry: Path) -> bytes:
        if entry.name == "11":  # it was listed, and 12 was not there yet
            shutil.rmtree(entry)
            made_up(proc, 12, tmp_path)
        return genuine(entry)

    monkeypatch.setattr(module, "_environment", environment)
    monkeypatch.setattr(os, "kill", lambda pid, sign: shutil.rmtree(proc / str(pid)))
    assert [each.pid for each in end_processes(tmp_path, Deadline.after(60))] == [12]


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
    monkeypatch.setattr(module, "EXEC_SECONDS", 60.0)

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

    # One thread that never sleeps: on a loaded machine it waits when it does not run. How long it
    # has waited is only counted when it runs again, so one look on such a machine may be wrong.
    Deadline.after(60).wait_for("the demand of one thread", lambda: 0.7 < demand() < 1.3)
    Deadline.after(60).wait_for("no demand", lambda: demand(*labs) < 0.3)
    for run in ("busy", "idle"):
        assert len(end_processes(tmp_path / run, Deadline.after(60))) == 1


def test_the_demand_is_what_threads_have_run_and_waited_by_the_time_that_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    for pid in (11, 12):
        (tmp_path / str(pid) / "task" / str(pid)).mkdir(parents=True)

    def pass_by(seconds: float) -> None:
        nonlocal now
        now += seconds
        for pid, ran, waited in ((11, 0.25, 0.5), (12, 0.0, 0.0)):
            text = f"{(1 + ran * seconds) * 1e9:.0f} {(2 + waited * seconds) * 1e9:.0f} 7\n"
            (tmp_path / str(pid) / "task" / str(pid) / "schedstat").write_text(text)

    pass_by(0.0)
    monkeypatch.setattr(module, "PROC", tmp_path)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now, sleep=pass_by))
    assert demand_of_others() == pytest.approx(0.75)


def test_processes_of_another_run_are_left_alone(tmp_path: Path) -> None:
    process = spawn(SLEEPER, run=tmp_path / "other", log=tmp_path / "log")
    spoken(tmp_path / "log")
    try:
        # A run whose path begins like the other's is not the other's.
        assert end_processes(tmp_path / "oth", Deadline.after(1)) == []
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(timeout=60)


def test_a_program_that_is_not_there_is_a_lab_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        spawn(["no-such-program"], run=tmp_path, log=tmp_path / "log")


def test_the_environment_of_a_lab_process_is_ours_and_the_mark(tmp_path: Path) -> None:
    environment = marked_environment(tmp_path, {"MORE": "1"})
    assert environment[MARK] == str(tmp_path)
    assert environment["MORE"] == "1"
    assert environment["PATH"] == os.environ["PATH"]
    assert MARK not in os.environ
