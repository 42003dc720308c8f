"""Images that a node cannot run, imported on it."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.fixtures.nodes import LabNode
from edge_lab.images.layout import Layout, open_tar, put
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch, Cri

PLACE = "/run/edge-lab-foreign-image.tar"
IMPORT_SECONDS = 120.0
PROGRAM = "main"
EM_NONE = 0
"""Machine in an ELF header: none, so that no kernel executes it."""


def unusable_program() -> bytes:
    """The header of a 64-bit ELF executable for no machine."""
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    return identity + struct.pack(
        "<HHIQQQIHHHHHH", 2, EM_NONE, 1, 0x400000, 64, 0, 0, 64, 56, 0, 64, 0, 0
    )


def image_archive(folder: Path, reference: str, arch: Arch) -> bytes:
    """An archive with an image that names `arch` alone, and whose program no machine executes."""

    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            put(tar, PROGRAM, unusable_program(), 0o755)

    layout = Layout(folder / "blobs")
    image = layout.add_image(arch, [layout.add_layer(write)], [f"/{PROGRAM}"])
    target = folder / "image.tar"
    layout.write(target, {reference: layout.add_index([image])})
    return target.read_bytes()


@contextlib.contextmanager
def imported(node: LabNode, folder: Path, reference: str, arch: Arch) -> Iterator[None]:
    """The node has an image that names `arch` alone while the block runs.

    Raises:
        LabError: the import has not brought it.
        MissingCapability: its container runtime is not containerd, whose program imports it.
    """
    if node.spec.cri is not Cri.CONTAINERD:
        raise MissingCapability(f"containerd's ctr imports the image, and {node} has CRI-O")
    archive = image_archive(folder, reference, arch)
    node.machine.write(GuestFile(PLACE, archive))
    unpack = "" if arch is node.spec.arch else "--no-unpack --all-platforms"
    try:
        node.output(
            f"ctr --namespace k8s.io images import {unpack} {PLACE}", seconds=IMPORT_SECONDS
        )
        # An image that is not there is refused with the same words.
        if node.output(f"ctr --namespace k8s.io images ls -q name=={reference}") != reference:
            raise LabError(f"{node} does not have the image {reference} after its import")
        yield
    finally:
        node.output(f"rm -f {PLACE}; ctr --namespace k8s.io images rm {reference} || true")
