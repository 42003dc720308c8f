"""The add-on `critest`: a program and an image on edge nodes, which suites run."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext
from edge_lab.addons.critest.names import CRITEST, CRITEST_IMAGE, IMAGES_FILE, images_file
from edge_lab.artifacts import Want
from edge_lab.images import AnyImage
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, wants_for
from edge_lab.topology import Node, Topology


class Critest(AddOn):
    """critest on edge nodes."""

    name: ClassVar[str] = CRITEST
    declares: ClassVar[frozenset[str]] = frozenset({CRITEST})

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return wants_for(CRITEST, topology.edges)

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        return (CRITEST_IMAGE,)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if node not in ctx.topology.edges:
            return Provision()
        return Provision(
            files=(GuestFile.text(IMAGES_FILE, images_file()),),
            payload=(ctx.given.binary(CRITEST, node),),
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if node in topology.edges else frozenset()
