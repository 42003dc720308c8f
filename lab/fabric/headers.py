"""Parses the IPv4 and TCP headers of frames, RFC 791 and RFC 9293.

A frame with an incomplete header or a VLAN tag counts as neither.
"""

from __future__ import annotations

from typing import NamedTuple

ETHERNET = 14
"""Bytes of an Ethernet header without a VLAN tag."""
ICMP, TCP, UDP = 1, 6, 17
SYN = 0x02

_SHORTEST = 20
_TYPE = b"\x08\x00"
_OFFSET = 0x1F
_TCP_FLAGS = 13


class Packet(NamedTuple):
    """An IPv4 packet in a frame."""

    protocol: int
    source: bytes
    target: bytes
    content: int
    """Where in the frame its content begins; 0 if it is a fragment behind the first."""


def packet(frame: memoryview) -> Packet | None:
    """The IPv4 packet in `frame`, with options or without; None if there is none."""
    if len(frame) < ETHERNET + _SHORTEST or frame[12:14] != _TYPE or frame[14] >> 4 != 4:
        return None
    length = (frame[14] & 0x0F) * 4
    if length < _SHORTEST or len(frame) < ETHERNET + length:
        return None
    later = frame[20] & _OFFSET or frame[21]
    return Packet(
        protocol=frame[23],
        source=bytes(frame[26:30]),
        target=bytes(frame[30:34]),
        content=0 if later else ETHERNET + length,
    )


def ports(frame: memoryview, found: Packet) -> tuple[int, int] | None:
    """Source and destination port of a TCP segment or UDP datagram; None if it has none."""
    at = found.content
    if not at or found.protocol not in (TCP, UDP) or len(frame) < at + 4:
        return None
    return int.from_bytes(frame[at : at + 2]), int.from_bytes(frame[at + 2 : at + 4])


class Segment(NamedTuple):
    """A TCP segment in a frame."""

    connection: bytes
    """Source and destination address, source and destination port: 12 bytes."""
    flags: int


def segment(frame: memoryview) -> Segment | None:
    """The TCP segment in `frame`; None if there is none, or not its header."""
    found = packet(frame)
    if found is None or found.protocol != TCP:
        return None
    at = found.content
    if not at or len(frame) <= at + _TCP_FLAGS:
        return None
    return Segment(found.source + found.target + bytes(frame[at : at + 4]), frame[at + _TCP_FLAGS])
