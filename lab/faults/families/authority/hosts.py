"""Updates the kubeconfigs on the host while the cluster's authority is replaced: that of the lab,
and those of its processes that have a separate one."""

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
    """Which certificates are presented at a stage."""

    AS_THEY_ARE = "as they are"
    NEW = "new"
    ORIGINAL = "original"


@dataclass(frozen=True)
class Hosts:
    """The lab's kubeconfig is updated first, since the lab observes the others with it; the others
    are updated last, when the API server accepts them."""

    kubeconfig: Path
    """The lab's own."""
    cluster: ClusterAccess

    @property
    def others(self) -> tuple[Path, ...]:
        return host_kubeconfigs(self.kubeconfig.parent)

    def take_lab_along(self, succession: Succession, stage: Stage, shown: Shown) -> None:
        _take_along(HostAccess(self.kubeconfig), succession, stage, shown)

    def reset(self) -> None:
        """Restores the lab's original kubeconfig."""
        HostAccess(self.kubeconfig).reset()

    def take_along(
        self, path: Path, succession: Succession, stage: Stage, shown: Shown, deadline: Deadline
    ) -> None:
        """Updates one of the others; returns when its process uses it, and each node that is not a
        machine of the lab (those of a fleet) has sent a heartbeat since.

        Raises:
            LabError: that was not seen in time.
        """
        access = HostAccess(path)
        if stage is Stage.BEFORE:
            access.reset()
        else:
            _take_along(access, succession, stage, shown)
        try:
            deadline.wait_for("it uses the new kubeconfig", lambda: access.is_taken, every=0.1)
            deadline.wait_for(
                "its nodes send heartbeats again",
                self._heard_of(deadline),
                every=LOOK_EVERY,
                transient=NOT_YET,
            )
        except DeadlineExceeded as trouble:
            raise LabError(
                f"the process that uses {path} did not follow: {trouble.message}",
                remedy="Wake a silent fleet first, and end a fleet that is no longer used.",
            ) from trouble

    def _heard_of(self, deadline: Deadline) -> Callable[[], bool]:
        first: dict[str, str] = {}
        own = {node.name for node in self.cluster.topology.nodes}
        kubectl = self.cluster.kubectl

        def renewed(names: Iterable[str]) -> dict[str, str]:
            leases = kubectl.items("leases", "-n", "kube-node-lease", deadline=deadline)
            times = {
                lease["metadata"]["name"]: lease["spec"].get("renewTime", "") for lease in leases
            }
            return {name: times.get(name, "") for name in names}

        def look() -> bool:
            if not first:
                nodes = kubectl.items("nodes", deadline=deadline)
                ready = {shown["metadata"]["name"] for shown in nodes if node_ready(shown)}
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
