"""Observes a lab while faults are injected and until it has recovered, and gives the verdict."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_lab.addons.workload import sampled_devices
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.step import step
from edge_lab.evidence.recording import ApiSeen, NodeSeen, Recording, WaitingSeen
from edge_lab.faults.limits import TimeLimit
from edge_lab.measuring.watcher import Watcher
from edge_lab.observe.recorder import Recorder
from edge_lab.oracles.autonomy import AutonomyVerdict, Expectation, concern_of, judge_autonomy

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

BASELINE_SECONDS = 120.0
"""Seconds for the recorder to see each node healthy before any fault."""

SETTLE_SECONDS = 180.0
"""From the last heal until nodes are Ready and the backlog is delivered; seconds of the
reference machine. What has not recovered by then counts as not recovered."""

STAY_SECONDS = 12.0
"""Seconds for which everything must have been healthy at the end of a recording."""


class Watch:
    """The observations of a lab while faults are injected."""

    def __init__(
        self, lab: Lab, recorder: Recorder, since: Mapping[str, Mapping[str, int]]
    ) -> None:
        self.recorder = recorder
        self.since = since
        """By node and device, the last sample before the watch began."""
        self._lab = lab
        self._recording: Recording | None = None

    @property
    def nodes(self) -> tuple[str, ...]:
        """The observed nodes."""
        return self.recorder.nodes

    @property
    def is_over(self) -> bool:
        """Whether there is a recording."""
        return self._recording is not None

    @property
    def recording(self) -> Recording:
        """The recording; available when the watch has ended."""
        if self._recording is None:
            raise LabError("the watch is still running: judge after its `with` block")
        return self._recording

    def end(self) -> None:
        """Ends the recording."""
        self._recording = self.recorder.recording()

    def judge(self, node: str, expect: Expectation | None = None) -> AutonomyVerdict:
        """The verdict on one node, over faults on itself, the server and the links of both."""
        expect = expect or Expectation()
        if expect.concern is None:
            expect = replace(expect, concern=concern_of(self._lab.topology, node))
        expect = replace(expect, since={**self.since[node], **expect.since})
        return judge_autonomy(self.recording, node, expect=expect)

    def is_well(self, node: str) -> bool:
        """Whether the node and its pods are Ready, and no more samples wait on it than usual."""
        api, ready = self.recorder.newest(ApiSeen), self.recorder.newest(NodeSeen, node)
        if api is None or not api.answered or ready is None or ready.ready != "True":
            return False
        pods = [pod for pod in self.recorder.pods(node) if not pod.gone]
        if not pods or not all(pod.ready and not pod.deleting for pod in pods):
            return False
        return self.nothing_waits(node)

    def nothing_waits(self, node: str) -> bool:
        """Whether no more samples wait on the node than usual."""
        devices = sampled_devices(self._lab.topology, self._lab.topology.node(node))
        waiting = self.recorder.newest(WaitingSeen, node)
        usual = Expectation.at_rest * len(devices)
        return not devices or (waiting is not None and waiting.waiting <= usual)


@contextlib.contextmanager
def watching(
    lab: Lab, limit: TimeLimit, *nodes: str, watchers: Sequence[Watcher] = ()
) -> Iterator[Watch]:
    """Records while the block runs and then until the lab has recovered; by default all edge nodes.

    `watchers`, and those of the lab's add-ons, add further observations.
    A missing recovery is not an error here: the verdict reports it.

    Raises:
        LabError: the lab was not healthy at the beginning, or could not be observed.
    """
    everybody = (*lab.platform.watchers(lab), *watchers)
    with Recorder(lab, nodes, everybody) as recorder:
        with step("watch"):
            recorder.wait_baseline(limit(BASELINE_SECONDS))
        watch = Watch(lab, recorder, {node: _sampled(lab, node, limit) for node in recorder.nodes})
        try:
            yield watch
            with step("settle"):
                _settle(watch, limit)
        finally:
            watch.end()


def _sampled(lab: Lab, node: str, limit: TimeLimit) -> dict[str, int]:
    status = lab.workload.sampler_status(node, limit(BASELINE_SECONDS))
    return {device: counts.sampled for device, counts in status.devices.items()}


def _settle(watch: Watch, limit: TimeLimit) -> None:
    well_since: float | None = None

    def stayed() -> bool:
        nonlocal well_since
        if not all(watch.is_well(node) for node in watch.nodes):
            well_since = None
            return False
        well_since = well_since or time.monotonic()
        return time.monotonic() - well_since >= STAY_SECONDS

    with contextlib.suppress(DeadlineExceeded):
        limit(SETTLE_SECONDS).wait_for("the lab has recovered", stayed, watch=watch.recorder.check)
