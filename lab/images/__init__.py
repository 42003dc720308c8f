"""Images: root disks, payload disks, and container images."""

from edge_lab.images.modules import DebianModules, module_files
from edge_lab.images.oci import (
    EDGE_PROGRAM,
    PAUSE,
    SANDBOX_IMAGE,
    AnyImage,
    ImageArchive,
    ImageFile,
    ImageSpec,
    ReadyImage,
    build_images,
)
from edge_lab.images.payload import build_payload_disk, payload_digest
from edge_lab.images.programs import DebianProgram, program_files
from edge_lab.images.root import (
    RootImage,
    build_root_image,
    cached_root_image,
    image_digest,
    load_root_image,
)

DebianPart = DebianProgram | DebianModules
"""What nodes run of a Debian package that is in no root image."""

__all__ = [
    "EDGE_PROGRAM",
    "PAUSE",
    "SANDBOX_IMAGE",
    "AnyImage",
    "DebianModules",
    "DebianPart",
    "DebianProgram",
    "ImageArchive",
    "ImageFile",
    "ImageSpec",
    "ReadyImage",
    "RootImage",
    "build_images",
    "build_payload_disk",
    "build_root_image",
    "cached_root_image",
    "image_digest",
    "load_root_image",
    "module_files",
    "payload_digest",
    "program_files",
]
