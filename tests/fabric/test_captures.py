"""Captures of a fabric that runs: whatever becomes of one, frames go on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pcapng.blocks import (  # type: ignore[import-untyped]
    InterfaceDescription,
    InterfaceStatistics,
    SectionHeader,
)

from edge_lab.core.errors import InputError, LabError
from edge_lab.fabric import CUT, DirectionState
from edge_lab.fabric.capture import Capture
from edge_lab.fabric.feed import QUEUE_BYTES, CaptureFeed
from edge_lab.fabric.output import Limits
from edge_lab.fabric.recorder import Ended

from .captured import blocks_of, captures, exchange, frames_of, soon
from .started import Started
from .wires import BROADCAST, MS, Bench, frame, numbered

slow = pytest.mark.slow(reason="a fabric as a process for it alone")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pcapng")


# -- what is in it -----------------------------------------------------------------------------


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


def feed_of(bench: Bench, peer: socket.socket) -> CaptureFeed:
    feed = CaptureFeed(peer, "l0", "somewhere", lambda: None)
    bench.forwarder.capture_start(feed)
    feed.begin(b"")
    return feed


def test_a_capture_shows_what_the_endpoint_sends_and_is_sent(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench()
    bench.forwarder.set("l0", CUT, DirectionState(delay_ms=1))
    bench.send(0, frame(0, 1, b"before"))
    feed = feed_of(bench, ends[0])
    bench.send(0, frame(0, 1, b"cut"))
    bench.send(1, frame(1, 0, b"late"))
    bench.advance(2 * MS)
    assert bench.forwarder.status()[0].captures[0].frames == 2
    assert bench.forwarder.capture_stop("l0") == ("somewhere",)
    bench.send(1, frame(1, 0, b"after"))
    bench.advance(2 * MS)
    assert feed.done
    data = ends[1].recv(65_536)
    packets = [(b.options["epb_flags"].inout, b.packet_data) for b in blocks_of(data)]
    assert packets == [("outbound", frame(0, 1, b"cut")), ("inbound", frame(1, 0, b"late"))]


def test_a_reader_that_takes_nothing_costs_frames_of_the_capture_alone(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench()
    feed = feed_of(bench, ends[0])
    length = 60_000
    many = QUEUE_BYTES // length + 100
    for number in range(many):
        bench.send(0, numbered(0, 1, number, length))
    assert len(bench.arrived(1)) == many
    assert 0 < feed.dropped < feed.frames == many
    assert feed.waits
    bench.forwarder.capture_stop("l0")
    data = bytearray()
    while not feed.done:
        data += ends[1].recv(1 << 20)
        feed.flush()
    ends[0].close()
    while more := ends[1].recv(1 << 20):
        data += more
    assert len(blocks_of(bytes(data))) == many - feed.dropped
    (statistics,) = blocks_of(bytes(data), InterfaceStatistics)
    assert statistics.options["isb_ifdrop"] == feed.dropped


def test_a_reader_that_is_gone_ends_nothing_but_the_capture(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    bench = Bench()
    feed = feed_of(bench, ends[0])
    ends[1].close()
    bench.send(0, frame(0, 1, b"one"), frame(0, 1, b"two"))
    assert feed.done
    assert len(bench.arrived(1)) == 2


# -- into files --------------------------------------------------------------------------------


def test_what_is_counted_is_what_is_in_the_file(fabric: Started, tmp_path: Path) -> None:
    file = tmp_path / "l1.pcapng"
    fabric.client.set("l1", rx=DirectionState(loss=0.5))
    with Capture.to(fabric.client, "l1", file) as capture:
        for number in range(100):
            fabric.ends[0].send(numbered(0, BROADCAST, number))
        soon("all are there", lambda: fabric.client.link("l1").counters.rx.frames == 100)
        captured = capture.end()
    assert 20 < captured.frames < 80  # lost ones are not
    assert captured.frames == len(frames_of(file))
    assert (captured.dropped, captured.ended, captured.files) == (0, Ended.ASKED, (file,))
    assert captures(fabric, "l1") == 0


@slow
def test_two_captures_of_one_link_are_both_whole(fabric: Started, tmp_path: Path) -> None:
    first_file, second_file = tmp_path / "one.pcapng", tmp_path / "two.pcapng"
    with (
        Capture.to(fabric.client, "l0", first_file) as first,
        Capture.to(fabric.client, "l0", second_file) as second,
    ):
        assert {each.to for each in fabric.client.link("l0").captures} == {
            str(first_file),
            str(second_file),
        }
        sent = exchange(fabric, 10)
        first.end()
        sent += exchange(fabric, 5, first=10)
        second.end()
    assert frames_of(first_file) == sent[:10]
    assert frames_of(second_file) == sent


@slow
def test_two_captures_into_one_file_are_refused(fabric: Started, tmp_path: Path) -> None:
    file = tmp_path / "l0.pcapng"
    with Capture.to(fabric.client, "l0", file):
        sent = exchange(fabric, 1)
        with pytest.raises(InputError, match="another capture"):
            Capture.to(fabric.client, "l1", file)
    assert frames_of(file) == sent
    with Capture.to(fabric.client, "l1", file):
        exchange(fabric, 2)
    assert len(frames_of(file)) == 2


@slow
def test_anybody_ends_it(fabric: Started, tmp_path: Path) -> None:
    with Capture.to(fabric.client, "l0", tmp_path / "l0.pcapng") as capture:
        sent = exchange(fabric, 3)
        assert fabric.client.capture_stop("l0") == (str(tmp_path / "l0.pcapng"),)
        assert capture.wait(60)
    assert capture.end().ended is Ended.ASKED
    assert frames_of(tmp_path / "l0.pcapng") == sent
    with pytest.raises(InputError, match="not being captured"):
        fabric.client.capture_stop("l0")


@slow
def test_a_size_ends_it_before_the_frame_that_is_too_much(fabric: Started, tmp_path: Path) -> None:
    file = tmp_path / "l0.pcapng"
    with Capture.to(fabric.client, "l0", file, Limits(max_bytes=1_000)) as capture:
        sent = exchange(fabric, 30)
        assert capture.wait(60)
    assert capture.end().ended is Ended.FULL
    found = frames_of(file)
    assert found == sent[: len(found)]
    assert capture.end().frames == len(found) > 3
    assert 900 < file.stat().st_size <= 1_000
    soon("the fabric knows", lambda: captures(fabric) == 0)


@slow
def test_a_file_holds_a_frame_however_small_it_is_to_be(fabric: Started, tmp_path: Path) -> None:
    with Capture.to(fabric.client, "l0", tmp_path / "a.pcapng", Limits(max_bytes=1)) as capture:
        exchange(fabric, 2)
        assert capture.wait(60)
    assert len(frames_of(tmp_path / "a.pcapng")) == capture.end().frames == 1


def test_a_ring_keeps_the_newest_files_each_of_them_whole(fabric: Started, tmp_path: Path) -> None:
    limits = Limits(max_bytes=1_000, files=3)
    with Capture.to(fabric.client, "l0", tmp_path / "l0.pcapng", limits) as capture:
        sent = exchange(fabric, 60)
        captured = capture.end()
    assert captured.files == tuple(sorted(tmp_path.glob("*.pcapng")))
    assert len(captured.files) == 3
    kept = [data for file in captured.files for data in frames_of(file)]
    assert kept == sent[-len(kept) :]
    assert captured.frames == len(kept) < 60
    assert captured.ended is Ended.ASKED
    for file in captured.files:
        assert file.stat().st_size <= 1_000 or file == captured.files[-1]
        assert len(blocks_of(file, SectionHeader)) == 1
        assert len(blocks_of(file, InterfaceDescription)) == 1


@slow
@pytest.mark.parametrize("where", ["-", "/dev/null"])
def test_there_is_no_ring_of_what_is_no_file(fabric: Started, where: str) -> None:
    with pytest.raises(InputError, match="needs a regular file"):
        Capture.to(fabric.client, "l0", where, Limits(max_bytes=1_000, files=2))


@slow
def test_a_ring_needs_a_size(fabric: Started, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--max-size"):
        Capture.to(fabric.client, "l0", tmp_path / "a.pcapng", Limits(files=2))


@pytest.mark.parametrize("where", ["", "no/such/folder/l0.pcapng", "/proc/l0.pcapng", "."])
def test_an_output_that_cannot_be_opened_is_refused_at_once(
    fabric: Started, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot write the capture"):
        Capture.to(fabric.client, "l0", where)
    assert captures(fabric) == 0


@slow
def test_a_link_that_is_not_there_empties_no_file(fabric: Started, tmp_path: Path) -> None:
    file = tmp_path / "l0.pcapng"
    file.write_text("of value")
    with pytest.raises(InputError, match="Available"):
        Capture.to(fabric.client, "l9", file)
    assert file.read_text() == "of value"


@slow
def test_a_full_disk_ends_the_capture_and_says_so(fabric: Started) -> None:
    with Capture.to(fabric.client, "l0", "/dev/full") as capture:
        assert capture.wait(60)
        exchange(fabric, 5)
    captured = capture.end()
    assert captured.ended is Ended.FAILED
    assert "No space left" in captured.trouble
    with pytest.raises(LabError, match="/dev/full: No space left on device"):
        captured.check()
    soon("the fabric knows", lambda: captures(fabric) == 0)


@slow
def test_what_a_full_disk_takes_no_more_ends_with_a_whole_block(
    fabric: Started, tmp_path: Path
) -> None:
    import resource

    file = tmp_path / "l0.pcapng"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_001, before[1]))  # as a disk of that size
    try:
        with Capture.to(fabric.client, "l0", file) as capture:
            exchange(fabric, 60)
            assert capture.wait(60)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    captured = capture.end()
    assert captured.ended is Ended.FAILED
    assert 800 < file.stat().st_size < 1_001
    assert len(frames_of(file)) == captured.frames > 3
