"""Which frames pass for what they are: a match, half-open TCP, the longest packet."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.fabric import CLEAR, CUT, DROP, DirectionState, Match, Mode, Reason
from edge_lab.fabric.headers import packet, ports, segment
from edge_lab.fabric.snapshots import FabricSnapshot
from edge_lab.fabric.stages.gates import MOST_CONNECTIONS

from .wires import (
    ACK,
    BROADCAST,
    MS,
    RST,
    SYN,
    Bench,
    frame,
    ipv4,
    mac,
    numbered,
    port_pair,
    tcp,
)

HALF_OPEN = DirectionState(mode=Mode.HALF_OPEN)
ARP = BROADCAST + mac(0) + b"\x08\x06" + bytes(28)
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}


def passes(state: DirectionState, *frames: bytes) -> list[bool]:
    """Of each frame, whether it comes through a link in that state."""
    bench = Bench()
    bench.forwarder.set("l0", state, None)
    fate = []
    for each in frames:
        before = len(bench.arrived(1))
        bench.send(0, each)
        fate.append(len(bench.arrived(1)) > before)
        assert bench.arrived(1)[before:] in ([], [each])
    assert bench.counters_add_up()
    return fate


# -- headers ---------------------------------------------------------------------------------


@given(data=st.binary(max_size=80), options=st.integers(0, 10))
def test_whatever_a_frame_holds_it_is_read_or_not_and_never_beyond_its_end(
    data: bytes, options: int
) -> None:
    for each in (data, ipv4(6, data, options=options), ipv4(6, b"")[:14] + data):
        view = memoryview(each)
        found = packet(view)
        if found is not None:
            ports(view, found)
        segment(view)


# -- match -----------------------------------------------------------------------------------


class Sent(NamedTuple):
    """A packet as a test makes it."""

    protocol: str
    source: str
    target: str
    ports: tuple[int, int]
    options: int
    later: bool
    """Whether it is a fragment behind the first."""

    def frame(self) -> bytes:
        content = port_pair(*self.ports) + bytes(16)
        return ipv4(
            PROTOCOLS[self.protocol],
            content,
            source=self.source,
            target=self.target,
            options=self.options,
            fragment=185 if self.later else 0,
        )

    def fits(self, match: Match) -> bool:
        """What the docstring of `Match` says."""
        if match.protocol and match.protocol != self.protocol:
            return False
        if match.peer and str(match.peer) not in (self.source, self.target):
            return False
        if not match.ports:
            return True
        return not self.later and self.protocol != "icmp" and bool({*match.ports} & {*self.ports})


addresses = st.sampled_from(["10.0.0.1", "10.0.0.2", "192.168.7.9"])
port = st.sampled_from([53, 443, 502, 40_000])
packets = st.builds(
    Sent,
    st.sampled_from(sorted(PROTOCOLS)),
    addresses,
    addresses,
    st.tuples(port, port),
    st.integers(0, 10),
    st.booleans(),
)
matches = st.builds(
    Match,
    protocol=st.sampled_from(["tcp", "udp", None]),
    ports=st.lists(port, max_size=2).map(tuple),
    peer=st.none() | addresses.map(IPv4Address),
) | st.builds(Match, protocol=st.just("icmp"), peer=st.none() | addresses.map(IPv4Address))


@given(match=matches, sent=st.lists(packets, max_size=20))
def test_what_a_match_describes_vanishes_and_all_else_passes(
    match: Match, sent: list[Sent]
) -> None:
    state = DirectionState(mode=Mode.DROP, match=match)
    frames = [each.frame() for each in sent]
    assert passes(state, *frames) == [not each.fits(match) for each in sent]
    bench = Bench()  # and all in one batch
    bench.forwarder.set("l0", state, None)
    bench.send(0, *frames)
    kept = [each.frame() for each in sent if not each.fits(match)]
    assert bench.arrived(1) == kept
    gone = len(sent) - len(kept)
    assert bench.tx(0).dropped == ({Reason.DROP: gone} if gone else {})


@pytest.mark.parametrize(
    ("match", "vanishes", "stays"),
    [
        (Match(protocol="udp"), ipv4(17, bytes(8)), ipv4(6, bytes(20))),
        (Match(protocol="icmp"), ipv4(1, bytes(8)), ipv4(17, bytes(8))),
        (Match(ports=(443,)), tcp(ACK, 1, 443), tcp(ACK, 1, 444)),
        (Match(ports=(443,)), tcp(ACK, 443, 9), tcp(ACK, 9, 442)),
        (Match(ports=(53,)), ipv4(17, port_pair(53, 9)), ipv4(1, port_pair(53, 9))),
        (Match(peer=IPv4Address("10.0.0.2")), tcp(ACK), tcp(ACK, server="10.0.0.3")),
        (
            Match(protocol="tcp", ports=(443,), peer=IPv4Address("10.0.0.2")),
            tcp(ACK, 1, 443),
            tcp(ACK, 1, 443, server="10.0.0.9"),
        ),
        (Match(), ipv4(99, b""), ARP),
    ],
    ids=str,
)
def test_a_match_describes_what_it_says(match: Match, vanishes: bytes, stays: bytes) -> None:
    state = DirectionState(mode=Mode.DROP, match=match)
    assert passes(state, vanishes, stays) == [False, True]


def test_what_is_not_ipv4_is_described_by_no_match() -> None:
    state = DirectionState(mode=Mode.DROP, match=Match())
    tagged = tcp(ACK)[:12] + b"\x81\0\0\7" + tcp(ACK)[12:]
    sixth = tcp(ACK)[:14] + b"\x65" + tcp(ACK)[15:]
    cut_short = tcp(ACK)[:33]
    short_header = tcp(ACK)[:14] + b"\x44" + tcp(ACK)[15:]
    options_missing = tcp(ACK)[:14] + b"\x4f" + tcp(ACK)[15:50]
    frames = [ARP, frame(0, 1), tagged, sixth, cut_short, short_header, options_missing]
    assert passes(state, *frames) == [True] * 7
    assert passes(DROP, *frames) == [False] * 7


def test_what_a_match_lets_pass_is_impaired() -> None:
    bench = Bench()
    match = Match(protocol="tcp")
    bench.forwarder.set("l0", DirectionState(mode=Mode.DROP, match=match, delay_ms=5), None)
    bench.send(0, tcp(ACK), ARP)
    assert bench.arrived(1) == []
    bench.advance(5 * MS)
    assert bench.arrived(1) == [ARP]


def test_described_frames_under_way_vanish_when_their_time_has_come() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(delay_ms=5), None)
    bench.send(0, tcp(ACK), ARP, tcp(ACK, 1, 2))
    bench.forwarder.set("l0", DirectionState(mode=Mode.DROP, match=Match(ports=(443,))), None)
    bench.advance(5 * MS)
    assert bench.arrived(1) == [ARP, tcp(ACK, 1, 2)]
    assert bench.tx(0).dropped == {Reason.DROP: 1}
    assert bench.counters_add_up()


# -- half-open -------------------------------------------------------------------------------


def test_standing_connections_die_and_new_ones_pass() -> None:
    bench = Bench()
    bench.send(0, tcp(SYN), tcp(ACK))
    bench.forwarder.set("l0", HALF_OPEN, HALF_OPEN)
    bench.arrived(1).clear()
    old = tcp(ACK)
    new = [tcp(SYN, 50_000), tcp(ACK, 50_000), tcp(ACK, 50_000)]
    bench.send(0, old, *new, old)
    assert bench.arrived(1) == new
    assert bench.tx(0).dropped == {Reason.HALF_OPEN: 2}
    # The other direction has seen nothing yet.
    answer = tcp(ACK, 443, 50_000, client="10.0.0.2", server="10.0.0.1")
    welcome = tcp(SYN | ACK, 443, 50_000, client="10.0.0.2", server="10.0.0.1")
    bench.send(1, answer, welcome, answer)
    assert bench.arrived(0) == [welcome, answer]
    assert bench.counters_add_up()


def test_after_the_heal_everything_passes() -> None:
    bench = Bench()
    bench.forwarder.set("l0", HALF_OPEN, HALF_OPEN)
    bench.send(0, tcp(ACK))
    bench.forwarder.heal("l0")
    bench.send(0, tcp(ACK), tcp(RST))
    assert bench.arrived(1) == [tcp(ACK), tcp(RST)]


def test_what_is_not_tcp_in_ipv4_passes() -> None:
    frames = [ARP, ipv4(17, port_pair(53, 53) + bytes(4)), ipv4(1, bytes(8)), frame(0, 1)]
    assert passes(HALF_OPEN, *frames) == [True] * 4


def test_a_connection_is_known_by_both_addresses_and_both_ports() -> None:
    others = [
        tcp(ACK, 40_001),
        tcp(ACK, target=444),
        tcp(ACK, client="10.0.0.9"),
        tcp(ACK, server="10.0.0.9"),
    ]
    assert passes(HALF_OPEN, tcp(SYN), *others, tcp(ACK)) == [True, *[False] * 4, True]


def test_options_are_read_over_and_later_fragments_and_stumps_pass() -> None:
    assert passes(HALF_OPEN, tcp(ACK, options=10), tcp(SYN, options=10), tcp(ACK)) == [
        False,
        True,
        True,
    ]
    assert passes(HALF_OPEN, tcp(ACK, fragment=185), tcp(ACK)[:47]) == [True, True]
    first_fragment = tcp(ACK, fragment=0x2000)
    assert passes(HALF_OPEN, first_fragment, tcp(ACK)[:48]) == [False, False]


def test_a_reset_of_an_unknown_connection_vanishes_too() -> None:
    assert passes(HALF_OPEN, tcp(RST), tcp(RST | ACK)) == [False, False]


def test_frames_that_pass_are_impaired() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(mode=Mode.HALF_OPEN, delay_ms=5, loss=0.5), None)
    for number in range(200):
        bench.send(0, tcp(SYN, 1_000 + number), tcp(ACK, 1_000 + number), tcp(ACK, 1))
    assert bench.arrived(1) == []
    bench.advance(10 * MS)
    dropped = bench.tx(0).dropped
    assert dropped[Reason.HALF_OPEN] == 200
    assert 120 < dropped[Reason.LOSS] < 280
    assert len(bench.arrived(1)) == 400 - dropped[Reason.LOSS]
    assert tcp(ACK, 1) not in bench.arrived(1)


def test_segments_under_way_die_with_their_connection() -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(delay_ms=5), None)
    bench.send(0, tcp(ACK), ARP)
    bench.forwarder.set("l0", HALF_OPEN, None)
    bench.advance(5 * MS)
    assert bench.arrived(1) == [ARP]
    assert bench.tx(0).dropped == {Reason.HALF_OPEN: 1}


def test_it_begins_anew_when_it_is_set_anew_but_not_when_only_the_impairment_changes() -> None:
    bench = Bench()
    bench.forwarder.set("l0", HALF_OPEN, None)
    bench.send(0, tcp(SYN))
    bench.forwarder.set("l0", DirectionState(mode=Mode.HALF_OPEN, delay_ms=1), None)
    bench.send(0, tcp(ACK))
    bench.advance(MS)
    assert bench.arrived(1) == [tcp(SYN), tcp(ACK)]
    bench.forwarder.set("l0", CLEAR, None)
    bench.forwarder.set("l0", HALF_OPEN, None)
    bench.send(0, tcp(ACK))
    assert bench.arrived(1) == [tcp(SYN), tcp(ACK)]


def opened(number: int) -> bytes:
    return tcp(SYN, 1_024 + number)


def goes_on(number: int) -> bytes:
    return tcp(ACK, 1_024 + number)


def test_a_flood_of_connections_pushes_out_the_one_longest_silent() -> None:
    bench = Bench()
    bench.forwarder.set("l0", HALF_OPEN, None)
    bench.send(0, *[opened(n) for n in range(MOST_CONNECTIONS)])
    bench.send(0, goes_on(0), opened(MOST_CONNECTIONS))
    bench.arrived(1).clear()
    bench.send(0, goes_on(0), goes_on(1), goes_on(2), goes_on(MOST_CONNECTIONS))
    assert bench.arrived(1) == [goes_on(0), goes_on(2), goes_on(MOST_CONNECTIONS)]
    memory = bench.forwarder.snapshot().links["l0"].tx.memory["half-open"]
    assert isinstance(memory, tuple)
    assert len(memory) == MOST_CONNECTIONS


@given(
    before=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30),
    after=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30),
)
def test_connections_seen_to_open_are_known_after_a_checkpoint(
    before: list[tuple[int, bool]], after: list[tuple[int, bool]]
) -> None:
    bench, other = Bench(), Bench(seed=5)
    bench.forwarder.set("l0", HALF_OPEN, CUT)
    bench.send(0, *[opened(n) if begins else goes_on(n) for n, begins in before])
    bench.arrived(1).clear()
    text = bench.forwarder.snapshot().model_dump_json()
    other.forwarder.load(FabricSnapshot.model_validate_json(text))
    assert other.forwarder.snapshot() == bench.forwarder.snapshot()
    for each in (bench, other):
        each.send(0, *[opened(n) if begins else goes_on(n) for n, begins in after])
    assert bench.arrived(1) == other.arrived(1)


# -- the longest packet ----------------------------------------------------------------------


@given(mtu=st.integers(68, 9_000), lengths=st.lists(st.integers(-3, 3), max_size=20))
def test_packets_up_to_the_mtu_pass_and_longer_ones_vanish(mtu: int, lengths: list[int]) -> None:
    bench = Bench()
    bench.forwarder.set("l0", DirectionState(mtu=mtu), None)
    frames = [numbered(0, 1, n, 14 + mtu + more) for n, more in enumerate(lengths)]
    bench.send(0, *frames)
    assert bench.arrived(1) == [each for each in frames if len(each) - 14 <= mtu]
    gone = sum(more > 0 for more in lengths)
    assert bench.tx(0).dropped == ({Reason.MTU: gone} if gone else {})
    assert bench.counters_add_up()


def test_without_an_mtu_packets_of_any_length_pass() -> None:
    assert passes(CLEAR, numbered(0, 1, 1, 65_507)) == [True]
