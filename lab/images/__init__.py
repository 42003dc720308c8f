"""Images: what guests boot from, what they are handed, and what their pods run."""

from edge_lab.images.oci import PAUSE, WORKLOAD, OciImage, build_workload_image
from edge_lab.images.payload import build_payload_disk, payload_digest
from edge_lab.images.root import (
    RootImage,
    build_root_image,
    cached_root_image,
    image_digest,
    load_root_image,
)

__all__ = [
    "PAUSE",
    "WORKLOAD",
    "OciImage",
    "RootImage",
    "build_payload_disk",
    "build_root_image",
    "build_workload_image",
    "cached_root_image",
    "image_digest",
    "load_root_image",
    "payload_digest",
]
