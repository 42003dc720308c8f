"""The add-on of Acme: an image of its own program, and one that is taken as it is."""

from __future__ import annotations

from edge_lab.addons import AddOn
from edge_lab.images import AnyImage, ImageSpec, ReadyImage
from edge_lab.topology import Topology

AGENT_IMAGE = "acme.example/agent:0.1.0"
METER_IMAGE = "acme.example/meter:2.1.0"


class Acme(AddOn):
    name = "acme"

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        return (
            ImageSpec(AGENT_IMAGE, "acme-agent", ("/agent",), program="/agent"),
            ReadyImage(METER_IMAGE, "acme-meter"),
        )
