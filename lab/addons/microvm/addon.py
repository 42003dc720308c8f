"""The add-on `microvm`: KVM for pods on nodes that offer it, and the files that a microVM boots."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster
from edge_lab.addons.hostile.image import HOSTILE_PROGRAM
from edge_lab.addons.microvm.kvm import PROBE_COMMAND, parse_kvm_report
from edge_lab.addons.microvm.machine import KERNEL, RAMDISK
from edge_lab.addons.microvm.names import (
    EDGE_KVM,
    FILES,
    KVM,
    MICROVM,
    PROGRAM,
    RESOURCE,
    SHARES,
    UNIT,
    has_kvm,
    nodes_with_kvm,
)
from edge_lab.addons.microvm.ramdisk import kept_ramdisk
from edge_lab.artifacts import Want
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.errors import LabError
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, PayloadFile, Provision
from edge_lab.stacks import Stack, wants_for
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Topology, TopologyProblem

PROBE_SECONDS = 60.0
ASK_SECONDS = 20.0


class Microvm(AddOn):
    """A QEMU microVM as a pod's process, on nodes with `virtualization: true`."""

    name: ClassVar[str] = MICROVM
    needs_addons: ClassVar[tuple[str, ...]] = ("hostile",)
    """Its pods use the image of hostile pods."""
    declares: ClassVar[frozenset[str]] = frozenset({KVM, MICROVM})

    def check(self, topology: Topology) -> None:
        if not nodes_with_kvm(topology):
            raise TopologyProblem(
                "a microVM needs a node whose CPU offers virtualization",
                ("addons", topology.addons.index(MICROVM)),
                "Add `virtualization: true` to a node, or remove microvm from `addons`.",
            )

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        nodes = nodes_with_kvm(topology)
        return wants_for(EDGE_KVM, nodes) + wants_for(HOSTILE_PROGRAM, nodes)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if not has_kvm(node):
            return Provision()
        image = ctx.given.root_images[node.arch]
        disk, digest = kept_ramdisk(
            image.busybox, ctx.given.artifact(HOSTILE_PROGRAM, node.arch).path
        )
        with image.kernel.open("rb") as stream:
            of_kernel = hashlib.file_digest(stream, "sha256").hexdigest()
        files = Provision(
            payload=(
                ctx.given.binary(EDGE_KVM, node),
                PayloadFile(f"{FILES}/{KERNEL}", image.kernel, of_kernel, executable=False),
                PayloadFile(f"{FILES}/{RAMDISK}", disk, digest, executable=False),
            )
        )
        return files + _plugin().provision()

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return (UNIT,) if has_kvm(node) else ()

    def wait_ready(self, cluster: Cluster) -> None:
        for node in nodes_with_kvm(cluster.topology):
            done = cluster.access.machines[node.name].run(
                PROBE_COMMAND, cluster.deadline.within(PROBE_SECONDS), check=False
            )
            report = parse_kvm_report(done.stdout)
            if not report.works:
                raise LabError(
                    f"KVM does not work on {node.name}, whose CPU is to offer it: {report}",
                    remedy="Remove `virtualization` from the node, and microvm from `addons`.",
                )
            self._wait_offered(cluster, node)

    def _wait_offered(self, cluster: Cluster, node: Node) -> None:
        kubectl, deadline = cluster.access.kubectl, cluster.deadline

        def is_offered() -> bool:
            found = kubectl.get_json("node", node.name, deadline=deadline.within(ASK_SECONDS))
            return offered(found) > 0

        deadline.wait_for(
            f"{node.name} has {RESOURCE} for pods",
            is_offered,
            every=2.0,
            transient=NOT_YET,
            watch=cluster.access.watch,
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if has_kvm(node) else frozenset()


def _plugin() -> Service:
    return Service(
        name=UNIT.removesuffix(".service"),
        description="Kubernetes device plugin for /dev/kvm",
        command=(PROGRAM, "plugin", "--resource", RESOURCE, "--count", str(SHARES)),
        mounts=(str(PAYLOAD_MOUNT),),
    )


def offered(node: Mapping[str, Any]) -> int:
    """The allocatable number of the /dev/kvm resource of a Node object."""
    return int(node.get("status", {}).get("allocatable", {}).get(RESOURCE, "0"))
