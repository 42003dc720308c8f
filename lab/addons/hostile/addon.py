"""The add-on `hostile`: nodes have the image of hostile pods, and a limit of processes for each
pod. Nothing runs until a suite asks."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext
from edge_lab.addons.dropins import kubelet_drop_in
from edge_lab.addons.hostile.image import HOSTILE_IMAGE
from edge_lab.images import ImageSpec
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Node, Topology

PIDS_LIMIT = 512
"""Processes and threads of a pod. Without it, all of a node's are any pod's to use up."""
DROP_IN = "70-hostile.conf"


class Hostile(AddOn):
    """The image of pods that try to get out, and a limit that they cannot leave to others."""

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
