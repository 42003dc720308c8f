"""Schedules: they follow from the seed, and no two faults in them contradict each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import InputError
from edge_lab.faults.catalog import built_in
from edge_lab.faults.kinds import FAULT, Drop, Reboot
from edge_lab.faults.plan import Plan, parse_plan
from edge_lab.faults.schedule import Planned
from edge_lab.topology import parse_topology
from tests.budget import examples
from tests.faults.plans import GOOD, TOPOLOGY, faults_of, plan_of, refusal
from tests.faults.test_serial import METER

SERIAL = parse_topology(METER)
"""With a device on a serial line."""


def with_seeds(text: str, count: int) -> Iterator[Plan]:
    """The plan with each seed from 0; its text is read once."""
    topology = SERIAL if "fault: serial" in text else TOPOLOGY
    written = parse_plan(text, topology).written
    for seed in range(count):
        yield Plan.of(written, topology, seed=seed)


def test_too_many_faults_are_refused() -> None:
    kill = "{fault: kill, node: edge-arm, service: kubelet.service, at: 0}"
    assert "500" in str(refusal(plan_of(*[kill] * 501, lasts="7h")))


def test_the_example_in_a_random_block_that_leaves_little_room_is_placed_for_many_seeds() -> None:
    text = GOOD.replace("160s", "120s")
    for plan in with_seeds(text, 50):
        assert faults_of(plan.schedule(), plan) == []


def test_the_judge_of_schedules_sees_what_is_wrong() -> None:
    plan = parse_plan(GOOD, TOPOLOGY)
    good = list(plan.schedule())
    assert faults_of(good, plan) == []
    assert faults_of(good[::-1], plan)
    assert faults_of([*good, Planned(179.0, 5.0, Drop(link="arm-plant"))], plan)
    assert faults_of([good[0], Planned(69.0, 5.0, Drop(link="arm-cloud"))], plan)
    assert faults_of([good[0], Planned(60.0, None, Reboot(node="edge-arm"), 9.0)], plan)
    assert not faults_of([good[0], Planned(70.0, 5.0, Drop(link="arm-cloud"))], plan)


LINKS = [link.name for link in TOPOLOGY.links]
NODES = [node.name for node in TOPOLOGY.nodes]
SERVICES = ["kubelet.service", "containerd.service"]

some_faults: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["cut", "drop", "half-open"]),
            "link": st.sampled_from(LINKS),
            "direction": st.sampled_from(["both", "tx", "rx"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.just("flap"),
            "link": st.sampled_from(LINKS),
            "period_s": st.integers(1, 9),
            "count": st.integers(1, 9),
            "jitter": st.sampled_from([0, 0.25]),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["power-off", "reboot", "pause", "disk-full"]),
            "node": st.sampled_from(NODES),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["kill", "freeze"]),
            "node": st.sampled_from(NODES),
            "service": st.sampled_from(SERVICES),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.just("device"),
            "device": st.sampled_from(["boiler", "press"]),
            "does": st.just({"kind": "junk"}),
        }
    ),
)

blocks: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda count, begin, width, shortest, more, choose: {
        "at_random": {
            "count": count,
            "between": [begin, begin + width],
            "for": [shortest, shortest + more],
            "choose": choose,
        }
    },
    st.integers(1, 8),
    st.integers(0, 200),
    st.integers(60, 800),
    st.integers(1, 30),
    st.integers(0, 60),
    st.lists(some_faults, min_size=1, max_size=4),
)

fixed: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda fault, at, lasting: {**fault, "at": at, "for": lasting},
    some_faults,
    st.integers(0, 800),
    st.integers(20, 200),
)


@settings(max_examples=examples(150))
@given(
    entries=st.lists(fixed, max_size=3).flatmap(
        lambda some: st.lists(blocks, min_size=1, max_size=3).map(lambda more: [*some, *more])
    ),
    seed=st.integers(0, 2**40),
)
def test_any_plan_that_is_accepted_has_a_good_schedule_that_follows_from_its_seed(
    entries: list[dict[str, Any]], seed: int
) -> None:
    text = json.dumps({"name": "any", "lasts": 1000, "faults": entries})
    try:
        plan = parse_plan(text, TOPOLOGY, seed=seed)
    except InputError:
        assume(False)
    schedule = plan.schedule()
    assert faults_of(schedule, plan) == []
    assert schedule == Plan.of(plan.written, TOPOLOGY, seed=seed).schedule()
    drawn = sum(each["at_random"]["count"] for each in entries if "at_random" in each)
    assert len(schedule) == drawn + sum("at_random" not in each for each in entries)
    for block in (each["at_random"] for each in entries if "at_random" in each):
        begin, end = block["between"]
        kinds = [FAULT.validate_python(each) for each in block["choose"]]
        within = [
            each
            for each in schedule
            if begin <= each.at_s and each.ends_s <= end + 1e-6
            if any(kind.targets == each.fault.targets for kind in kinds)
        ]
        assert len(within) >= block["count"]


def test_another_seed_is_another_schedule() -> None:
    assert len({plan.schedule() for plan in with_seeds(GOOD, 20)}) == 20


def test_a_schedule_does_not_change_with_the_version() -> None:
    """Whoever notes a seed wants the same faults from it next year."""
    drawn = [str(each) for each in parse_plan(GOOD, TOPOLOGY).schedule()[3:]]
    assert drawn == [
        "drop on arm-cloud at 1m21.8s for 7.8s",
        "drop on arm-cloud at 1m46.9s for 10.6s",
        "flap, 3 times 4 s on riscv-cloud at 2m0.8s for 16.3s",
        "drop on arm-cloud at 2m18.1s for 6.7s",
        "flap, 3 times 4 s on riscv-cloud at 2m19.6s for 12s",
    ]


EVERY_KIND = """\
name: every-kind
lasts: 2h
faults:
  - {fault: flap, link: arm-plant, period_s: 4, count: 3, jitter: 0.5, at: 10s}
  - {fault: cut, link: arm-cloud, at: 10s, for: 60s}
  - at_random:
      count: 30
      between: [2m, 2h]
      for: [5s, 2m]
      choose:
        - {fault: cut, link: arm-cloud, direction: tx}
        - {fault: drop, link: riscv-cloud, match: {protocol: tcp, ports: [6443]}}
        - {fault: half-open, link: arm-cloud}
        - {fault: impair, link: arm-plant, delay_ms: 300, loss: 0.1}
        - {fault: profile, link: riscv-cloud, name: geo}
        - {fault: flap, link: arm-cloud, period_s: 2, count: 5, jitter: 0.25}
        - {fault: power-off, node: edge-riscv}
        - {fault: reboot, node: edge-arm, orderly: true}
        - {fault: pause, node: edge-arm}
        - {fault: kill, node: edge-riscv, service: kubelet.service}
        - {fault: freeze, node: server, service: containerd.service}
        - {fault: clock-jump, node: edge-arm, seconds: -30}
        - {fault: clock-skew, node: edge-arm, ppm: 500}
        - {fault: disk-full, node: edge-riscv}
        - {fault: slow-disk, node: edge-riscv, iops: 20}
        - {fault: device, device: boiler, does: {kind: slow, delay_ms: 500}}
  - at_random:
      count: 5
      between: [0s, 2h]
      for: [5s, 2m]
      choose: [{fault: device, device: press, does: {kind: session-drop}}]
