"""An Ethernet switch: learns addresses, floods frames to unknown ones."""

from __future__ import annotations

from edge_lab.fabric.framebuffer import FrameBuffer, Run, join

MOST_ADDRESSES = 8_192
"""Size of the address table; a flood of invented addresses evicts the oldest."""

_DESTINATION = (1 << 48) - 1
_MULTICAST = 1


def address(mac: str) -> int:
    """`52:54:00:ed:00:01` as a key of the table: the octets in little-endian order."""
    return int.from_bytes(bytes.fromhex(mac.replace(":", "")), "little")


class Switch:
    """One network. Ports are numbers; a frame never goes back to the port it came from."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self._others = {port: tuple(other for other in ports if other != port) for port in ports}
        self._table: dict[int, int] = {}

    def knows(self, mac: int) -> int | None:
        """The port behind which `mac` was last seen."""
        return self._table.get(mac)

    def forget(self, port: int) -> None:
        """Removes all addresses learnt from `port`: its cable is unplugged."""
        self._table = {mac: at for mac, at in self._table.items() if at != port}

    def _learn(self, mac: int, port: int) -> None:
        if mac & _MULTICAST or self._table.get(mac) == port:
            return
        if len(self._table) >= MOST_ADDRESSES and mac not in self._table:
            del self._table[next(iter(self._table))]
        self._table[mac] = port

    def _egress(self, source: int, destination: int) -> tuple[int, ...]:
        if not destination & _MULTICAST:
            port = self._table.get(destination)
            if port is not None:
                return (port,) if port != source else ()
        return self._others[source]

    def route(self, source: int, buffer: FrameBuffer, runs: list[Run]) -> dict[int, list[Run]]:
        """The frames of `runs`, received at port `source`, by the port to which they are sent.

        The order of the frames is kept within each port.
        """
        others = self._others[source]
        if len(others) < 2:  # a point-to-point link: what enters leaves at the other end
            return dict.fromkeys(others, runs)
        routed: dict[int, list[Run]] = {}
        for start, stop in runs:
            heads = buffer.heads(start, stop)
            tails = buffer.tails(start, stop)
            size = stop - start
            if heads.count(heads[0]) == size and tails.count(tails[0]) == size:
                spans = [(start, stop, heads[0], tails[0])]  # one sender, one receiver
            else:
                spans = _spans(start, heads, tails)
            for begin, end, head, tail in spans:
                self._learn(head >> 48 | tail << 16, source)
                for port in self._egress(source, head & _DESTINATION):
                    join(routed.setdefault(port, []), [(begin, end)])
        return routed


def _spans(start: int, heads: list[int], tails: list[int]) -> list[tuple[int, int, int, int]]:
    """Neighbouring frames with equal addresses, put together."""
    spans = []
    begin, head, tail = start, heads[0], tails[0]
    for slot, (other, rest) in enumerate(zip(heads, tails, strict=True), start):
        if other != head or rest != tail:
            spans.append((begin, slot, head, tail))
            begin, head, tail = slot, other, rest
    spans.append((begin, start + len(heads), head, tail))
    return spans
