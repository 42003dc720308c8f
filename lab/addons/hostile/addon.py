"""The add-on `hostile`: the image of hostile pods on nodes, and a process limit for each pod. The
pods themselves are run by suites."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext
from edge_lab.addons.dropins import kubelet_drop_in
from edge_lab.addons.hostile.image import HOSTILE_IMAGE
from edge_lab.images import ImageSpec
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Node, Topology

PIDS_LIMIT = 512
"""Maximum processes and threads of a pod. Without it, any pod could use up all of a node's."""
DROP_IN = "70-hostile.conf"


class Hostile(AddOn):
    """The image of pods that try to escape, and a process limit for each pod."""

    name: ClassVar[str] = "hostile"
    needs_addons: ClassVar[tuple[str, ...]] = ("workload",)
    """Its pods are in the workload's namespace."""

    def images(self, topology: Topology) -> tuple[ImageSpec, ...]:
        return (HOSTILE_IMAGE,)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if node not in ctx.topology.edges:
            return Provision()
        limit = kubelet_drop_in(ctx.topology, node, ctx.stack, DROP_IN, podPidsLimit=PIDS_LIMIT)
        return Provision(files=(limit,))
