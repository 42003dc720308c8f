"""An engine that only keeps a journal, and plans to be run by it at a multiple of their speed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.faults.kinds import Fault
from edge_lab.faults.plan import Plan, parse_plan
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.runner import (
    Clock,
    PlanFailed,
    PlanRun,
    run_plan,
)
from edge_lab.topology import load_topology

ROOT = Path(__file__).resolve().parents[2]
TOPOLOGY = load_topology(ROOT / "labs" / "default.yaml")

SPEED = 400.0
"""Of the plan's clock: a minute is 0.15 s."""

PLAN = """\
name: test
lasts: 60s
faults:
  - {fault: cut, link: arm-cloud, at: 5s, for: 30s}
  - {fault: drop, link: riscv-cloud, at: 5s, for: 30s}
  - {fault: kill, node: edge-arm, service: kubelet.service, at: 10s}
  - {fault: drop, link: arm-cloud, at: 40s, for: 10s}
"""


def long_plan() -> Plan:
    """One that does not end by itself while a test waits: it takes 90 s of the host."""
    text = PLAN.replace("60s", "10h").replace("30s", "8h").replace("40s", "9h")
    return parse_plan(text, TOPOLOGY)


class FakeEngine:
    """An engine that only keeps a journal, and watches that it is used as it may be."""

    def __init__(
        self,
        clock: Clock,
        *,
        on_inject: Callable[[Fault], None] = lambda fault: None,
        on_heal: Callable[[Fault], None] = lambda fault: None,
    ) -> None:
        self._clock = clock
        self._on_inject, self._on_heal = on_inject, on_heal
        self._lock = threading.Lock()
        self._records: dict[int, FaultRecord] = {}
        self.injected: list[tuple[float, Fault]] = []
        self.healed: list[tuple[float, Fault]] = []
        self.contradictions: list[str] = []

    def inject(self, fault: Fault) -> FaultRecord:
        with self._lock:
            for other in self._active():
                if other.fault.targets & fault.targets:
                    self.contradictions.append(f"{fault.title} during {other.fault.title}")
            self.injected.append((self._clock.now, fault))
            record = FaultRecord(id=len(self._records) + 1, fault=fault, began=1)
            self._records[record.id] = record
        try:
            self._on_inject(fault)
        except LabError:
            with self._lock:  # as the real one: nothing of it is left then
                self._records[record.id] = record.model_copy(update={"healed": 1})
            raise
        return self._enter(record.model_copy(update={"seen": 2, "proof": "seen"}))

    def heal(self, record: FaultRecord) -> FaultRecord:
        self._on_heal(record.fault)
        self.healed.append((self._clock.now, record.fault))
        return self._enter(record.model_copy(update={"healed": 3, "cure": "gone"}))

    def _enter(self, record: FaultRecord) -> FaultRecord:
        with self._lock:
            self._records[record.id] = record
        return record

    def _active(self) -> tuple[FaultRecord, ...]:
        return tuple(each for each in self._records.values() if each.active)

    def active(self) -> tuple[FaultRecord, ...]:
        with self._lock:
            return self._active()

    def history(self) -> tuple[FaultRecord, ...]:
        with self._lock:
            return tuple(self._records.values())


def run(
    plan: Plan, speed: float = SPEED, **hooks: Callable[[Fault], None]
) -> tuple[PlanRun, FakeEngine]:
    clock = Clock(speed)
    engine = FakeEngine(clock, **hooks)
    return run_plan(plan, engine, deadline=Deadline.after(100_000), clock=clock), engine


def failure(plan: Plan, **hooks: Callable[[Fault], None]) -> tuple[PlanFailed, FakeEngine]:
    clock = Clock(SPEED)
    engine = FakeEngine(clock, **hooks)
    with pytest.raises(PlanFailed) as caught:
        run_plan(plan, engine, deadline=Deadline.after(100_000), clock=clock)
    return caught.value, engine


def fails_at(title: str, trouble: BaseException) -> Callable[[Fault], None]:
    def fail(fault: Fault) -> None:
        if fault.title == title:
            raise trouble

    return fail
