"""The frame of a day that is made up: twelve minutes, with the faults of its real plan."""

from __future__ import annotations

import functools

from edge_lab.addons import load_topology
from edge_lab.addons.functions.limits import LIMITS
from edge_lab.addons.functions.records import NANOSECONDS
from edge_lab.addons.models.versions import INPUTS, versions_for
from edge_lab.devices.plant import Boiler
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.schedule import Planned
from edge_lab.oracles.models.evidence import Step as ModelStep
from suites.plantday.day import Day
from suites.plantday.dayplan import plan_of_day
from suites.plantday.evidence import boots_of, seconds_of
from tests.conftest import LABS

MINUTES = 12
START = 1_700_000_000.0
SECONDS = 60 * MINUTES
AFTER = 60
"""Seconds that follow the day."""
STACK = "kubernetes+openyurt"
EDGES, SERVER = ("edge-arm", "edge-riscv"), "server"
LIMIT = LIMITS[0]
VERSIONS = versions_for(1.0)
DIGESTS = {tag: f"sha256:{tag}" for tag in VERSIONS}
WAYS = ("warm", "process", "pod")
DAY = Day(MINUTES)
TOPOLOGY = load_topology(LABS / "plant-day.yaml")
PLAN = plan_of_day(DAY, TOPOLOGY)
FIRST, SECOND = "10", "11"
"""The versions that people want, beside the bad one."""
BOOT_SECONDS = 80.0


def at(seconds: float) -> float:
    return START + seconds


def at_ns(seconds: float) -> int:
    return round(at(seconds) * NANOSECONDS)


def record(number: int, planned: Planned) -> FaultRecord:
    lasts = BOOT_SECONDS if planned.fault.fault == "reboot" else planned.for_s or 2.0
    return FaultRecord(
        id=number,
        fault=planned.fault,
        began=at_ns(planned.at_s),
        seen=at_ns(planned.at_s + 1),
        proof="seen",
        heal_began=at_ns(planned.at_s + lasts),
        healed=at_ns(planned.at_s + lasts + 1),
        cure="over",
    )


FAULTS = tuple(record(number, planned) for number, planned in enumerate(PLAN.planned, 1))
ENDED_NS = at_ns(SECONDS + AFTER)


def boots(node: str) -> tuple[tuple[float, float], ...]:
    return tuple(map(seconds_of, boots_of(FAULTS, node, ENDED_NS)))


@functools.cache
def steps() -> tuple[ModelStep, ...]:
    """A step of the boiler each second."""
    plant = Boiler()
    state = plant.initial(11)
    found = []
    for number in range(SECONDS + AFTER):
        state = plant.advance(state, 70.0, 1.0, 11, number)
        raw = plant.raw(state, 70.0)
        found.append(ModelStep(number, at(number), tuple(float(raw[name]) for name in INPUTS)))
    return tuple(found)
