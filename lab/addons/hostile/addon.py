"""The add-on `hostile`: nodes have the image of hostile pods. Nothing runs until a suite asks."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn
from edge_lab.addons.hostile.image import HOSTILE_IMAGE
from edge_lab.images import ImageSpec
from edge_lab.topology import Topology


class Hostile(AddOn):
    """The image of pods that try to get out."""

    name: ClassVar[str] = "hostile"
    needs_addons: ClassVar[tuple[str, ...]] = ("workload",)
    """Its pods are in the workload's namespace."""

    def images(self, topology: Topology) -> tuple[ImageSpec, ...]:
        return (HOSTILE_IMAGE,)
