"""Frames as they would be on a cable: checksums, and segments that make up what was sent."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.fabric.offload import (
    NEEDS_CHECKSUM,
    TCP_4,
    TCP_6,
    UDP_SEGMENTS,
    NotDivisible,
    Unfinished,
    finish,
    ones_complement_sum,
    with_tag,
)
from tests.budget import examples

MACS = bytes(range(12))
FIN, PSH, ACK, CWR = 0x01, 0x08, 0x10, 0x80
KINDS = {TCP_4: (4, 6), TCP_6: (6, 6), UDP_SEGMENTS: (4, 17)}


def addresses(version: int) -> bytes:
    pair = ("10.0.0.1", "10.0.0.2") if version == 4 else ("fd00::1", "fd00::2")
    return b"".join(ip_address(text).packed for text in pair)


def frame(kind: int, payload: bytes, *, flags: int = ACK, tag: bytes = b"") -> bytes:
    """As a sender leaves it to its card: the checksum's field has the pseudo-header's sum."""
    version, protocol = KINDS[kind]
    if protocol == 6:
        head = struct.pack(
            ">HHIIBBHHH4s", 40_000, 502, 0xFFFF_FF00, 7, 0x60, flags, 99, 0, 0, b"opt."
        )
    else:
        head = struct.pack(">HHHH", 40_000, 502, 8 + len(payload), 0)
    length = len(head) + len(payload)
    pseudo = addresses(version) + struct.pack(">IHBB", length, 0, 0, protocol)
    at = 16 if protocol == 6 else 6
    partial = ones_complement_sum(pseudo).to_bytes(2, "big")
    head = head[:at] + partial + head[at + 2 :]
    if version == 4:
        packet = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0xFFFF, 0x4000, 64, protocol, 0)
    else:
        packet = struct.pack(">IHBB", 6 << 28, length, protocol, 64)
    kind_of = b"\x08\x00" if version == 4 else b"\x86\xdd"
    return MACS + tag + kind_of + packet + addresses(version) + head + payload


def work(kind: int, size: int, data: bytes) -> Unfinished:
    version, protocol = KINDS[kind]
    start = 14 + (4 if data[12:14] == b"\x81\x00" else 0) + (20 if version == 4 else 40)
    return Unfinished(NEEDS_CHECKSUM, kind, 0, size, start, 16 if protocol == 6 else 6)


def packet(data: bytes, kind: int) -> tuple[bytes, bytes]:
    """The network header, and what is in it by its length field."""
    begin = 18 if data[12:14] == b"\x81\x00" else 14
    if KINDS[kind][0] == 4:
        end = begin + int.from_bytes(data[begin + 2 : begin + 4], "big")
        return data[begin : begin + 20], data[begin + 20 : end]
    end = begin + 40 + int.from_bytes(data[begin + 4 : begin + 6], "big")
    return data[begin : begin + 40], data[begin + 40 : end]


def checksum_fits(data: bytes, kind: int) -> bool:
    version, protocol = KINDS[kind]
    _, content = packet(data, kind)
    pseudo = addresses(version) + struct.pack(">IHBB", len(content), 0, 0, protocol)
    return ones_complement_sum(pseudo + content) == 0xFFFF


@given(st.sampled_from(sorted(KINDS)), st.binary(max_size=3000))
@settings(max_examples=examples(100), deadline=None)
def test_a_checksum_is_completed(kind: int, payload: bytes) -> None:
    data = frame(kind, payload)
    asked = work(kind, 0, data)._replace(segmentation=0)
    (done,) = finish(data, asked)
    assert checksum_fits(done, kind)
    assert len(done) == len(data)


def test_without_completion_it_does_not_fit() -> None:
    assert not checksum_fits(frame(TCP_4, b"payload"), TCP_4)


@given(
    st.sampled_from(sorted(KINDS)),
    st.binary(min_size=1, max_size=9000),
    st.integers(min_value=1, max_value=1460),
    st.sampled_from([b"", b"\x81\x00\x00\x07"]),
)
@settings(max_examples=examples(100), deadline=None)
def test_segments_are_the_payload_in_order(
    kind: int, payload: bytes, size: int, tag: bytes
) -> None:
    data = frame(kind, payload, flags=ACK | PSH | FIN | CWR, tag=tag)
    done = finish(data, work(kind, size, data))
    head = 24 if KINDS[kind][1] == 6 else 8
    contents = [packet(each, kind)[1] for each in done]
    assert b"".join(content[head:] for content in contents) == payload
    assert all(len(content) - head == size for content in contents[:-1])
    assert all(checksum_fits(each, kind) for each in done)
    assert {each[:12] + each[12 : 12 + len(tag)] for each in done} == {MACS + tag}
    if KINDS[kind][0] == 4:
        headers = [packet(each, kind)[0] for each in done]
        assert all(ones_complement_sum(header) == 0xFFFF for header in headers)
        identities = [int.from_bytes(header[4:6], "big") for header in headers]
        assert identities == [(0xFFFF + number) & 0xFFFF for number in range(len(done))]
    if KINDS[kind][1] == 6:
        sequences = [int.from_bytes(content[4:8], "big") for content in contents]
        expected = [(0xFFFF_FF00 + size * number) & 0xFFFF_FFFF for number in range(len(done))]
        assert sequences == expected
        flags = [content[13] for content in contents]
        assert all(value & CWR == (CWR if not at else 0) for at, value in enumerate(flags))
        assert all(not value & (FIN | PSH) for value in flags[:-1])
        assert flags[-1] & (FIN | PSH) == FIN | PSH


@given(
    st.binary(max_size=200), st.tuples(*[st.integers(0, 255)] * 2, *[st.integers(0, 65_535)] * 4)
)
@settings(max_examples=examples(200), deadline=None)
def test_foreign_bytes_are_refused_or_divided_and_nothing_else(
    data: bytes, numbers: tuple[int, int, int, int, int, int]
) -> None:
    try:
        done = finish(data, Unfinished(*numbers))
    except NotDivisible:
        return
    assert done


@pytest.mark.parametrize("change", [{"checksum_start": 60}, {"size": 0}, {"segmentation": 3}])
def test_what_cannot_be_divided_is_refused(change: dict[str, int]) -> None:
    data = frame(TCP_4, bytes(3000))
    with pytest.raises(NotDivisible):
        finish(data, work(TCP_4, 1000, data)._replace(**change))


def test_a_tag_is_put_back_where_it_was() -> None:
    data = frame(TCP_4, b"payload")
    assert with_tag(data, 0x8100, 0x6007) == data[:12] + b"\x81\x00\x60\x07" + data[12:]
