"""The interface of the scenarios, implemented for a lab."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_lab.addons.pools.hub import hub_pool_command
from edge_lab.addons.pools.membership import pools_of
from edge_lab.addons.pools.names import NAMESPACE, POOL_LABEL, SITE, STATE, YURT_APP_SETS
from edge_lab.addons.witness import Run, log_path, parse_runs
from edge_lab.faults.kinds import Cut, Reboot
from edge_lab.observe.sandboxes import runtime_column
from suites.edges import is_ready, uplink
from suites.pools.rules import RULES, endpoints_in
from suites.waiting import WaitingSide

ASK_SECONDS = 120.0


@dataclass(frozen=True)
class LabSide(WaitingSide):
    """A `suites.pools.side.Side`."""

    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _session: str = field(default_factory=lambda: f"{int(time.time()) % 0x100000:05x}")

    @property
    def pools(self) -> Mapping[str, tuple[str, ...]]:
        return pools_of(self.lab.topology)

    def runtime(self, node: str) -> str:
        return runtime_column(self.lab, node)

    def name(self) -> str:
        """Witnesses keep the records of earlier sessions."""
        return f"c{self._session}-{next(self._numbers)}"

    def now(self) -> float:
        return time.time()

    # -- on the node, over the management path -------------------------------------------------

    def run(self, node: str, command: str) -> str:
        return self.lab.machine(node).run(command, self.limit(ASK_SECONDS)).stdout

    def runs(self, node: str) -> tuple[Run, ...]:
        return parse_runs(self.run(node, f"tr -d '\\000' <{log_path(STATE)}"))

    def given(self, node: str, service: str) -> frozenset[str]:
        return endpoints_in(self.run(node, RULES), NAMESPACE, service)

    def set_hub_pool(self, node: str, pool: str) -> None:
        self.run(node, hub_pool_command(pool))

    # -- the cluster -----------------------------------------------------------------------

    def members(self, pool: str) -> frozenset[str]:
        found = self.lab.kubectl.get_json("nodepool", pool, deadline=self.limit(ASK_SECONDS))
        return frozenset(found.get("status", {}).get("nodes", ()))

    def labels(self, node: str) -> Mapping[str, str]:
        found = self.lab.kubectl.get_json("node", node, deadline=self.limit(ASK_SECONDS))
        labels: Mapping[str, str] = found["metadata"].get("labels", {})
        return labels

    def ready(self, node: str) -> bool:
        return is_ready(self.lab, node, self.limit)

    def pods(self) -> list[dict[str, Any]]:
        words = ("pods", "-n", NAMESPACE, "-l", f"app={SITE}")
        return self.lab.kubectl.items(*words, deadline=self.limit(ASK_SECONDS))

    def configure(self, tweaks: Sequence[Mapping[str, Any]]) -> None:
        patch = {"spec": {"workload": {"workloadTweaks": list(tweaks)}}}
        words = (YURT_APP_SETS, SITE, "-n", NAMESPACE)
        self.lab.kubectl.patch(*words, patch=patch, deadline=self.limit(ASK_SECONDS))

    def move(self, node: str, pool: str) -> None:
        # yurt-manager ignores a change from one pool to another, and takes a removal and an
        # addition (v1.7.0).
        for value in (None, pool):
            self.lab.kubectl.patch(
                "node",
                node,
                patch={"metadata": {"labels": {POOL_LABEL: value}}},
                deadline=self.limit(ASK_SECONDS),
            )

    # -- faults ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def offline(self, nodes: Sequence[str]) -> Iterator[None]:
        with self.faults.inflict_all([Cut(link=uplink(self.lab, node)) for node in nodes]):
            yield

    def reset(self, nodes: Sequence[str]) -> None:
        with self.faults.inflict_all([Reboot(node=node) for node in nodes]):
            pass  # healed when they are up again
