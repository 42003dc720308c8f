"""Pools, nodes and their cloud in memory, with a clock that waits advance."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_lab.addons.pools.names import POD_POOL_LABEL, POOL_LABEL, SITE
from edge_lab.addons.witness import Run
from edge_lab.cluster.labels import REGION_LABEL


@dataclass
class SimulatedSide:
    """suites.pools.side.Side. A node that is online runs the configuration of its pool at once."""

    pools: Mapping[str, tuple[str, ...]] = field(
        default_factory=lambda: {"north": ("n1", "n2"), "south": ("s1",)}
    )
    loses_pods: bool = False
    """The planted defect: a node that is cut off ends its pod."""
    forgets: bool = False
    """The planted defect: after a loss of power, a node that is cut off starts nothing."""
    filters: bool = True
    """Whether yurthub filters endpoints; the planted defect is False."""
    restarts: int = 1
    """Starts of a new configuration; more are the planted defect."""
    clock: float = 1000.0
    tweaks: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """By pool, its configuration and the number of its pods."""
    membership: dict[str, str] = field(default_factory=dict)
    hubs: dict[str, str] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    _runs: dict[str, list[Run]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        for pool, nodes in self.pools.items():
            for node in nodes:
                self.membership[node] = self.hubs[node] = pool
                self._runs[node] = []

    # -- time ------------------------------------------------------------------------------

    def _tick(self) -> None:
        self.clock += 1
        for node, pool in self.membership.items():
            wanted = self.tweaks.get(pool, ("", 0))[0]
            if node in self.away:
                if self.loses_pods:
                    self._end(node)
            elif wanted and self._running(node) != wanted:
                for _ in range(self.restarts):
                    self._end(node)
                    self.clock += 0.1
                    self._runs[node].append(Run(SITE, wanted, str(next(self._numbers)), self.clock))

    def _running(self, node: str) -> str:
        return next((run.revision for run in self._runs[node] if run.ended is None), "")

    def _end(self, node: str) -> None:
        self._runs[node] = [
            run
            if run.ended is not None
            else Run(run.part, run.revision, run.process, run.began, self.clock)
            for run in self._runs[node]
        ]

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        end = self.clock + seconds
        while self.clock < end:
            self._tick()
            if probe():
                return True
        return False

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        assert self.seen(probe, seconds), what
        return True

    # -- data --------------------------------------------------------------------------------

    def runtime(self, node: str) -> str:
        return "simulated"

    def name(self) -> str:
        return str(next(self._numbers))

    def now(self) -> float:
        return self.clock

    def runs(self, node: str) -> tuple[Run, ...]:
        return tuple(self._runs[node])

    def members(self, pool: str) -> frozenset[str]:
        return frozenset(node for node, found in self.membership.items() if found == pool)

    def labels(self, node: str) -> Mapping[str, str]:
        pool = self.membership[node]
        return {POOL_LABEL: pool, REGION_LABEL: pool}

    def ready(self, node: str) -> bool:
        return node not in self.away

    def pods(self) -> list[dict[str, Any]]:
        return [
            {
                "metadata": {"labels": {POD_POOL_LABEL: pool}},
                "spec": {"nodeName": node},
                "status": {
                    "podIP": f"10.244.0.{sorted(self.membership).index(node)}",
                    "conditions": [{"type": "Ready", "status": "True"}],
                },
            }
            for node, pool in self.membership.items()
        ]

    def given(self, node: str, service: str) -> frozenset[str]:
        within = self.filters and service == SITE
        return frozenset(
            pod["status"]["podIP"]
            for pod in self.pods()
            if not within or pod["metadata"]["labels"][POD_POOL_LABEL] == self.hubs[node]
        )

    # -- what people do ----------------------------------------------------------------------

    def configure(self, tweaks: Sequence[Mapping[str, Any]]) -> None:
        self.tweaks = {
            pool: (
                entry["tweaks"]["patches"][0]["value"].removeprefix("revision="),
                entry["tweaks"]["replicas"],
            )
            for entry in tweaks
            for pool in entry["pools"]
        }

    def move(self, node: str, pool: str) -> None:
        self.membership[node] = pool

    def set_hub_pool(self, node: str, pool: str) -> None:
        self.hubs[node] = pool

    @contextlib.contextmanager
    def offline(self, nodes: Sequence[str]) -> Iterator[None]:
        self.away |= set(nodes)
        try:
            yield
        finally:
            self.away -= set(nodes)

    def reset(self, nodes: Sequence[str]) -> None:
        running = {node: self._running(node) for node in nodes}
        for node in nodes:
            self._end(node)
        self.clock += 20
        for node, configured in running.items():
            if not self.forgets:
                again = Run(SITE, configured, str(next(self._numbers)), self.clock)
                self._runs[node].append(again)
