"""The add-ons `gvisor` and `gvisor-release`: a second runtime on nodes that support it, and its
RuntimeClass.

The first has Debian's runsc behind a program of the lab, the second a release of gVisor with its
own shim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Stage
from edge_lab.addons.cache.names import CERTS_D, has_cache
from edge_lab.addons.containerd import CONFIG, with_certs_d
from edge_lab.addons.gvisor.containerd import (
    SHIM_CONFIG,
    behind_runc_shim,
    containerd_config,
    own_shim,
    shim_config,
)
from edge_lab.addons.gvisor.names import (
    EDGE_RUNSC,
    FLAVORS,
    GVISOR,
    GVISOR_RELEASE,
    HANDLER,
    NODE_LABEL,
    RUNSC,
    RUNSC_SHIM,
    has_gvisor,
    is_default,
    why_no_gvisor,
)
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, wants_for
from edge_lab.topology import Node, Topology, TopologyProblem

OVERHEAD: Mapping[str, str] = {"memory": "64Mi"}
"""Pod overhead of a sandbox: sentry, gofers and the process that waits for each container. Seen
with one container: 46 MiB including its shell, by the pod's cgroup. The scheduler adds it to the
requests of a pod, and the kubelet to its limits."""


class Gvisor(AddOn):
    """Debian's gVisor on x86_64 and aarch64 nodes."""

    name: ClassVar[str] = GVISOR
    components: ClassVar[tuple[str, ...]] = (EDGE_RUNSC,)
    """What is installed on nodes besides the root image."""
    runtime: ClassVar[str] = behind_runc_shim()
    """Its runtime in containerd's configuration."""
    container_runtimes: ClassVar[frozenset[str]] = frozenset({GVISOR})
    declares: ClassVar[frozenset[str]] = frozenset({GVISOR})

    def check(self, topology: Topology) -> None:
        listed = [index for index, name in enumerate(topology.addons) if name in FLAVORS]
        if len(listed) > 1:
            raise TopologyProblem(
                f"{GVISOR} and {GVISOR_RELEASE} install gVisor on the same nodes",
                ("addons", listed[1]),
                "Remove one of them.",
            )
        for index, node in enumerate(topology.nodes):
            if node.container_runtime == GVISOR and (why := why_no_gvisor(node)):
                raise TopologyProblem(
                    why,
                    ("nodes", index, "container_runtime"),
                    "Remove the line, or use x86_64 or aarch64, and containerd.",
                )
            if node.container_runtime == GVISOR and node == topology.server:
                raise TopologyProblem(
                    "pods of the server, such as the collector, are in its own network, and a "
                    "sandbox with a network stack of its own is not",
                    ("nodes", index, "container_runtime"),
                    "Remove the line; sandbox the pods of edge nodes.",
                )
        if not any(has_gvisor(node) for node in topology.nodes):
            raise TopologyProblem(
                "gVisor runs on x86_64 and aarch64 with containerd, and no node is such a one",
                ("addons", topology.addons.index(self.name)),
                f"Add such a node, or remove {self.name} from `addons`.",
            )

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        nodes = tuple(filter(has_gvisor, topology.nodes))
        return tuple(want for name in self.components for want in wants_for(name, nodes))

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if not has_gvisor(node):
            return Provision()
        default = is_default(ctx.topology, node, ctx.stack)
        config = containerd_config(node.arch, self.runtime, default=default)
        if has_cache(ctx.topology, node):
            config = with_certs_d(config, CERTS_D)
        return Provision(
            files=(GuestFile.text(CONFIG, config),),
            payload=tuple(ctx.given.binary(name, node) for name in self.components),
        )

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        if stage is Stage.API_SERVER_UP:
            return (runtime_class(),)
        return tuple(labelled(node) for node in ctx.topology.nodes if has_gvisor(node))

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if has_gvisor(node) else frozenset()


class ReleasedGvisor(Gvisor):
    """A release of gVisor on x86_64 and aarch64 nodes, from its publisher or a mirror."""

    name: ClassVar[str] = GVISOR_RELEASE
    components: ClassVar[tuple[str, ...]] = (RUNSC, RUNSC_SHIM)
    runtime: ClassVar[str] = own_shim()

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        whole = super().provision(ctx, node)
        if not has_gvisor(node):
            return whole
        return whole + Provision(files=(GuestFile.text(SHIM_CONFIG, shim_config()),))


def runtime_class() -> Manifest:
    """`runtimeClassName: gvisor`, on the nodes that have it."""
    return {
        "apiVersion": "node.k8s.io/v1",
        "kind": "RuntimeClass",
        "metadata": {"name": GVISOR},
        "handler": HANDLER,
        "overhead": {"podFixed": dict(OVERHEAD)},
        "scheduling": {"nodeSelector": {NODE_LABEL: "true"}},
    }


def labelled(node: Node) -> Manifest:
    """Adds the label by which the scheduler selects `node`; the Node object must exist."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": {NODE_LABEL: "true"}},
    }
