"""Adds existing container images to the archive of a lab's nodes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edge_lab.artifacts.imagelayout import NoImage, open_layout
from edge_lab.core.errors import InputError
from edge_lab.images.layout import Descriptor, Layout
from edge_lab.topology import Arch


def copy_image(file: Path, arch: Arch, into: Layout) -> Descriptor:
    """Adds the image for `arch` in `file`, an OCI image layout in a tar; returns its manifest's
    descriptor.

    Raises:
        InputError: the file is not such an archive, lacks the image, or is damaged.
    """
    try:
        with open_layout(file) as layout:
            manifest = layout.manifest(arch)
            for digest in layout.parts(manifest):
                with tempfile.TemporaryFile(dir=into.folder.parent) as part:
                    layout.copy(digest, part)
                    part.seek(0)
                    into.add_blob(part)
    except NoImage as trouble:
        raise InputError(
            f"no container image can be read from it: {trouble.reason}",
            file=file,
            remedy="Its component must have `image=True` and be an OCI image layout.",
        ) from trouble
    return manifest
