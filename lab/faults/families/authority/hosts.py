"""What the host shows and trusts while the cluster's authority is replaced: the lab itself, and its
processes that have a kubeconfig of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import node_ready
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.pki import Stage, Succession
from edge_lab.stacks.hostaccess import HostAccess, host_kubeconfigs

LOOK_EVERY = 1.0


class Shown(Enum):
    """What becomes of certificates at a stage."""

    AS_THEY_ARE = "as they are"
    NEW = "new"
    ORIGINAL = "original"


@dataclass(frozen=True)
class Hosts:
    """The lab goes first, since it looks at the others by what it has; they go last, when the API
    server is there for them to begin."""

    kubeconfig: Path
    """The lab's own."""
    cluster: ClusterAccess

    @property
    def others(self) -> tuple[Path, ...]:
        return host_kubeconfigs(self.kubeconfig.parent)

    def take_lab_along(self, succession: Succession, stage: Stage, shown: Shown) -> None:
        _take_along(HostAccess(self.kubeconfig), succession, stage, shown)

    def reset(self) -> None:
        """The lab's, as it was first."""
        HostAccess(self.kubeconfig).reset()

    def take_along(
        self, path: Path, succession: Succession, stage: Stage, shown: Shown, deadline: Deadline
    ) -> None:
        """One of the others; returns when its process goes by it, and each node that is no machine
        of the lab was heard of since: a fleet's.

        Raises:
            LabError: not in time.
        """
        access = HostAccess(path)
        if stage is Stage.BEFORE:
            access.reset()
        else:
            _take_along(access, succession, stage, shown)
        try:
            deadline.wait_for("it goes by another kubeconfig", lambda: access.is_taken, every=0.1)
            deadline.wait_for(
                "its nodes are heard of again",
                self._heard_of(deadline),
                every=LOOK_EVERY,
                transient=NOT_YET,
            )
        except DeadlineExceeded as trouble:
            raise LabError(
                f"what runs by {path} was left behind: {trouble.message}",
                remedy="A fleet that is silent has to be woken first; one that nobody looks after "
                "any more, ended.",
            ) from trouble

    def _heard_of(self, deadline: Deadline) -> Callable[[], bool]:
        first: dict[str, str] = {}
        own = {node.name for node in self.cluster.topology.nodes}
        kubectl = self.cluster.kubectl

        def renewed(names: Iterable[str]) -> dict[str, str]:
            leases = kubectl.items("leases", "-n", "kube-node-lease", deadline=deadline)
            times = {it["metadata"]["name"]: it["spec"].get("renewTime", "") for it in leases}
            return {name: times.get(name, "") for name in names}

        def look() -> bool:
            if not first:
                nodes = kubectl.items("nodes", deadline=deadline)
                ready = {it["metadata"]["name"] for it in nodes if node_ready(it)}
                first.update(renewed(ready - own))
                return not first
            now = renewed(first)
            return all(now[name] != before for name, before in first.items())

        return look


def _take_along(access: HostAccess, succession: Succession, stage: Stage, shown: Shown) -> None:
    if shown is Shown.NEW:
        access.show(succession.new.issue(access.spec))
    elif shown is Shown.ORIGINAL:
        access.show_original()
    access.trust(succession.trusted(stage))
