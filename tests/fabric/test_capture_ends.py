"""Captures that end otherwise than by their own will: pipes, owners and fabrics that go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pcapng.blocks import SectionHeader  # type: ignore[import-untyped]

from edge_lab.core.errors import LabError
from edge_lab.fabric.capture import Capture
from edge_lab.fabric.recorder import Ended

from .captured import blocks_of, captures, exchange, frames_of, soon
from .started import Started
from .wires import BROADCAST, frame

slow = pytest.mark.slow(reason="a fabric as a process for it alone")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pcapng")


def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@slow
def test_a_pipe_that_nobody_opens_holds_up_no_link(fabric: Started, tmp_path: Path) -> None:
    pipe = fifo(tmp_path)
    opening = threading.Thread(
        target=lambda: Capture.to(fabric.client, "l0", pipe).end(), daemon=True
    )
    opening.start()
    exchange(fabric, 50)
    assert fabric.client.ping().links == 3
    with pipe.open("rb") as reader:  # and when there is one, it gets a capture
        assert blocks_of(reader.read(), SectionHeader)
    opening.join(60)


@slow
def test_a_pipe_shows_frames_as_they_come(fabric: Started, tmp_path: Path) -> None:
    pipe = fifo(tmp_path)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with Capture.to(fabric.client, "l0", pipe) as capture:
        seen = bytearray()

        def read() -> bool:
            try:
                seen.extend(os.read(reader, 65_536))
            except BlockingIOError:
                return False
            return b"live" in seen

        fabric.ends[0].send(frame(0, BROADCAST, b"live"))
        soon("it is there, though the capture goes on", read)
        capture.end()
        read()
    os.close(reader)
    assert frames_of(bytes(seen)) == [frame(0, BROADCAST, b"live")]


@slow
def test_a_reader_that_stops_reading_holds_up_no_link(fabric: Started, tmp_path: Path) -> None:
    pipe = fifo(tmp_path)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096) == 4096
    count = 300
    with Capture.to(fabric.client, "l0", pipe) as capture:
        exchange(fabric, count, length=1500)
        captured = capture.end()
    assert captured.ended is Ended.STALLED
    assert captured.frames + captured.dropped == count
    assert captured.dropped > count - 10
    assert captures(fabric) == 0
    os.close(reader)


@slow
def test_a_reader_that_goes_away_ends_the_capture(fabric: Started, tmp_path: Path) -> None:
    pipe = fifo(tmp_path)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with Capture.to(fabric.client, "l0", pipe) as capture:
        exchange(fabric, 3)
        os.close(reader)
        assert capture.wait(60)  # with no frame that would tell
        exchange(fabric, 3)
    captured = capture.end()
    assert captured.ended is Ended.READER_GONE
    captured.check()  # the usual end of a live view
    soon("the fabric knows", lambda: captures(fabric) == 0)


# -- whoever captures, ends --------------------------------------------------------------------

OWNER = """
import sys
from pathlib import Path
from edge_lab.fabric import FabricClient
from edge_lab.fabric.capture import Capture
capture = Capture.to(FabricClient(Path(sys.argv[1])), "l0", sys.argv[2])
print("begun", flush=True)
capture.wait(None)
"""


@slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_a_capture_ends_with_its_owner(
    fabric: Started, tmp_path: Path, end: signal.Signals
) -> None:
    file = tmp_path / "l0.pcapng"
    argv = [sys.executable, "-c", OWNER, str(fabric.client.socket_path), str(file)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "begun\n"
        sent = exchange(fabric, 5)
        soon("it is written", lambda: len(frames_of(file)) == 5)
        owner.send_signal(end)
        owner.wait(60)
    soon("the fabric knows", lambda: captures(fabric) == 0)
    assert frames_of(file) == sent
    exchange(fabric, 5)


@slow
def test_an_owner_that_stands_still_holds_up_no_link(fabric: Started, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", OWNER, str(fabric.client.socket_path), str(tmp_path / "a")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == "begun\n"
        owner.send_signal(signal.SIGSTOP)
        exchange(fabric, 500, length=40_000)  # more than fits anywhere
        (status,) = fabric.client.link("l0").captures
        assert status.frames == 500
        assert status.dropped > 0
        assert fabric.client.capture_stop("l0")
        assert captures(fabric) == 0
        owner.send_signal(signal.SIGCONT)
        owner.wait(60)
    assert len(frames_of(tmp_path / "a")) == 500 - status.dropped


@slow
def test_a_fabric_that_dies_leaves_a_whole_file(fabric: Started, tmp_path: Path) -> None:
    file = tmp_path / "l0.pcapng"
    with Capture.to(fabric.client, "l0", file) as capture:
        sent = exchange(fabric, 5)
        soon("it is written", lambda: capture.frames == 5)
        fabric.process.kill()
        assert capture.wait(60)
    captured = capture.end()
    assert captured.ended is Ended.FABRIC_GONE
    with pytest.raises(LabError):
        captured.check()
    assert frames_of(file) == sent


@slow
def test_a_fabric_that_is_told_to_end_ends_captures_in_good_order(
    fabric: Started, tmp_path: Path
) -> None:
    with Capture.to(fabric.client, "l0", tmp_path / "l0.pcapng") as capture:
        exchange(fabric, 5)
        fabric.process.terminate()
        assert capture.wait(60)
    assert (capture.end().ended, capture.end().frames) == (Ended.ASKED, 5)


@slow
def test_the_fabric_opens_nothing(fabric: Started, tmp_path: Path) -> None:
    def opened() -> set[str]:
        folder, names = Path(f"/proc/{fabric.process.pid}/fd"), set()
        for each in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # it closes what clients have closed
                names.add(str(each.readlink()))
        return names

    before = {name for name in opened() if not name.startswith("socket:")}
    with Capture.to(fabric.client, "l0", tmp_path / "l0.pcapng"):
        assert {name for name in opened() if not name.startswith("socket:")} == before
    assert stat.S_ISREG((tmp_path / "l0.pcapng").stat().st_mode)


@slow
def test_a_fabric_that_is_slow_to_end_a_capture_is_waited_for(
    fabric: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_lab.fabric.capture.GRACE_SECONDS", 0.1)
    with Capture.to(fabric.client, "l0", tmp_path / "l0.pcapng") as capture:
        exchange(fabric, 5)
        fabric.process.send_signal(signal.SIGSTOP)
        threading.Timer(0.5, fabric.process.send_signal, [signal.SIGCONT]).start()
        captured = capture.end()
    assert (captured.ended, captured.frames) == (Ended.ASKED, 5)
