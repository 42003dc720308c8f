"""Faults that could never be seen are refused at once: by hand, in plans, in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import InputError
from edge_lab.fabric.impairment import MOST_BURST_BYTES, Impairment
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.family import Injector
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.kinds import FAULT, Fault, Impair
from edge_lab.faults.plan import parse_plan
from edge_lab.faults.shorthand import parse_fault
from edge_lab.topology import load_topology
from edge_lab.topology.load import parse_topology
from tests.small_topology import GOOD

TOPOLOGY = load_topology(Path(__file__).resolve().parents[2] / "labs" / "default.yaml")

IMPAIR = "{fault: impair, link: arm-cloud, "
FLAP = "{fault: flap, link: arm-cloud, "
DROP = "{fault: drop, link: arm-cloud, match: "
BOILER = "{fault: device, device: boiler, does: "

FUTILE = {
    "an mtu that everything fits": (IMPAIR + "mtu: 1500}", "mtu"),
    "a jumbo mtu": (IMPAIR + "mtu: 9000}", "mtu"),
    "a jumbo mtu in a mixture": (IMPAIR + "mtu: 9000, delay_ms: 100}", "mtu"),
    "no delay": (IMPAIR + "delay_ms: 0}", "fault"),
    "no loss": (IMPAIR + "loss: 0}", "fault"),
    "no duplicates": (IMPAIR + "duplicate: 0}", "fault"),
    "no corruption": (IMPAIR + "corrupt: 0, jitter_ms: 0}", "fault"),
    "nothing at all": ("{fault: impair, link: arm-cloud}", "fault"),
    "a loss of one in a million": (IMPAIR + "loss: 0.000001}", "loss"),
    "a loss in bursts of one in a million": (
        IMPAIR + "burst_loss: {p: 0.000001, r: 0.9}}",
        "burst_loss",
    ),
    "a duplicate in a million": (IMPAIR + "duplicate: 1.0e-6, delay_ms: 100}", "duplicate"),
    "a flipped bit in a million": (IMPAIR + "corrupt: 1.0e-6}", "corrupt"),
    "one in a million overtakes": (IMPAIR + "delay_ms: 100, reorder: 1.0e-6}", "reorder"),
    "all overtake": (IMPAIR + "delay_ms: 100, reorder: 1}", "reorder"),
    "a rate beyond the line's": (IMPAIR + "rate_kbit: 10000000}", "rate_kbit"),
    "a bucket that takes it all": (IMPAIR + "rate_kbit: 100, burst_bytes: 1000000}", "burst_bytes"),
    "a delay of frames that are lost": (IMPAIR + "loss: 1, delay_ms: 100}", "delay_ms"),
    "bits of frames that are lost": (IMPAIR + "loss: 1, corrupt: 0.5}", "corrupt"),
    "a rate of what is all corrupt": (IMPAIR + "corrupt: 1, rate_kbit: 100}", "rate_kbit"),
    "a delay behind an mtu that no ping passes": (IMPAIR + "mtu: 70, delay_ms: 100}", "mtu"),
    "a flap in the blink of an eye": (FLAP + "period_s: 0.01, count: 3}", "period_s"),
    "a flap that is hardly down": (FLAP + "period_s: 1, count: 2, duty: 0.01}", "period_s"),
    "a peer that is not there": (DROP + "{peer: 192.0.2.1}}", "match"),
    "a peer on another network": (DROP + "{peer: 10.88.0.2}}", "match"),
    "a group that answers nobody": (DROP + "{peer: 224.0.0.251, protocol: udp}}", "match"),
    "datagrams that a device would have to send": (
        "{fault: drop, link: boiler-plant, direction: tx, match: {protocol: udp, ports: [53]}}",
        "match",
    ),
    "a fault of the other protocol": (BOILER + "{kind: session-drop}}", "does"),
    "a device that is slow by nothing": (BOILER + "{kind: slow, delay_ms: 0}}", "does"),
    "junk at no time": (BOILER + "{kind: junk, probability: 0}}", "does"),
    "junk once in a blue moon": (BOILER + "{kind: junk, probability: 0.000001}}", "does"),
    "a jump of nothing": ("{fault: clock-jump, node: edge-arm, seconds: 0}", "seconds"),
    "a skew of nothing": ("{fault: clock-skew, node: edge-arm, ppm: 0}", "ppm"),
    "a hog of nothing much": ("{fault: memory-hog, node: edge-arm, mib: 5}", "mib"),
    "a hog that takes more than there is": (
        "{fault: memory-hog, node: edge-arm, mib: 2048}",
        "mib",
    ),
    "a hog that leaves more than there is": (
        "{fault: memory-hog, node: edge-arm, leave_mib: 4096}",
        "leave_mib",
    ),
    "a hog of no amount": ("{fault: memory-hog, node: edge-arm}", "fault"),
    "a hog of two amounts": ("{fault: memory-hog, node: edge-arm, mib: 99, leave_mib: 9}", "mib"),
    "a balloon of nothing much": ("{fault: memory-balloon, node: edge-arm, mib: 5}", "mib"),
    "a balloon larger than the node": (
        "{fault: memory-balloon, node: edge-arm, mib: 2048}",
        "mib",
    ),
    "a balloon of no amount": ("{fault: memory-balloon, node: edge-arm}", "fault"),
    "no files for the service that heals it": (
        "{fault: files-exhausted, node: edge-arm, service: ssh.service}",
        "service",
    ),
    "a leak that has no end to reach": (
        "{fault: memory-leak, node: edge-arm, limit_mib: 3000}",
        "limit_mib",
    ),
    "a leak of a drop": ("{fault: memory-leak, node: edge-arm, mib_per_s: 0.1}", "mib_per_s"),
    "a page cache that fills in an hour": (
        "{fault: page-cache, node: edge-arm, mib_per_s: 1}",
        "mib_per_s",
    ),
    "a profile that there is not": ("{fault: profile, link: arm-cloud, name: none}", "name"),
}

SEEN = [
    IMPAIR + "mtu: 1499}",
    IMPAIR + "mtu: 68}",
    IMPAIR + "mtu: 84, delay_ms: 100}",
    IMPAIR + "mtu: 500, rate_kbit: 100}",
    IMPAIR + "loss: 1}",
    IMPAIR + "corrupt: 1}",
    IMPAIR + "loss: 0.001}",
    IMPAIR + "loss: 0.9, delay_ms: 100, duplicate: 0.5, corrupt: 0.5}",
    IMPAIR + "delay_ms: 60000}",
    IMPAIR + "delay_ms: 100, reorder: 0.5}",
    IMPAIR + "rate_kbit: 100000, burst_bytes: 10000}",
    IMPAIR + "delay_ms: 100, loss: 0}",
    FLAP + "period_s: 1, count: 1}",
    FLAP + "period_s: 0.05, count: 100}",
    FLAP + "period_s: 3600, count: 1}",
    DROP + "{peer: 10.77.0.1}}",
    DROP + "{protocol: tcp}}",
    DROP + "{protocol: udp}}",
    "{fault: drop, link: boiler-plant, direction: rx, match: {protocol: udp, ports: [53]}}",
    "{fault: drop, link: boiler-plant, direction: tx, match: {protocol: tcp, ports: [502]}}",
    BOILER + "{kind: junk, probability: 0.01}}",
    BOILER + "{kind: gone}}",
    "{fault: half-open, link: boiler-plant}",
    "{fault: memory-hog, node: edge-arm, mib: 2047}",
    "{fault: memory-hog, node: edge-arm, leave_mib: 0}",
    "{fault: memory-leak, node: edge-arm}",
    "{fault: memory-leak, node: edge-arm, mib_per_s: 0.5, limit_mib: 32}",
    "{fault: page-cache, node: edge-arm}",
    "{fault: memory-balloon, node: edge-arm, leave_mib: 0}",
    "{fault: pids-exhausted, node: edge-arm}",
    "{fault: files-exhausted, node: edge-arm, leave: 64}",
]

each_futile = pytest.mark.parametrize(("text", "field"), FUTILE.values(), ids=FUTILE)


def engine(folder: Path) -> FaultEngine:
    """One that would do anything."""

    class Anything(Injector[Fault]):
        def inject(self, fault: Any) -> str:
            return "seen"

        def heal(self, fault: Any) -> str:
            return "cured"

    anything = Anything()
    return FaultEngine(
        FaultJournal(folder), lambda fault: anything, lambda fault: fault.check(TOPOLOGY)
    )


@each_futile
def test_by_hand(text: str, field: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_fault([text]).check(TOPOLOGY)
    assert refused.value.message


@each_futile
def test_in_a_plan_with_file_and_line(text: str, field: str) -> None:
    entry = f"  - {text[:-1]}, at: 1s, for: 30s}}".replace(", ", ",\n    ")
    plan = f"name: futile\nlasts: 1h\nfaults:\n{entry}\n"
    with pytest.raises(InputError) as refused:
        parse_plan(plan, TOPOLOGY, "plan.yaml")
    lines = plan.splitlines()
    (line,) = [at for at, each in enumerate(lines, 1) if f" {field}: " in each.replace("{", " ")]
    assert (refused.value.file, refused.value.line) == ("plan.yaml", line)


@each_futile
def test_in_what_is_left_to_chance(text: str, field: str) -> None:
    plan = (
        "name: futile\nlasts: 1h\nfaults:\n  - at_random:\n      count: 1\n"
        "      between: [0s, 1h]\n      for: [30s, 40s]\n      choose:\n"
        f"        - {{fault: cut, link: arm-cloud}}\n        - {text}\n"
    )
    with pytest.raises(InputError) as refused:
        parse_plan(plan, TOPOLOGY, "plan.yaml")
    assert refused.value.line == 10


@each_futile
def test_in_python(text: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        engine(tmp_path).inject(parse_fault([text]))
    assert engine(tmp_path).history() == ()


@pytest.mark.parametrize("text", SEEN)
def test_what_can_be_seen_is_accepted(text: str, tmp_path: Path) -> None:
    fault = parse_fault([text])
    fault.check(TOPOLOGY)
    assert engine(tmp_path).inject(fault).proof == "seen"
    plan = f"name: good\nlasts: 2h\nfaults:\n  - {text[:-1]}, at: 1s, for: 1h30m}}\n"
    assert parse_plan(plan, TOPOLOGY).schedule()


CHANCES = st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 0.01), st.just(1.0))


@given(
    loss=CHANCES,
    duplicate=CHANCES,
    corrupt=CHANCES,
    delay_ms=st.sampled_from([0.0, 100.0]),
    rate_kbit=st.one_of(st.none(), st.floats(1, 10_000_000)),
    mtu=st.one_of(st.none(), st.integers(68, 65_493)),
)
def test_what_is_accepted_acts(**values: Any) -> None:
    fault = Impair(link="arm-cloud", **values)
    if any(fault.objections(TOPOLOGY)):
        with pytest.raises(InputError):
            fault.check(TOPOLOGY)
        return
    fault.check(TOPOLOGY)
    assert (fault.mtu or 0) < 1500
    assert fault.loss < 1 or fault.impairment == Impairment(loss=fault.loss, mtu=fault.mtu)


def test_a_burst_up_to_what_is_sent_to_see_it() -> None:
    def refused(burst: int) -> bool:
        try:
            Impair(link="arm-cloud", rate_kbit=100, burst_bytes=burst).check(TOPOLOGY)
        except InputError:
            return True
        return False

    assert [refused(burst) for burst in (0, 41_999, 42_000, MOST_BURST_BYTES)] == [
        False,
        False,
        True,
        True,
    ]


LONELY = GOOD.replace("protocol: modbus-tcp", 'image: "some/image:1"')


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "half-open", "link": "edge-plant"},
        {"fault": "half-open", "link": "boiler-plant"},
        {"fault": "device", "device": "boiler", "does": {"kind": "gone"}},
    ],
    ids=str,
)
def test_what_needs_a_connection_is_refused_where_nothing_takes_one(fault: object) -> None:
    found: Fault = FAULT.validate_python(fault)
    lonely = parse_topology(LONELY)
    with pytest.raises(InputError, match="nothing accepts connections"):
        found.check(lonely)
    found.check(parse_topology(LONELY.replace('image:1"', 'image:1", port: 80')))
