"""The log of a device's firmware, what its board is told, and what is seen on its cable."""

from __future__ import annotations

import struct
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.data import IMAGES
from edge_lab.devices.plant import PLANTS
from edge_lab.devices.rtos.board import CONFIGURATION, Configuration, command_line
from edge_lab.devices.rtos.cable import LAB_ADDRESS, is_for_lab, is_request
from edge_lab.devices.rtos.console import (
    LONGEST,
    Boot,
    Cause,
    Clients,
    Failed,
    Hanging,
    Lines,
    Listening,
    Pausing,
    Step,
    Write,
    parse_line,
    state_numbers,
)
from tests.budget import examples

STEP = "T 7 655 698 221 249 55 1 700 23 69759 2208 55257 1 23331 ."

numbers = st.integers(-(2**31), 2**32 - 1)


def test_a_step_has_what_registers_show_and_the_state_in_its_units() -> None:
    said = parse_line(STEP)
    assert isinstance(said, Step)
    assert (said.seq, said.requested) == (7, 655)
    assert set(said.values) == {point.name for point in PLANTS["boiler"].points}
    assert said.values["temperature"] == 698
    assert said.values["energy"] == 23
    assert said.state == {
        "temperature": 69.759,
        "pressure": 2.208,
        "valve": 55.257,
        "heater": 1,
        "energy": 23.331,
    }
    assert PLANTS["boiler"].load(said.state)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("R .", Listening()),
        ("H .", Hanging()),
        ("P 1 .", Pausing(True)),
        ("B 3 2 .", Boot(3, Cause.WATCHDOG)),
        ("C 2 1 .", Clients(2, 1)),
        ("W 100 655 .", Write("100", 655)),
        ("W c12 1 .", Write("coil 12", 1)),
        ("F heap:0 .", Failed("heap:0")),
    ],
)
def test_lines_are_understood(line: str, said: object) -> None:
    assert parse_line(line) == said


@pytest.mark.parametrize(
    "line",
    ["", ".", "R", "B 3 2", "B 3 9 .", "C 2 .", "X 1 .", "W c 1 .", "W 1 x .", "T 7 655 .", "F ."],
)
def test_what_is_no_line_is_none(line: str) -> None:
    assert parse_line(line) is None


@settings(max_examples=examples(100))
@given(st.integers(0, len(STEP) - 1))
def test_a_step_that_a_reset_has_cut_off_is_none(length: int) -> None:
    assert parse_line(STEP[:length]) is None


@settings(max_examples=examples(100))
@given(st.text())
def test_no_line_makes_the_parser_fail(line: str) -> None:
    parse_line(line)
    parse_line(f"{line} .")


@settings(max_examples=examples(100))
@given(st.lists(numbers, min_size=5, max_size=5))
def test_the_state_goes_back_to_the_firmware_as_it_came(state: list[int]) -> None:
    said = parse_line(f"T 1 2 {' '.join('0' * 7)} {' '.join(map(str, state))} .")
    assert isinstance(said, Step)
    assert state_numbers(said.state) == state


@settings(max_examples=examples(100))
@given(st.binary(), st.lists(st.integers(1, 40)))
def test_lines_are_the_same_however_the_bytes_come(data: bytes, cuts: list[int]) -> None:
    whole, parts = Lines(), Lines()
    at = 0
    found: list[str] = []
    for cut in (*cuts, len(data)):
        found += parts.feed(data[at : at + cut])
        at += cut
    assert found == list(whole.feed(data))
    assert all(len(line) <= LONGEST for line in found)


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    lines = Lines()
    for _ in range(100):
        assert list(lines.feed(b"x" * 1000)) == []
    assert list(lines.feed(b"\nR .\n")) == ["R ."]


# -- the board ---------------------------------------------------------------------------

BOARD = Configuration(IPv4Interface("10.78.0.101/24"), 500, 7, 8, 4000, 1, 9, (-1, 2, 3, 4, 5))


def test_the_words_are_those_of_the_firmwares_structure() -> None:
    header = (IMAGES / "firmware/rtos/src/board.h").read_text(encoding="utf-8")
    structure = header[header.index("struct configuration") : header.index("#define CONFIGURATION")]
    fields = [line.split()[1].rstrip(";") for line in structure.splitlines() if "int32_t" in line]
    assert fields[:9] == [
        *("magic", "address", "prefix", "period", "seed"),
        *("connections", "watchdog", "boots", "sequence"),
    ]
    assert fields[9:] == ["state[5]"]
    assert BOARD.words == (
        *(0x45444745, 0x0A4E0065, 24, 500, 7, 8, 4000, 1, 9),
        *(0xFFFFFFFF, 2, 3, 4, 5),
    )
    assert f"{CONFIGURATION:#x}" in header


def test_the_board_continues_from_a_file_only_if_it_is_given_one() -> None:
    def words(memory: Path | None) -> list[str]:
        firmware = Path("f.elf")
        return command_line(
            firmware, BOARD, mac="52:54:00:ed:00:06", nic=5, monitor=6, memory=memory
        )

    assert "-incoming" not in words(None)
    assert words(Path("/a b/memory"))[-1] == "exec:cat '/a b/memory'"
    assert "loader,addr=0x21000004,data=0xa4e0065,data-len=4" in words(None)


# -- the cable ---------------------------------------------------------------------------


def tcp_frame(port: int, payload: bytes, *, options: int = 0, padding: int = 0) -> bytes:
    size = 40 + options + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 6, 0, b"\0" * 4, b"\1" * 4)
    tcp = struct.pack(">HHIIBBHHH", 40000, port, 0, 0, (20 + options) << 2, 0x18, 0, 0, 0)
    return b"\2" * 12 + b"\x08\x00" + ip + tcp + bytes(options) + payload + bytes(padding)


@pytest.mark.parametrize("options", [0, 12])
def test_a_request_is_a_segment_with_bytes_for_the_server(options: int) -> None:
    assert is_request(tcp_frame(502, b"x", options=options))
    assert not is_request(tcp_frame(502, b"", options=options, padding=6))
    assert not is_request(tcp_frame(503, b"x", options=options))
    assert not is_request(tcp_frame(502, b"x", options=options)[:40])


@settings(max_examples=examples(100))
@given(st.binary(max_size=200))
def test_no_frame_makes_the_cable_fail(frame: bytes) -> None:
    is_request(frame)
    is_request(b"\2" * 12 + b"\x08\x00\x45" + frame)
    is_for_lab(frame, b"\1" * 6, LAB_ADDRESS.ip)


def test_what_is_for_the_lab_is_told_from_what_is_for_the_link() -> None:
    mac, broadcast = b"\2\xed\1\1\1\1", b"\xff" * 6
    lab = LAB_ADDRESS.ip.packed
    arp = broadcast + b"\3" * 6 + b"\x08\x06" + bytes(24)
    assert is_for_lab(arp + lab, mac, LAB_ADDRESS.ip)
    assert not is_for_lab(arp + b"\x0a\x4e\x00\x0b", mac, LAB_ADDRESS.ip)
    assert is_for_lab(mac + b"\3" * 6 + b"\x08\x00", mac, LAB_ADDRESS.ip)
    assert not is_for_lab(b"\4" * 6 + b"\3" * 6 + b"\x08\x00", mac, LAB_ADDRESS.ip)