"""

LATER_KINDS = """\
name: later-kinds
lasts: 2h
faults:
  - at_random:
      count: 10
      between: [2m, 2h]
      for: [5m, 6m]
      choose:
        - {fault: replace-certificate, node: edge-arm, certificate: node, valid_s: 120}
        - {fault: replace-certificate, node: server, certificate: api-server, issuer: foreign}
"""
"""Kinds that came after the schedules of the first were written down. More go into a plan of their
own: one more choice changes all that is drawn."""

MEMORY_KINDS = """\
name: memory-kinds
lasts: 2h
faults:
  - at_random:
      count: 20
      between: [2m, 2h]
      for: [30s, 2m]
      choose:
        - {fault: memory-hog, node: edge-arm, mib: 400}
        - {fault: memory-hog, node: edge-riscv, leave_mib: 60, oom_score_adj: 500}
        - {fault: memory-leak, node: edge-riscv, mib_per_s: 4}
        - {fault: page-cache, node: server}
"""

SERIAL_KINDS = """\
name: serial-kinds
lasts: 2h
faults:
  - {fault: replace-authority, stage: both-trusted, at: 0s, for: 60s}
  - at_random:
      count: 20
      between: [2m, 2h]
      for: [5s, 2m]
      choose:
        - {fault: serial-noise, device: boiler, probability: 0.05}
        - {fault: serial-loss, device: boiler, probability: 0.1, direction: tx}
        - {fault: serial-parity, device: boiler, probability: 0.1, direction: rx}
        - {fault: serial-break, device: boiler}
