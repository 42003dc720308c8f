"""Starts pods on one node and records the moments of each: the raw data of a latency suite."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError, MissingCapability
from edge_lab.faults.limits import TimeLimit
from edge_lab.observe.scheduling.clock import node_clock
from edge_lab.observe.scheduling.nodejournal import (
    NodeJournal,
    container_id,
    journal_command,
    started_at,
    state_command,
)
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.observe.scheduling.runtimes import default_runtime
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.oracles.scheduling.history import history_of
from edge_lab.oracles.scheduling.stages import NODE_MOMENTS, Moment, PodStart
from edge_lab.topology import Cri

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.machines import Machine
    from edge_lab.topology import Node

APP = "edge-lab-pod-start"
"""Label `app` of all pods that are timed."""

TOGETHER = 4
"""Maximum pods on a node at once: each takes 20 MB. One block of turns, so that both conditions
have the same number of other pods beside them."""

START_SECONDS = 240.0
"""Seconds for one pod whose image is present, on an emulated node; Kubernetes' objective is 5 s."""
ASK_SECONDS = 60.0
JOURNAL_SECONDS = 60.0
"""Seconds until the node's journal shows what was logged."""
GONE_SECONDS = 180.0
"""Seconds until so many pods as are usually together have been removed."""

_NUMBER = count(1)


@dataclass(frozen=True)
class Planned:
    """A pod to be started."""

    condition: str = "idle"
    runtime_class: str = ""
    around: Callable[[], AbstractContextManager[object]] = field(default=nullcontext)
    """The condition of the lab while it starts."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of its spec, in addition to those of `start_manifest`."""


@dataclass(frozen=True)
class Asked:
    """The moment at which a pod was requested."""

    time: int
    """ns since 1970."""
    load: float
    """Load average of the host over the minute before."""


def start_manifest(name: str, node: Node, plan: Planned) -> dict[str, Any]:
    """A pod of one container, which the scheduler can only place on this node.

    It has a volume because the kubelet logs nothing when it sees a pod without one.
    """
    spec: dict[str, Any] = {
        "nodeSelector": {"kubernetes.io/hostname": node.name},
        "tolerations": [
            {"key": taint.key, "operator": "Exists", "effect": taint.effect}
            for taint in node.taints
        ],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "main",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "command": ["/bin/sleep", "86400"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
    }
    if plan.runtime_class:
        spec["runtimeClassName"] = plan.runtime_class
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": APP}},
        "spec": {**spec, **plan.changes},
    }


