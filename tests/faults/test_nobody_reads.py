"""A command whose terminal is closed, or whose reader is gone, heals what it has broken."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.faults.journal import FaultJournal

slow = pytest.mark.slow(reason="the command as a process, whose terminal closes while a plan runs")

ROOT = Path(__file__).resolve().parents[2]

COMMAND = """
import contextlib, fcntl, os, signal, sys, termios, time
from pathlib import Path
from types import SimpleNamespace
import edge_lab.bringup.attach, edge_lab.core.speed
from edge_lab.cli import main
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.engine import FaultEngine
from edge_lab.topology import load_topology

with contextlib.suppress(OSError):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv.pop(1) == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

UNTIL = Path(os.environ.get("HEALED_WHEN_THERE_IS", "/"))

class Faults:
    def inject(self, fault): return "seen"
    def check(self, fault): pass
    def heal(self, fault):
        while not UNTIL.exists():
            time.sleep(0.02)
        time.sleep(0.3)
        return "cured"

faults = Faults()
folder = Path(sys.argv.pop(1))
engine = FaultEngine(FaultJournal(folder), lambda fault: faults)
run = SimpleNamespace(logs=folder)
topology = load_topology(Path(sys.argv.pop(1)))
edge_lab.bringup.attach.attach = lambda name: SimpleNamespace(topology=topology, run=run)
edge_lab.core.speed.speed_factor = lambda: 1.0
FaultEngine.of = lambda running, limit=None: engine
sys.argv[0] = "lab"
main()
"""

PLAN = """\
name: long
lasts: {lasts}
faults:
  - {{fault: cut, link: arm-cloud, at: 0s, for: {lasts}}}
  - {{fault: drop, link: riscv-cloud, at: 0s, for: {lasts}}}
"""


def command(folder: Path, *args: str, first: str = "") -> list[str]:
    topology = ROOT / "labs" / "default.yaml"
    return [sys.executable, "-c", COMMAND, first, str(folder), str(topology), *args]


def plan(folder: Path, lasts: str) -> str:
    file = folder / "plan.yaml"
    file.write_text(PLAN.format(lasts=lasts))
    return str(file)


def begun(folder: Path, faults: int) -> None:
    Deadline.after(60).wait_for(
        "the faults are in force",
        lambda: sum(record.seen is not None for record in FaultJournal(folder).active()) == faults,
        every=0.02,
    )


def healed(folder: Path, faults: int) -> None:
    history = FaultJournal(folder).history()
    assert len(history) == faults
    assert all(record.healed is not None and record.cure == "cured" for record in history)


@slow
def test_a_terminal_that_is_closed_ends_a_plan_with_all_healed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(tmp_path, "chaos", plan(tmp_path, "10m"), "--lab", "default"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    begun(tmp_path, 2)
    os.close(ours)
    assert process.wait(60) != 0
    healed(tmp_path, 2)


@slow
@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_that_comes_twice_breaks_into_no_heal(tmp_path: Path, end: signal.Signals) -> None:
    process = subprocess.Popen(
        command(tmp_path, "chaos", plan(tmp_path, "10m"), "--lab", "default"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    begun(tmp_path, 2)
    process.send_signal(end)
    process.send_signal(end)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in said
    healed(tmp_path, 2)


@slow
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_plan_whose_reader_is_gone_goes_on_and_heals(tmp_path: Path, stream: str) -> None:
    reader, writer = os.pipe()
    other = "stderr" if stream == "stdout" else "stdout"
    process = subprocess.Popen(  # type: ignore[call-overload]
        command(tmp_path, "chaos", plan(tmp_path, "1s"), "--lab", "default"),
        **{stream: writer, other: subprocess.DEVNULL},
    )
    os.close(writer)
    os.close(reader)
    process.wait(60)
    healed(tmp_path, 2)


@slow
def test_a_command_that_is_to_outlive_its_terminal_does(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "chaos", plan(tmp_path, "1s"), "--lab", "default", first="nohup"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HEALED_WHEN_THERE_IS": str(tmp_path / "signal")},
    )
    begun(tmp_path, 2)
    process.send_signal(signal.SIGHUP)
    (tmp_path / "signal").touch()
    assert process.wait(60) == 0
    healed(tmp_path, 2)


@slow
@pytest.mark.parametrize("end", [signal.SIGHUP, signal.SIGINT])
def test_a_fault_by_hand_that_ends_by_itself_is_waited_for(
    tmp_path: Path, end: signal.Signals
) -> None:
    process = subprocess.Popen(
        command(tmp_path, "fault", "add", "{fault: reboot, node: edge-arm}", "--lab", "default"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Else the fault may be over before the signal is sent, on a busy host.
        env={**os.environ, "HEALED_WHEN_THERE_IS": str(tmp_path / "signal")},
    )
    begun(tmp_path, 1)
    process.send_signal(end)
    (tmp_path / "signal").touch()
    assert process.wait(60) == 130
    healed(tmp_path, 1)
