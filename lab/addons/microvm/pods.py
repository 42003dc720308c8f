"""Hostile pods whose program is in a QEMU microVM: the pod's own process is QEMU.

QEMU and its libraries come from the node's root image, mounted read-only. QEMU runs as an ordinary
user without capabilities, with a seccomp filter, and gets /dev/kvm from a device plugin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge_lab.addons.hostile.pods import HostilePod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.microvm.machine import Accelerator, qemu_command
from edge_lab.addons.microvm.names import DEVICE_GROUP, FILES_ON_NODE, RESOURCE
from edge_lab.cluster.objects import Manifest
from edge_lab.topology import Arch, Node

FOLDER = "/microvm"
"""Where the pod has kernel and initial RAM disk."""
LIBRARIES = {Arch.X86_64: ("/lib", "/lib64"), Arch.AARCH64: ("/lib",), Arch.RISCV64: ("/lib",)}
"""Paths of the dynamic linker: links into /usr on the node, which an image lacks."""
POD_MEMORY_MIB = 320
"""The memory limit of the pod: the microVM's memory, QEMU itself, and the page tables of both."""


@dataclass(frozen=True)
class MicrovmPod(HostilePod):
    """`args` are those of edge-hostile in the microVM."""

    arch: Arch = field(kw_only=True)
    """The node's."""
    accelerator: Accelerator = field(default="kvm", kw_only=True)
    """Anything but KVM is a control: an emulated microVM, which must be detected."""

    def manifest(self) -> Manifest:
        whole = super().manifest()
        spec = whole["spec"]
        (container,) = spec["containers"]
        container["command"] = list(
            qemu_command(self.arch, FOLDER, self.args, accelerator=self.accelerator)
        )
        del container["env"]
        container["resources"]["limits"][RESOURCE] = "1"
        container["securityContext"]["readOnlyRootFilesystem"] = True
        spec["securityContext"] = {"supplementalGroups": [DEVICE_GROUP]}
        folders = {"/usr": "/usr", FOLDER: FILES_ON_NODE}
        folders |= {path: f"/usr{path}" for path in LIBRARIES[self.arch]}
        mounts: list[dict[str, Any]] = []
        volumes: list[dict[str, Any]] = []
        for number, (place, source) in enumerate(folders.items()):
            name = f"node-{number}"
            mounts.append({"name": name, "mountPath": place, "readOnly": True})
            volumes.append({"name": name, "hostPath": {"path": source, "type": "Directory"}})
        container["volumeMounts"], spec["volumes"] = mounts, volumes
        return whole


def _pod(node: Node, what: str, args: tuple[str, ...], accelerator: Accelerator) -> MicrovmPod:
    return MicrovmPod(
        f"{what}-{Setting.MICROVM.slug}-{node.name}",
        node.name,
        Setting.MICROVM,
        args,
        memory_mib=POD_MEMORY_MIB,
        arch=node.arch,
        accelerator=accelerator,
    )


def microvm_facts_pod(
    node: Node, *, what: str = "facts", accelerator: Accelerator = "kvm"
) -> MicrovmPod:
    """A pod that reports what it sees, and runs until it is deleted."""
    name = f"{what}-{Setting.MICROVM.slug}-{node.name}"
    return _pod(node, what, ("facts", "--tag", name, "--hold"), accelerator)


def microvm_attempts_pod(node: Node, options: tuple[str, ...] = ()) -> MicrovmPod:
    """A pod that makes all attempts, and ends."""
    return _pod(node, "attempts", ("attempts", *options), "kvm")
