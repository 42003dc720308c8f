"""Names, paths and components of the add-on, and the nodes that have it."""

from __future__ import annotations

from typing import Final

from edge_lab.images import DebianProgram
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.topology import Arch, Cri, Node

CRI_O = "cri-o"
"""The add-on, and the capability of a node that runs it."""

CRIO, PINNS, CONMON, CRICTL = "crio", "pinns", "conmon", "crictl"
COMPONENTS = (CRIO, PINNS, CONMON, CRICTL)
"""The programs of CRI-O's release that nodes have. Their OCI runtime is Debian's runc, as with
containerd."""
SKOPEO: Final = DebianProgram("skopeo", "usr/bin/skopeo", executes_itself=True)
"""Imports images into CRI-O's storage, since crictl cannot; executes itself again for each
layer."""

ARCHITECTURES = frozenset({Arch.X86_64, Arch.AARCH64})
"""The lab's architectures that CRI-O is released for."""

CONFIG = "/etc/crio/crio.conf.d/50-edge-lab.conf"
STORAGE_CONFIG = "/etc/containers/storage.conf"
REGISTRIES_CONFIG = "/etc/containers/registries.conf"
POLICY = "/etc/containers/policy.json"
CRICTL_CONFIG = "/etc/crictl.yaml"

STORAGE = "/var/lib/containers/storage"
CLEAN_SHUTDOWN = "/var/lib/crio/clean.shutdown"
"""CRI-O's default `clean_shutdown_file`."""


def program(component: str) -> str:
    """The path of a component on nodes."""
    return str(PAYLOAD_MOUNT / "bin" / component)


def why_no_crio(node: Node) -> str:
    """Why CRI-O cannot run on `node`; empty if it can."""
    if node.arch not in ARCHITECTURES:
        return f"CRI-O is not released for {node.arch.value}"
    if node.external is not None:
        return f"{node.name} is an external node, whose containerd the lab leaves in its place"
    return ""


def has_crio(node: Node) -> bool:
    """Whether the add-on is installed on `node`."""
    return node.cri is Cri.CRI_O