"""

RESTART_KINDS = """\
name: restart-kinds
lasts: 2h
faults:
  - at_random:
      count: 20
      between: [2m, 2h]
      for: [5s, 2m]
      choose:
        - {fault: device, device: boiler, does: {kind: reset, period_s: 10}}
        - {fault: device, device: boiler, does: {kind: brown-out, off_ms: 1500}}
        - {fault: device, device: boiler, does: {kind: hang}}
        - {fault: device, device: boiler, does: {kind: slow-clock, rate: 0.5}}
"""

SHORTAGE_KINDS = """\
name: shortage-kinds
lasts: 2h
faults:
  - at_random:
      count: 20
      between: [2m, 2h]
      for: [30s, 2m]
      choose:
        - {fault: memory-balloon, node: edge-arm, mib: 400}
        - {fault: memory-balloon, node: edge-riscv, leave_mib: 60}
        - {fault: pids-exhausted, node: edge-arm, leave: 2}
        - {fault: files-exhausted, node: server}
"""

REPLAYED = {
    EVERY_KIND: "5126ca6fc03d0d539678072e5b8e97736db34f959461104ec926a275c7a611a6",
    LATER_KINDS: "9cd3f800cff0193b3b2ef4539ae2667e83a108e131f7d6383d0fca04b19c65c5",
    MEMORY_KINDS: "4da530cbfc1581333b7ef1bd47b89737150cc628b04073500cef9e2c67b46fdf",
    SERIAL_KINDS: "982a7f17fa4974e7c1d16dd4b25db6c1ac849e8d45157fee4b705ccd7d348729",
    RESTART_KINDS: "ec6f1b186cb575ee9f24630e2ca46307757e1c46cf8cdffa62e39826a2acda99",
    SHORTAGE_KINDS: "b527cb30ea31cc3091309eb49074454e964d8f723c4f5f4b5ee4f676d86eb0d3",
}
"""SHA-256 of the schedules below. They change only if old seeds are to be worth nothing."""


def lines_of(plan: str) -> list[str]:
    return [
        f"{planned.at_s} {planned.for_s} {planned.ends_s} {planned.fault.model_dump_json()}\n"
        for seeded in with_seeds(plan, 20)
        for planned in seeded.schedule()
    ]


@pytest.mark.slow(reason="schedules by twenty seeds")
def test_the_plans_have_faults_of_every_kind() -> None:
    lines = [line for plan in REPLAYED for line in lines_of(plan)]
    assert {json.loads(line.split(" ", 3)[3])["fault"] for line in lines} == set(built_in().kinds)


@pytest.mark.parametrize(
    "plan", REPLAYED, ids=["first", "later", "memory", "serial", "restart", "shortage"]
)
def test_seeds_replay_faults_of_every_kind_byte_for_byte(plan: str) -> None:
    assert hashlib.sha256("".join(lines_of(plan)).encode()).hexdigest() == REPLAYED[plan]
