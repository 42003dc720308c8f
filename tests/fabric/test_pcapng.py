"""Captures, read back by a library that shares no code with the writer."""

from __future__ import annotations

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
    InterfaceStatistics,
    SectionHeader,
)

from edge_lab.fabric import Direction, pcapng
from edge_lab.fabric.pcapng import Statistics

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


def capture_of(*parts: bytes) -> bytes:
    return b"".join([pcapng.header("arm-cloud"), *parts])


def test_an_independent_reader_finds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "wire.pcapng"
    time_ns = 1_700_000_000_123_456_789
    path.write_bytes(
        capture_of(
            pcapng.packets(Direction.TX, time_ns, [memoryview(b"x" * n) for n in range(14, 19)]),
            pcapng.packets(Direction.RX, time_ns + 1, [memoryview(b"y" * 65_507)]),
            pcapng.statistics(time_ns + 2, Statistics(received=9, dropped=3)),
        )
    )
    section, interface, *blocks, last = read(path)
    assert isinstance(section, SectionHeader)
    assert isinstance(interface, InterfaceDescription)
    assert interface.link_type == 1
    assert interface.options["if_name"] == "arm-cloud"
    assert interface.timestamp_resolution == pytest.approx(1e-9)
    assert [len(block.packet_data) for block in blocks] == [14, 15, 16, 17, 18, 65_507]
    assert [block.options["epb_flags"].inout for block in blocks] == ["outbound"] * 5 + ["inbound"]
    stamps = [block.timestamp_high << 32 | block.timestamp_low for block in blocks]
    assert stamps == [time_ns] * 5 + [time_ns + 1]
    assert isinstance(last, InterfaceStatistics)
    assert (last.options["isb_ifrecv"], last.options["isb_ifdrop"]) == (9, 3)


def test_that_reader_would_see_a_wrong_length(tmp_path: Path) -> None:
    path = tmp_path / "wire.pcapng"
    broken = bytearray(capture_of(pcapng.packets(Direction.TX, 1, [memoryview(b"x" * 20)])))
    broken[-4:] = struct.pack("<I", 4)
    path.write_bytes(broken)
    with pytest.raises(Exception, match=r"(?i)corrupted|length|size"):
        read(path)


@given(frames=st.lists(st.binary(min_size=14, max_size=200), max_size=30))
def test_every_frame_is_read_back_as_it_was(
    frames: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("capture") / "wire.pcapng"
    views = [memoryview(each) for each in frames]
    path.write_bytes(capture_of(pcapng.packets(Direction.RX, 5, views)))
    assert packets(path) == [("inbound", each) for each in frames]


@given(
    frames=st.lists(st.binary(min_size=14, max_size=90), min_size=1, max_size=9),
    cut=st.integers(min_value=0, max_value=2_000),
)
def test_blocks_are_told_apart_up_to_the_last_whole_one(frames: list[bytes], cut: int) -> None:
    data = capture_of(*(pcapng.packets(Direction.RX, 5, [memoryview(each)]) for each in frames))
    found = list(pcapng.blocks(data[:cut]))
    assert [start for _, start, _ in found] == [0, *(stop for _, _, stop in found)][: len(found)]
    assert all(stop <= cut for _, _, stop in found)
    whole = list(pcapng.blocks(data))
    assert found == whole[: len(found)]
    assert len(whole) == len(frames) + 2
    if len(found) < len(whole):
        assert whole[len(found)][2] > cut


@given(received=st.integers(0, 2**64 - 1), dropped=st.integers(0, 2**64 - 1))
def test_statistics_are_read_back(received: int, dropped: int) -> None:
    counted = Statistics(received, dropped)
    assert pcapng.read_statistics(pcapng.statistics(7, counted)) == counted
