"""Captures, read back by a library that shares no code with the writer."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pcapng import FileScanner  # type: ignore[import-untyped]
from pcapng.blocks import (  # type: ignore[import-untyped]
    EnhancedPacket,
    InterfaceDescription,
    SectionHeader,
)

from edge_lab.core.errors import InputError
from edge_lab.fabric import CUT, Direction, DirectionState
from edge_lab.fabric.pcapng import PcapngWriter

from .wires import MS, Bench, frame, unhurried

# The library warns about a field of its own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pcapng")


def read(path: Path) -> list[Any]:
    with path.open("rb") as file:
        return list(FileScanner(file))


def packets(path: Path) -> list[tuple[str, bytes]]:
    return [
        (block.options["epb_flags"].inout, block.packet_data)
        for block in read(path)
        if isinstance(block, EnhancedPacket)
    ]


def test_an_independent_reader_finds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "wire.pcapng"
    writer = PcapngWriter(path, "arm-cloud")
    time_ns = 1_700_000_000_123_456_789
    writer.write(Direction.TX, time_ns, [memoryview(b"x" * n) for n in range(14, 19)])
    writer.write(Direction.RX, time_ns + 1, [memoryview(b"y" * 65_507)])
    writer.close()
    section, interface, *blocks = read(path)
    assert isinstance(section, SectionHeader)
    assert isinstance(interface, InterfaceDescription)
    assert interface.link_type == 1
    assert interface.options["if_name"] == "arm-cloud"
    assert interface.timestamp_resolution == pytest.approx(1e-9)
    assert [len(block.packet_data) for block in blocks] == [14, 15, 16, 17, 18, 65_507]
    assert [block.options["epb_flags"].inout for block in blocks] == ["outbound"] * 5 + ["inbound"]
    stamps = [block.timestamp_high << 32 | block.timestamp_low for block in blocks]
    assert stamps == [time_ns] * 5 + [time_ns + 1]


def test_that_reader_would_see_a_wrong_length(tmp_path: Path) -> None:
    path = tmp_path / "wire.pcapng"
    writer = PcapngWriter(path, "arm-cloud")
    writer.write(Direction.TX, 1, [memoryview(b"x" * 20)])
    writer.close()
    broken = bytearray(path.read_bytes())
    broken[-4:] = struct.pack("<I", 4)
    path.write_bytes(broken)
    with pytest.raises(Exception, match=r"(?i)corrupted|length|size"):
        read(path)


@unhurried
@given(frames=st.lists(st.binary(min_size=14, max_size=200), max_size=30))
def test_every_frame_is_read_back_as_it_was(
    frames: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("capture") / "wire.pcapng"
    writer = PcapngWriter(path, "l0")
    writer.write(Direction.RX, 5, [memoryview(each) for each in frames])
    writer.close()
    assert packets(path) == [("inbound", each) for each in frames]


def test_a_capture_shows_what_the_endpoint_sends_and_is_sent(tmp_path: Path) -> None:
    bench = Bench()
    bench.forwarder.set("l0", CUT, DirectionState(delay_ms=1))
    bench.send(0, frame(0, 1, b"before"))
    bench.forwarder.capture_start("l0", tmp_path / "l0.pcapng")
    bench.send(0, frame(0, 1, b"cut"))
    bench.send(1, frame(1, 0, b"late"))
    bench.advance(2 * MS)
    assert packets(tmp_path / "l0.pcapng") == [  # readable while it goes on
        ("outbound", frame(0, 1, b"cut")),
        ("inbound", frame(1, 0, b"late")),
    ]
    assert bench.forwarder.capture_stop("l0") == tmp_path / "l0.pcapng"
    bench.send(1, frame(1, 0, b"after"))
    bench.advance(2 * MS)
    assert len(packets(tmp_path / "l0.pcapng")) == 2


def test_mistakes_with_captures_are_named(tmp_path: Path) -> None:
    forwarder = Bench().forwarder
    with pytest.raises(InputError, match="not being captured"):
        forwarder.capture_stop("l0")
    with pytest.raises(InputError, match="cannot write the capture"):
        forwarder.capture_start("l0", tmp_path / "no" / "l0.pcapng")
    forwarder.capture_start("l0", tmp_path / "l0.pcapng")
    with pytest.raises(InputError, match="being captured already"):
        forwarder.capture_start("l0", tmp_path / "other.pcapng")
    forwarder.close()


def test_a_full_disk_ends_the_capture_and_not_the_traffic() -> None:
    bench = Bench()
    bench.forwarder.capture_start("l0", Path("/dev/null"))
    capture = bench.forwarder.port("l0").capture
    assert capture is not None
    capture.close()
    capture._file = os.open("/dev/full", os.O_WRONLY)
    bench.send(0, frame(0, 1))
    assert bench.arrived(1) == [frame(0, 1)]
    status = bench.forwarder.status()[0]
    assert status.capture is None
    assert "No space left" in status.capture_error
