"""The image of hostile pods, which other add-ons can request, too."""

from __future__ import annotations

from typing import Final

from edge_lab.images import ImageSpec

HOSTILE_PROGRAM = "edge-hostile"
"""The component."""
PROGRAM_PATH = "/edge-hostile"
IMAGE = "edge-lab.local/hostile:0.1.0"

HOSTILE_IMAGE: Final = ImageSpec(IMAGE, HOSTILE_PROGRAM, (PROGRAM_PATH,), program=PROGRAM_PATH)
