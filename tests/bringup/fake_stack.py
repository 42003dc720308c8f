"""A stack and add-ons that are ready when the machines run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons import AddOn, AddOnContext, Cluster, Stage
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, StackContext

if TYPE_CHECKING:
    from tests.bringup.fake_host import FakeHost


@dataclass(frozen=True)
class FakeStack(Stack):
    """Ready when the machines that it needs run."""

    host: FakeHost

    def provision(self, ctx: StackContext) -> dict[str, Provision]:
        self.host.do("provision")
        return {node.name: Provision() for node in ctx.topology.nodes}

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        return "kubeconfig"

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return ()

    def wait_control_plane(
        self,
        cluster: ClusterAccess,
        manifests: tuple[Manifest, ...],
        deadline: Deadline,
        *,
        units: tuple[str, ...] = (),
    ) -> dict[str, tuple[GuestFile, ...]]:
        self.host.do("wait control plane")
        self._wait(cluster, [cluster.topology.server.name], deadline)
        return {node.name: () for node in cluster.topology.edges}

    def wait_ready(
        self,
        cluster: ClusterAccess,
        deadline: Deadline,
        *,
        units: Mapping[str, tuple[str, ...]] | None = None,
        restored: bool = False,
    ) -> None:
        self.host.do("wait stack")
        self._wait(cluster, [node.name for node in cluster.topology.nodes], deadline)

    def _wait(self, cluster: ClusterAccess, nodes: Sequence[str], deadline: Deadline) -> None:
        deadline.wait_for(
            "all are ready",
            lambda: all(self.host.guests[node].power == "running" for node in nodes),
            every=0.005,
            watch=cluster.watch,
        )


def fake_addon(host: FakeHost, called: str) -> AddOn:
    """Has objects when nodes are Ready, and is waited for."""

    class FakeAddOn(AddOn):
        name = called

        def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
            if stage is Stage.NODES_READY:
                host.do(f"apply {called}")
            return ()

        def wait_ready(self, cluster: Cluster) -> None:
            host.do(f"wait {called}")

    return FakeAddOn()
