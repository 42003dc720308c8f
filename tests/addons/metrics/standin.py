"""A stand-in for a lab and its faults over a `Site`: what runs is the suite's own code."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Generic, cast

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.metrics.guest import ask, blocks
from edge_lab.addons.metrics.names import (
    ASK,
    BLOCKS,
    HOME,
    METRICS,
    SERVED,
    SIDECAR,
    STATE,
    unit,
)
from edge_lab.core.deadline import Deadline
from edge_lab.data import LABS
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.fault import Fault
from edge_lab.faults.kinds import ClockJump, Cut, Impair, Kill, LinkFault, Reboot
from edge_lab.faults.records import FaultRecord
from edge_lab.topology import Topology
from suites.metrics import outages as suite_outages
from suites.metrics.outages import Outage, cut_and_heal, reset_while_offline
from suites.metrics.queries import Metrics
from tests.addons.metrics.clocksite import ClockSite
from tests.addons.metrics.site import NODE, SHOWN_STEP, S, Site, running_site
from tests.namespaces import Namespace

OFF_SECONDS = 6.0
"""For which a node is without its power: longer than the pause between two scrapes."""
UNTIL_RESET = 20
"""Scrapes: nothing is unsynced where the machine goes on."""
SETTLED_SECONDS = 40.0

SLOW_KBIT, PROFILE_KBIT = 24.0, 200.0
"""Rates instead of delays, which not every kernel can make."""


@dataclass(frozen=True)
class StandInMachine:
    """Commands in a namespace, with the paths of guests replaced by those of the site."""

    where: Namespace
    paths: Mapping[str, str]

    def run(self, command: str, deadline: Deadline, check: bool = True) -> Any:
        for guest, here in self.paths.items():
            command = command.replace(guest, here)
        done = self.where.try_run("sh", "-c", command, seconds=deadline.remaining)
        assert not check or done.returncode == 0, done.stderr
        return done


@dataclass(frozen=True)
class StandInFaults:
    """A cut, and what a kill or a reset is to programs: they are killed, and after a while started.
    The clock of a `ClockSite` can jump."""

    site: Site

    @contextlib.contextmanager
    def inflict_all(self, faults: Sequence[Fault]) -> Iterator[tuple[FaultRecord, ...]]:
        began = time.time_ns()
        with self._inflicted(faults):
            seen = time.time_ns()
            yield tuple(
                FaultRecord(id=number, fault=fault, began=began, seen=seen)
                for number, fault in enumerate(faults, 1)
            )

    @contextlib.contextmanager
    def _inflicted(self, faults: Sequence[Fault]) -> Iterator[None]:
        fault = faults[0]
        if isinstance(fault, Kill):
            with self._killed([cast("Kill", each).service for each in faults]):
                yield
            return
        assert len(faults) == 1
        if isinstance(fault, Cut):
            with self.site.cut():
                yield
        elif isinstance(fault, LinkFault):
            with self.site.slow(SLOW_KBIT if isinstance(fault, Impair) else PROFILE_KBIT):
                yield
        elif isinstance(fault, ClockJump):
            assert isinstance(self.site, ClockSite)
            self.site.set_clock(round(fault.seconds))
            try:
                yield
            finally:
                self.site.set_clock(0)
        else:
            assert isinstance(fault, Reboot)
            for name in self.site.node_parts:
                self.site.kill(name, signal.SIGKILL)
            time.sleep(OFF_SECONDS)
            self.site.start_node()
            yield

    @contextlib.contextmanager
    def _killed(self, services: Sequence[str]) -> Iterator[None]:
        parts = {sender.unit: name for name, sender in self.site.senders.items()}
        parts[unit(SIDECAR)] = "sidecar"
        killed = [parts[service] for service in services]
        for name in killed:
            self.site.kill(name, signal.SIGKILL)
        try:
            yield
        finally:
            time.sleep(OFF_SECONDS)
            for name in killed:
                self.site.start_node_part(name)


class StandInMetrics(Metrics):
    def runtime(self, node: str) -> str:
        return "none"


def metrics_of(site: Site) -> tuple[Metrics, FaultEngine]:
    """The suite's view of a site, and the faults for it."""
    cloud = site.place("cloud").files
    paths = {
        ASK: ask.__file__,
        BLOCKS: blocks.__file__,
        HOME: cloud,
        f"/var/lib/{STATE}": site.place("cloud").state,
    }
    machines = {
        "server": StandInMachine(site.cloud, paths),
        NODE: StandInMachine(site.edge, {SERVED: str(site.log)}),
    }
    boiler = SimpleNamespace(steps=lambda: [SimpleNamespace(seq=SHOWN_STEP)])
    devices = {"boiler": boiler}
    lab = SimpleNamespace(topology=_with_one_edge(site), machines=machines, devices=devices)
    metrics = StandInMetrics(cast("Any", lab), lambda seconds: Deadline.after(seconds))
    return metrics, cast("FaultEngine", StandInFaults(site))


def _with_one_edge(site: Site) -> Topology:
    whole = load_topology(LABS / "edge-metrics.yaml")
    nodes = tuple(node for node in whole.nodes if node in (whole.server, whole.node(NODE)))
    addons = (METRICS, *(sender.addon for sender in site.senders.values()))
    return whole.model_copy(update={"nodes": nodes, "addons": addons})


@dataclass(frozen=True)
class Disturbed(Generic[S]):
    """A running site after two outages."""

    site: S
    metrics: Metrics
    faults: FaultEngine
    cut: Outage
    reset: Outage


@contextlib.contextmanager
def disturbed_site(folder: Path, suite: str, kind: type[S]) -> Iterator[Disturbed[S]]:
    """A site runs while the block does; it was cut off, and reset while it was cut off. The suite's
    outages are as short as the site permits."""
    with pytest.MonkeyPatch.context() as patch, running_site(folder, suite, kind) as site:
        patch.setattr(suite_outages, "LONG", UNTIL_RESET)
        patch.setattr(suite_outages, "SETTLED_SECONDS", SETTLED_SECONDS)
        metrics, faults = metrics_of(site)
        cut = cut_and_heal(metrics, faults)
        yield Disturbed(site, metrics, faults, cut, reset_while_offline(metrics, faults))
