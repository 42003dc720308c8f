"""A stand-in for a lab and its faults over a `Site`: what runs is the suite's own code."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from edge_lab.addons import load_topology
from edge_lab.addons.metrics.guest import ask
from edge_lab.addons.metrics.names import ASK, HOME, SERVED
from edge_lab.addons.metrics.senders import SENDERS
from edge_lab.core.deadline import Deadline
from edge_lab.data import LABS
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.fault import Fault
from edge_lab.faults.kinds import Cut, Reboot
from edge_lab.topology import Topology
from suites.metrics.queries import Metrics
from tests.addons.metrics.site import NODE, SHOWN_STEP, Site
from tests.namespaces import Namespace

OFF_SECONDS = 6.0
"""For which a node is without its power: longer than the pause between two scrapes."""


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
    """A cut, and what a reset is to programs: they are killed, and after a while started."""

    site: Site

    @contextlib.contextmanager
    def inflict_all(self, faults: Sequence[Fault]) -> Iterator[None]:
        (fault,) = faults
        if isinstance(fault, Cut):
            with self.site.cut():
                yield
        else:
            assert isinstance(fault, Reboot)
            for name in (*SENDERS, "exporter"):
                self.site.kill(name, signal.SIGKILL)
            time.sleep(OFF_SECONDS)
            self.site.start_exporter()
            for sender in SENDERS.values():
                self.site.start_sender(sender)
            yield


class StandInMetrics(Metrics):
    def runtime(self, node: str) -> str:
        return "none"


def metrics_of(site: Site) -> tuple[Metrics, FaultEngine]:
    """The suite's view of a site, and the faults for it."""
    cloud = site.place("cloud").files
    machines = {
        "server": StandInMachine(site.cloud, {ASK: ask.__file__, HOME: cloud}),
        NODE: StandInMachine(site.edge, {SERVED: str(site.log)}),
    }
    boiler = SimpleNamespace(steps=lambda: [SimpleNamespace(seq=SHOWN_STEP)])
    devices = {"boiler": boiler}
    lab = SimpleNamespace(topology=_with_one_edge(), machines=machines, devices=devices)
    metrics = StandInMetrics(cast("Any", lab), lambda seconds: Deadline.after(seconds))
    return metrics, cast("FaultEngine", StandInFaults(site))


def _with_one_edge() -> Topology:
    whole = load_topology(LABS / "edge-metrics.yaml")
    nodes = tuple(node for node in whole.nodes if node in (whole.server, whole.node(NODE)))
    return whole.model_copy(update={"nodes": nodes})
