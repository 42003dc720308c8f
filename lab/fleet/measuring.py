"""Measures loads and herds: holds a fleet, or silences and wakes it, and observes its cluster."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.step import step
from edge_lab.evidence.fleet import FleetLoad, HerdEvidence, ServerLoad, ServerMoment
from edge_lab.fleet.fleet import Fleet, Growth
from edge_lab.fleet.hollow import NAMESPACE
from edge_lab.observe.fleet.apimetrics import ApiMetrics, parse_api_metrics
from edge_lab.observe.fleet.feeds import Evictions, Renewals
from edge_lab.observe.fleet.serverload import ControlPlane

LOOK_SECONDS = 120.0
"""Seconds for one reading of the API server's metrics and its machine, on the reference machine."""

BACK_SECONDS = 900.0
"""Seconds for a herd to become Ready, on the reference machine."""

CHECK_EVERY = 5.0


@dataclass(frozen=True)
class _Look:
    time: int
    """When the metrics were received, ns since 1970: they count until then. The reading of the
    machine takes longer."""
    kwok_cpu_s: float
    """CPU time of kwok until then."""
    api: ApiMetrics
    server: ServerMoment


@dataclass(frozen=True)
class FleetMeasuring:
    """Measures one fleet."""

    fleet: Fleet
    control: ControlPlane

    def held(self, seconds: float, growth: Growth) -> FleetLoad:
        """Holds the fleet for so many seconds, unchanged.

        Raises:
            LabError: kwok has ended, the API server was restarted, or it does not answer.
        """
        fleet, place = self.fleet, self.fleet.place
        before = self._look()
        with step(f"hold {fleet.size} hollow nodes for {seconds:g} s"):
            self._hold(seconds)
        after = self._look()
        return FleetLoad(
            runtime=place.runtime,
            server=place.server,
            accelerator=place.accelerator,
            size=fleet.size,
            twins=fleet.twins,
            began=before.time,
            ended=after.time,
            ready_after_s=growth.ready_after_s,
            never_ready=growth.never_ready,
            lost=fleet.readiness.lost_since(before.time),
            renew_every_s=place.renew_every_s,
            renewals=after.api.lease_renewals(before.api),
            real_nodes=place.real_nodes,
            kwok_cores=(after.kwok_cpu_s - before.kwok_cpu_s) * 1e9 / (after.time - before.time),
            calls=after.api.calls(before.api),
            objectives=after.api.objectives(before.api),
            refused=after.api.refused(before.api),
            failed=after.api.failed(before.api),
            datastore=after.api.datastore_calls(before.api),
            load=ServerLoad(before=before.server, after=after.server),
        )

    def herd(self, silent_s: float, settle_s: float) -> HerdEvidence:
        """Silences all nodes for so many seconds and wakes them at once; continues for `settle_s`
        after all are Ready, for evictions that follow.

        Raises:
            LabError: kwok has ended, the API server was restarted, or it does not answer; leases
                or pods could not be watched before the silence.
        """
        fleet, place = self.fleet, self.fleet.place
        names = frozenset(fleet.names)
        with (
            Renewals(place.kubectl) as renewals,
            Evictions(place.kubectl, NAMESPACE, names.__contains__) as evictions,
        ):
            limit = Deadline.scaled(LOOK_SECONDS)
            limit.wait_for("all leases are seen", lambda: names <= renewals.known())
            pods = {
                pod["metadata"]["name"]
                for pod in place.kubectl.items("pods", "-n", NAMESPACE, deadline=limit)
            }
            limit.wait_for("all pods are seen", lambda: pods <= evictions.known())
            breaks = evictions.breaks + fleet.readiness.breaks
            silenced = fleet.silence()
            try:
                with step(f"{fleet.size} nodes are silent for {silent_s:g} s"):
                    self._hold(silent_s)
                before = self._look()
                lost = tuple(sorted(names - fleet.readiness.ready()))
                renewals.begin()
            finally:
                woken = fleet.wake()
            self._wait_back(names, renewals)
            self._hold(settle_s)
            after = self._look()
            ready = fleet.readiness.ready_since()
            not_ready = tuple(sorted(names - ready.keys()))
            renewed = {node: when for node, when in renewals.first().items() if node in names}
            return HerdEvidence(
                runtime=place.runtime,
                server=place.server,
                accelerator=place.accelerator,
                nodes=tuple(sorted(names)),
                pods=fleet.pods,
                silenced=silenced,
                woken=woken,
                ended=time.time_ns(),
                lost=lost,
                renewed=renewed,
                ready={node: when for node, when in ready.items() if node in lost},
                tainted=fleet.readiness.tainted_at(),
                untainted=fleet.readiness.untainted_since(),
                not_ready=not_ready,
                evictions=evictions.seen(),
                watch_breaks=evictions.breaks + fleet.readiness.breaks - breaks,
                calls=after.api.calls(before.api),
                objectives=after.api.objectives(before.api),
                refused=after.api.refused(before.api),
                failed=after.api.failed(before.api),
                datastore=after.api.datastore_calls(before.api),
                load=ServerLoad(before=before.server, after=after.server),
            )

    def _wait_back(self, names: frozenset[str], renewals: Renewals) -> None:
        readiness = self.fleet.readiness

        def back() -> bool:
            without_taint = names <= readiness.untainted_since().keys()
            return without_taint and names <= readiness.ready() and names <= renewals.first().keys()

        with step("until all are back"):
            try:
                Deadline.scaled(BACK_SECONDS).wait_for(
                    "all hollow nodes are back", back, watch=self.fleet.check
                )
            except DeadlineExceeded:
                return  # missing nodes are in the evidence

    def _look(self) -> _Look:
        """Reads both at about one moment; retries while the API server is too busy to answer."""
        limit = Deadline.scaled(LOOK_SECONDS)

        def metrics() -> str:
            return self.fleet.place.kubectl.raw("/metrics", limit)

        text = limit.wait_for("the API server's metrics", metrics, transient=(LabError,))
        arrived, spent = time.time_ns(), self._spent()
        return _Look(arrived, spent, parse_api_metrics(text), self.control.look(limit))

    def _spent(self) -> float:
        """CPU time of kwok so far, s."""
        times = psutil.Process(self.fleet.pid).cpu_times()
        return float(times.user + times.system)

    def _hold(self, seconds: float) -> None:
        """The hold time of the scenario; kwok must survive it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.fleet.check()
            time.sleep(min(CHECK_EVERY, left))
