"""The suite's scenarios on processes of this host, with hollow nodes."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.pools.names import NAMESPACE, POOL_LABEL, SITE, YURT_APP_SETS
from edge_lab.addons.witness import Run
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import node_ready
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from tests.addons.gitops.hollow import HollowNode
from tests.addons.pools.site import Site

SECONDS = 120.0
_NUMBERS = itertools.count(2)


@dataclass
class NativeSide:
    """suites.pools.side.Side. Hollow nodes have no kube-proxy and no yurthub."""

    site: Site
    hollow: Mapping[str, HollowNode]
    pools: Mapping[str, tuple[str, ...]]

    @property
    def _limit(self) -> Deadline:
        return Deadline.scaled(SECONDS)

    def runtime(self, node: str) -> str:
        return "native"

    def name(self) -> str:
        return str(next(_NUMBERS))

    def now(self) -> float:
        return time.time()

    def runs(self, node: str) -> tuple[Run, ...]:
        return self.hollow[node].runs()

    def members(self, pool: str) -> frozenset[str]:
        found = self.site.plane.kubectl.get_json("nodepool", pool, deadline=self._limit)
        return frozenset(found.get("status", {}).get("nodes", ()))

    def labels(self, node: str) -> Mapping[str, str]:
        found = self.site.plane.kubectl.get_json("node", node, deadline=self._limit)
        labels: Mapping[str, str] = found["metadata"].get("labels", {})
        return labels

    def ready(self, node: str) -> bool:
        return node_ready(self.site.plane.kubectl.get_json("node", node, deadline=self._limit))

    def pods(self) -> list[dict[str, Any]]:
        words = ("pods", "-n", NAMESPACE, "-l", f"app={SITE}")
        return self.site.plane.kubectl.items(*words, deadline=self._limit)

    def given(self, node: str, service: str) -> frozenset[str]:
        """All endpoints, as nothing filters them here."""
        selected = f"kubernetes.io/service-name={service}"
        words = ("endpointslices", "-n", NAMESPACE, "-l", selected)
        slices = self.site.plane.kubectl.items(*words, deadline=self._limit)
        return frozenset(
            address
            for endpoint_slice in slices
            for endpoint in endpoint_slice.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready")
            for address in endpoint["addresses"]
        )

    def configure(self, tweaks: Sequence[Mapping[str, Any]]) -> None:
        patch = {"spec": {"workload": {"workloadTweaks": list(tweaks)}}}
        words = (YURT_APP_SETS, SITE, "-n", NAMESPACE)
        self.site.plane.kubectl.patch(*words, patch=patch, deadline=self._limit)

    def relabel(self, node: str, pool: str | None) -> None:
        patch = {"metadata": {"labels": {POOL_LABEL: pool}}}
        self.site.plane.kubectl.patch("node", node, patch=patch, deadline=self._limit)

    def move(self, node: str, pool: str) -> None:
        self.relabel(node, None)
        self.relabel(node, pool)

    def set_hub_pool(self, node: str, pool: str) -> None:
        """There is no yurthub."""

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        return self.site.until(what, probe, seconds)

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        with contextlib.suppress(DeadlineExceeded):
            limit, watch = Deadline.after(seconds), self.site.watch
            limit.wait_for(
                "the result of a probe", probe, every=0.3, transient=NOT_YET, watch=watch
            )
            return True
        return False

    @contextlib.contextmanager
    def offline(self, nodes: Sequence[str]) -> Iterator[None]:
        for node in nodes:
            self.hollow[node].reachable.clear()
        try:
            yield
        finally:
            for node in nodes:
                self.hollow[node].reachable.set()

    def reset(self, nodes: Sequence[str]) -> None:
        """Hollow nodes do not boot: their pods start again at once."""
        for node in nodes:
            self.hollow[node].end_process(SITE)
