"""The process that takes a turn: nothing is left of it when the comparison is broken off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_lab.bench import lifecycle
from edge_lab.bench.ab import harness, interleave
from edge_lab.bench.ab.sides import Side, Source
from edge_lab.core.deadline import Deadline
from edge_lab.data import LABS
from edge_lab.topology import load_topology

ROOT = Path(__file__).resolve().parents[2] / "src"

BENCHMARKS = """
import time
from pathlib import Path
from types import SimpleNamespace
ROOM = Path({room!r})
Setting = lambda *_: None
def run(setting):
    try:
        (ROOM / "begun").touch()
        time.sleep(60)
    finally:
        (ROOM / "undoing").touch()
        while not (ROOM / "go-on").exists():
            time.sleep(0.01)
        (ROOM / "undone").touch()
BENCHMARKS = {{"planted": SimpleNamespace(run=run)}}
"""


def there(file: Path, process: subprocess.Popen[bytes]) -> None:
    def alive() -> None:
        assert process.poll() is None

    Deadline.scaled(30).wait_for(file.name, file.exists, every=0.01, watch=alive)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_turn_has_it_undone_and_a_second_one_does_not_break_into_that(
    tmp_path: Path, ending: signal.Signals
) -> None:
    bench = tmp_path / "bench"
    (bench / "ab").mkdir(parents=True)
    (bench / "__init__.py").touch()
    (bench / "ab" / "__init__.py").touch()
    (bench / "ab" / "benchmarks.py").write_text(BENCHMARKS.format(room=str(tmp_path)))
    shutil.copy(harness.__file__, bench / "ab" / "harness.py")
    argv = [sys.executable, str(bench / "ab" / "harness.py"), "--topology", "x", "planted"]
    with subprocess.Popen(
        argv, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    ) as process:
        try:
            there(tmp_path / "begun", process)
            process.send_signal(ending)
            there(tmp_path / "undoing", process)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGHUP)
            (tmp_path / "go-on").touch()
            process.wait(30)
        finally:
            process.kill()
    assert (tmp_path / "undone").exists()


def test_ctrl_c_reaches_the_parent_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edge_lab").mkdir()
    script = tmp_path / "turn.py"
    script.write_text(
        "import json, os\n"
        f"said = {{'source': {str(tmp_path / 'edge_lab')!r}, 'failed': {{}}}}\n"
        "print(json.dumps({**said, 'values': {'session': os.getsid(0)}}))\n"
    )
    monkeypatch.setattr(interleave, "harness", SimpleNamespace(__file__=str(script)))
    with (tmp_path / "log").open("w+") as log:
        turn = interleave.taking([])(Source(Side("a"), tmp_path, "", log))
    assert turn.values["session"] != os.getsid(0)


def test_a_lab_that_did_not_come_up_is_taken_down(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def interrupted(*_: object) -> None:
        done.append("up")
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "bring_up", interrupted)
    monkeypatch.setattr(lifecycle, "take_down", lambda _: done.append("down"))
    with pytest.raises(KeyboardInterrupt):
        lifecycle.measure(load_topology(LABS / "default.yaml"))
    assert done == ["down", "up", "down"]
