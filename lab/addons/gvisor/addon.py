"""The add-on `gvisor`: a second runtime on nodes that support it, and its RuntimeClass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Stage
from edge_lab.addons.cache.names import CERTS_D, has_cache
from edge_lab.addons.containerd import CONFIG, with_certs_d
from edge_lab.addons.gvisor.containerd import containerd_config
from edge_lab.addons.gvisor.names import (
    EDGE_RUNSC,
    GVISOR,
    HANDLER,
    NODE_LABEL,
    has_gvisor,
    is_default,
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
    """gVisor on x86_64 and aarch64 nodes."""

    name: ClassVar[str] = GVISOR
    container_runtimes: ClassVar[frozenset[str]] = frozenset({GVISOR})
    declares: ClassVar[frozenset[str]] = frozenset({GVISOR})

    def check(self, topology: Topology) -> None:
        for index, node in enumerate(topology.nodes):
            if node.container_runtime == GVISOR and not has_gvisor(node):
                raise TopologyProblem(
                    f"gVisor does not run on {node.arch.value}",
                    ("nodes", index, "container_runtime"),
                    "Remove the line, or use x86_64 or aarch64.",
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
                "gVisor runs on x86_64 and aarch64, and no node is one of these",
                ("addons", topology.addons.index(GVISOR)),
                "Add a node of such an architecture, or remove gvisor from `addons`.",
            )

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return wants_for(EDGE_RUNSC, filter(has_gvisor, topology.nodes))

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if not has_gvisor(node):
            return Provision()
        default = is_default(ctx.topology, node, ctx.stack)
        config = containerd_config(node.arch, default=default)
        if has_cache(ctx.topology, node):
            config = with_certs_d(config, CERTS_D)
        return Provision(
            files=(GuestFile.text(CONFIG, config),),
            payload=(ctx.given.binary(EDGE_RUNSC, node),),
        )

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        if stage is Stage.API_SERVER_UP:
            return (runtime_class(),)
        return tuple(labelled(node) for node in ctx.topology.nodes if has_gvisor(node))

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if has_gvisor(node) else frozenset()


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
