"""What the add-on installs on a node, and where."""

from __future__ import annotations

from typing import Final

from edge_lab.images.oci import EDGE_PROGRAM, ImageFile, ImageSpec
from edge_lab.provisioning.provision import PAYLOAD_MOUNT

CRITEST = "critest"
"""The add-on, its component, and the capability of a node that has it."""
PROGRAM = str(PAYLOAD_MOUNT / "bin" / CRITEST)
IMAGES_FILE = "/etc/edge-lab/critest-images.yaml"

IMAGE = "edge-lab.local/critest:0.1.0"
_PGREP = b'#!/bin/sh\n# Debian\'s busybox has no pgrep.\nexec pidof "$1"\n'
CRITEST_IMAGE: Final = ImageSpec(
    IMAGE, EDGE_PROGRAM, ("/bin/sh",), files=(ImageFile("/bin/pgrep", _PGREP, 0o755),)
)
"""The image of all containers of the suite, which only runs busybox in it."""


def images_file() -> str:
    """Replaces the images that the suite would pull."""
    return f"defaultTestContainerImage: {IMAGE}\nwebServerTestImage: {IMAGE}\n"
