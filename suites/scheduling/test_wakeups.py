"""How late the kernel of a node wakes a thread, idle and under pressure, by cyclictest.

Nothing is red because it is late: what an emulated CPU does is measured. Each pressure takes turns
with the idle node, so that what the host does meanwhile is in both.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import MemoryHog, PageCache
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.measuring.measures import Measure
from edge_lab.observe.scheduling.cyclictest import Cyclictest
from edge_lab.oracles.scheduling.statistics import ratio
from edge_lab.oracles.scheduling.wakeups import Wakeups, measures_of, together
from suites.scheduling.busy import busy_cpus

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Wake-ups")]

WINDOW_SECONDS = 15
PAIRS = 4
"""Windows of each condition, by turns in changing order."""
LEAVE_MIB = 160
"""By the hog: above what makes the kubelet evict."""
READ_MIB_PER_S = 64

HELD_US = 20_000
HOLDER = "edge-lab-holder"
LOOP = (
    "for (;;) { my $end = (times)[0] + 0.05; 1 while (times)[0] < $end;"
    " select undef, undef, undef, 0.5 }"
)
HOLD = f"systemd-run --quiet --collect --unit={HOLDER} chrt -f 99 taskset -c 0 perl -e '{LOOP}'"
"""Takes the first CPU for 50 ms, twice a second, before anybody else. It is one process: with one
CPU, what starts processes at this priority leaves nothing to anybody else.
"""
MORE_HELD = 10


@pytest.fixture
def cyclictest(lab: Lab, node: LabNode) -> Cyclictest:
    return Cyclictest.on(lab, node.name)


def interleaved(
    test: Cyclictest, around: Callable[[], contextlib.AbstractContextManager[object]]
) -> tuple[list[Wakeups], list[Wakeups]]:
    """Windows of the idle node and of the node under pressure, pair by pair."""
    idle: list[Wakeups] = []
    pressed: list[Wakeups] = []

    def window(pressure: bool) -> None:
        if not pressure:
            idle.append(test.run(WINDOW_SECONDS))
            return
        with around():
            pressed.append(test.run(WINDOW_SECONDS))

    for pair in range(PAIRS):
        for pressure in (False, True) if pair % 2 == 0 else (True, False):
            window(pressure)
    return idle, pressed


def compared(
    test: Cyclictest,
    condition: str,
    around: Callable[[], contextlib.AbstractContextManager[object]],
    measure: Measuring,
) -> None:
    """Measures both conditions, and how many times as long the tail is under pressure."""
    idle, pressed = interleaved(test, around)
    evidence = f"{test.evidence()}, host load {os.getloadavg()[0]:.1f}"
    for name, windows in (("idle", idle), (condition, pressed)):
        for found in measures_of(together(windows), name, test.node, evidence):
            measure.add(found)
    for label, percent in (("p99", 99.0), ("max", 100.0)):
        base, other = (
            [max(1, window.percentile(percent)) for window in part] for part in (idle, pressed)
        )
        found_ratio = ratio(base, other)
        measure.add(
            Measure.of(
                f"wake-up latency, {condition} to idle",
                found_ratio.value,
                "×",
                test.node,
                label=label,
                evidence=f"{found_ratio}, 95 % interval, {PAIRS} pairs of windows; {evidence}",
            )
        )


@pytest.mark.scenario("wake-ups, CPUs busy")
@allure.title("Wake-up latency of {node} while its CPUs are busy")
def test_wakeups_while_cpus_are_busy(
    node: LabNode, cyclictest: Cyclictest, measure: Measuring
) -> None:
    compared(cyclictest, "CPUs busy", lambda: busy_cpus(node), measure)


@pytest.mark.scenario("wake-ups, memory taken")
@allure.title("Wake-up latency of {node} while its memory is used up")
def test_wakeups_while_memory_is_taken(
    node: LabNode, cyclictest: Cyclictest, faults: FaultEngine, measure: Measuring
) -> None:
    hog = MemoryHog(node=node.name, leave_mib=LEAVE_MIB)
    compared(cyclictest, "memory taken", lambda: faults.inflict(hog), measure)


@pytest.mark.scenario("wake-ups, page cache")
@allure.title("Wake-up latency of {node} while its page cache is constantly replaced")
def test_wakeups_while_the_page_cache_is_turned_over(
    node: LabNode, cyclictest: Cyclictest, faults: FaultEngine, measure: Measuring
) -> None:
    reading = PageCache(node=node.name, mib_per_s=READ_MIB_PER_S)
    compared(cyclictest, "page cache", lambda: faults.inflict(reading), measure)


@contextlib.contextmanager
def held_cpu(node: LabNode) -> Iterator[None]:
    """The first CPU is taken again and again by what goes before cyclictest."""
    node.output(HOLD)
    try:
        yield
    finally:
        node.output(f"systemctl stop {HOLDER}.service || true")
        Deadline.scaled(60).wait_for(
            f"the first CPU of {node} is free",
            lambda: not node.succeeds(f"systemctl is-active --quiet {HOLDER}.service"),
            every=1.0,
        )


@allure.title("Wake-ups delayed by a thread of higher priority on {node} are detected (control)")
def test_wakeups_that_are_held_up_are_seen(node: LabNode, cyclictest: Cyclictest) -> None:
    before = cyclictest.run(WINDOW_SECONDS)
    with held_cpu(node):
        held = cyclictest.run(WINDOW_SECONDS)
    assert held.later_than(HELD_US) >= before.later_than(HELD_US) + MORE_HELD, (
        f"{held.later_than(HELD_US)} later than {HELD_US} us, and {before.later_than(HELD_US)} idle"
    )