class PodStarts:
    """For one node. Its methods remove everything that they create."""

    def __init__(self, lab: Lab, node: Node, limit: TimeLimit, watch: PodWatch) -> None:
        """MissingCapability if the moments of the node's container runtime cannot be read."""
        if node.cri is not Cri.CONTAINERD:
            raise MissingCapability(
                "the stages of a pod's start are read from containerd's log and state, and "
                f"{node.name} has {node.cri.value}"
            )
        self._lab = lab
        self._node = node
        self._limit = limit
        self._watch = watch

    @property
    def _machine(self) -> Machine:
        return self._lab.machine(self._node.name)

    def one_by_one(self, plans: Sequence[Planned]) -> tuple[PodStart, ...]:
        """Each pod starts when the one before it is Ready, as its plan says.

        Raises:
            LabError: a moment of one of them was not seen.
            AssertionError: one of them did not become Ready.
        """
        found: list[PodStart] = []
        for first in range(0, len(plans), TOGETHER):
            found += self._batch(plans[first : first + TOGETHER], self._start_each)
        return tuple(found)

    def at_once(self, plans: Sequence[Planned]) -> tuple[PodStart, ...]:
        """All are created before the first of them runs; their `around` is not used."""
        return tuple(self._batch(plans, self._start_all))

    # -- a batch -------------------------------------------------------------------------------

    def _batch(
        self,
        plans: Sequence[Planned],
        start: Callable[[Sequence[tuple[str, Planned]]], dict[str, Asked]],
    ) -> list[PodStart]:
        named = [(f"start-{self._node.name}-{next(_NUMBER)}", plan) for plan in plans]
        with self._gone_at_the_end(GONE_SECONDS * max(1.0, len(named) / TOGETHER)):
            before = node_clock(self._lab, self._node.name, self._limit(ASK_SECONDS))
            asked = start(named)
            after = node_clock(self._lab, self._node.name, self._limit(ASK_SECONDS))
            return self._records(named, asked, before.joined(after))

    @contextlib.contextmanager
    def _gone_at_the_end(self, seconds: float) -> Iterator[None]:
        try:
            yield
        finally:
            self._lab.kubectl.delete(
                *("pod", "-l", f"app={APP}", "-n", NAMESPACE),
                deadline=self._limit(seconds),
                now=True,
            )

    def _start_each(self, named: Sequence[tuple[str, Planned]]) -> dict[str, Asked]:
        asked = {}
        for name, plan in named:
            with plan.around():
                asked[name] = self._create([(name, plan)])
                self._until_ready(name, self._limit(START_SECONDS))
        return asked

    def _start_all(self, named: Sequence[tuple[str, Planned]]) -> dict[str, Asked]:
        asked = self._create(named)
        limit = self._limit(START_SECONDS * len(named))
        for name, _ in named:
            self._until_ready(name, limit)
        return dict.fromkeys((name for name, _ in named), asked)

    def _create(self, named: Sequence[tuple[str, Planned]]) -> Asked:
        asked = Asked(time.time_ns(), os.getloadavg()[0])
        manifests = [start_manifest(name, self._node, plan) for name, plan in named]
        self._lab.kubectl.apply(manifests, self._limit(ASK_SECONDS))
        return asked

    def _until_ready(self, pod: str, limit: Deadline) -> None:
        try:
            limit.wait_for(
                f"pod {pod} is Ready", partial(self._watch.has, pod, Moment.READY), every=0.1
            )
        except DeadlineExceeded as trouble:
            events = self._lab.kubectl.events(pod, self._limit(ASK_SECONDS), namespace=NAMESPACE)
            said = "".join(f"\n  {line}" for line in events[-5:])
            raise AssertionError(f"{trouble.message}{said}") from trouble

    # -- timestamps of the node ----------------------------------------------------------------

    def _records(
        self, named: Sequence[tuple[str, Planned]], asked: dict[str, Asked], clock: ClockBounds
    ) -> list[PodStart]:
        shown = {name: self._seen(name) for name, _ in named}
        created = min(self._watch.moments(name)[Moment.CREATED] for name, _ in named)
        stamps = self._stamps(shown, created + clock.least - 5_000_000_000)
        return [
            PodStart(
                pod=name,
                node=self._node.name,
                arch=self._node.arch.value,
                runtime=plan.runtime_class or default_runtime(self._lab, self._node),
                condition=plan.condition,
                asked=asked[name].time,
                moments={**self._watch.moments(name), **stamps[name]},
                clock=clock,
                startup_s=self._watch.startup_s(name),
                history=history_of(self._watch.events(name)),
                accelerator=self._lab.state.accelerator[self._node.name],
                load=asked[name].load,
            )
            for name, plan in named
        ]

    def _seen(self, name: str) -> dict[str, Any]:
        pod = self._watch.newest(name)
        if pod is None:
            raise LabError(f"no evidence: the watch did not see {name}")
        return pod

    def _stamps(self, pods: dict[str, dict[str, Any]], since: int) -> dict[str, dict[Moment, int]]:
        """The moments by pod; reads again while the journal lags, then accepts missing ones."""
        containers = {name: container_id(pod) for name, pod in pods.items()}
        found: dict[str, dict[Moment, int]] = {}

        def complete() -> bool:
            limit = self._limit(ASK_SECONDS)
            lines = self._machine.run(journal_command(since), limit).stdout.splitlines()
            states = self._machine.run(state_command(containers.values()), limit).stdout
            journal, started = NodeJournal.of(lines), started_at(states)
            for name, pod in pods.items():
                found[name] = dict(journal.of_pod(pod["metadata"]["uid"]))
                if containers[name] in started:
                    found[name][Moment.STARTED] = started[containers[name]]
            return all(found[name].keys() >= NODE_MOMENTS for name in pods)

        with contextlib.suppress(DeadlineExceeded):
            self._limit(JOURNAL_SECONDS).wait_for("the node's journal", complete, every=2.0)
        return found
