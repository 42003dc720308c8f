"""Work on a frame that is left to network cards: its checksum, and its segmentation.

A packet socket returns frames as the kernel has them.  If the sender left work to its card, or
the receiving kernel has merged segments, a `virtio_net_hdr` before the frame (<linux/
virtio_net.h>, packet(7): PACKET_VNET_HDR) describes the remaining work.  A link of the fabric
carries only frames that could be on a cable.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct("=BBHHHH")
"""struct virtio_net_hdr, in the byte order of this machine."""

NEEDS_CHECKSUM = 1
TCP_4, TCP_6, UDP_SEGMENTS = 1, 4, 5
_ECN = 0x80
_TAGS = frozenset({b"\x81\x00", b"\x88\xa8"})
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_TCP, _UDP = 6, 17
_FIN, _PSH, _CWR = 0x01, 0x08, 0x80


class Unfinished(NamedTuple):
    """The remaining work on a frame."""

    flags: int = 0
    segmentation: int = 0
    """The kind: TCP_4, TCP_6 or UDP_SEGMENTS, with or without _ECN; 0 is none."""
    header_length: int = 0
    size: int = 0
    """Bytes of payload of each segment."""
    checksum_start: int = 0
    checksum_offset: int = 0
    """From `checksum_start`."""

    @classmethod
    def parse(cls, header: bytes) -> Unfinished:
        return cls(*HEADER.unpack(header))


class NotDivisible(Exception):
    """The frame cannot be segmented: that of a tunnel or of an unsupported protocol."""


def finish(frame: bytes, work: Unfinished) -> list[bytes]:
    """The frames as they would be on a cable, in order.

    Raises:
        NotDivisible: they cannot be derived from `frame`.
    """
    if work.segmentation:
        return _segments(frame, work)
    if work.flags & NEEDS_CHECKSUM:
        return [_with_checksum(frame, work.checksum_start, work.checksum_offset)]
    return [frame]


def with_tag(frame: bytes, protocol: int, control: int) -> bytes:
    """The frame with the VLAN tag that the kernel has removed."""
    return frame[:12] + struct.pack(">HH", protocol, control) + frame[12:]


def ones_complement_sum(data: bytes) -> int:
    """The 16-bit ones' complement sum (RFC 1071); 0 only if all bytes are 0."""
    if len(data) % 2:
        data += b"\0"
    number = int.from_bytes(data, "big")
    return number % 0xFFFF or (0xFFFF if number else 0)


def _checksum(data: bytes) -> bytes:
    """As Linux writes it into a frame: 0 becomes 0xFFFF."""
    return ((ones_complement_sum(data) ^ 0xFFFF) or 0xFFFF).to_bytes(2, "big")


def _with_checksum(frame: bytes, start: int, offset: int) -> bytes:
    """The field already contains the sum of the pseudo-header."""
    at = start + offset
    if at + 2 > len(frame):
        raise NotDivisible
    return frame[:at] + _checksum(frame[start:]) + frame[at + 2 :]


def _segments(frame: bytes, work: Unfinished) -> list[bytes]:
    network = 14
    while frame[network - 2 : network] in _TAGS:
        network += 4
    transport, protocol = _transport(frame, network)
    if work.flags & NEEDS_CHECKSUM and work.checksum_start != transport:
        raise NotDivisible  # the inner packet of a tunnel
    kind = work.segmentation & ~_ECN
    if work.size < 1 or (kind, protocol) not in ((TCP_4, _TCP), (TCP_6, _TCP), (UDP_SEGMENTS, 17)):
        raise NotDivisible
    shortest = transport + (20 if protocol == _TCP else 8)
    if len(frame) < shortest:
        raise NotDivisible
    begin = transport + ((frame[transport + 12] >> 4) * 4 if protocol == _TCP else 8)
    if not shortest <= begin <= len(frame):
        raise NotDivisible
    payload = frame[begin:]
    cuts = range(0, max(1, len(payload)), work.size)
    return [
        _segment(
            bytearray(frame[:begin]),
            payload[cut : cut + work.size],
            _Place(network, transport, number, cut, cut + work.size >= len(payload)),
            protocol,
        )
        for number, cut in enumerate(cuts)
    ]


class _Place(NamedTuple):
    """The offsets of the headers of a segment, and its index."""

    network: int
    transport: int
    number: int
    offset: int
    is_last: bool


def _transport(frame: bytes, network: int) -> tuple[int, int]:
    """The offset of the transport header, and its protocol."""
    kind = frame[network - 2 : network]
    if kind == _IPV4 and len(frame) >= network + 20:
        return network + (frame[network] & 0x0F) * 4, frame[network + 9]
    if kind == _IPV6 and len(frame) >= network + 40:
        return network + 40, frame[network + 6]  # extension headers are not supported
    raise NotDivisible


def _segment(head: bytearray, payload: bytes, place: _Place, protocol: int) -> bytes:
    network, transport = place.network, place.transport
    length = len(head) - transport + len(payload)
    if head[network - 2 : network] == _IPV4:
        header = transport - network
        identity = int.from_bytes(head[network + 4 : network + 6], "big") + place.number
        struct.pack_into(">HH", head, network + 2, header + length, identity & 0xFFFF)
        head[network + 10 : network + 12] = b"\0\0"
        head[network + 10 : network + 12] = _checksum(bytes(head[network:transport]))
        addresses = head[network + 12 : network + 20]
    else:
        struct.pack_into(">H", head, network + 4, length)
        addresses = head[network + 8 : network + 40]
    if protocol == _TCP:
        sequence = int.from_bytes(head[transport + 4 : transport + 8], "big") + place.offset
        struct.pack_into(">I", head, transport + 4, sequence & 0xFFFF_FFFF)
        if place.number:
            head[transport + 13] &= ~_CWR & 0xFF
        if not place.is_last:
            head[transport + 13] &= ~(_FIN | _PSH) & 0xFF
    else:
        struct.pack_into(">H", head, transport + 4, length)
    at = transport + (16 if protocol == _TCP else 6)
    head[at : at + 2] = b"\0\0"
    pseudo = bytes(addresses) + struct.pack(">IHBB", length, 0, 0, protocol)
    head[at : at + 2] = _checksum(pseudo + bytes(head[transport:]) + payload)
    return bytes(head) + payload
