"""What microVMs saw, and what their nodes showed: with KVM, and with what only looks like it."""

from __future__ import annotations

from typing import Any

from edge_lab.oracles.sandbox.outside import NodeView
from edge_lab.oracles.sandbox.records import PodFacts
from tests.oracles.sandbox.seen import NODE_RELEASE, process, texts, under_runc, view

POD = "facts-qemu-microvm-edge-arm"
PROGRAM = "/usr/bin/qemu-system-aarch64"
OF_KVM = ("anon_inode:kvm-arm-vgic-v3", "anon_inode:kvm-vcpu:0", "anon_inode:kvm-vm")


def in_microvm(**changed: Any) -> PodFacts:
    """A microVM with the very kernel that its node has booted."""
    plain: dict[str, Any] = {
        **under_runc(POD).model_dump(mode="json"),
        "texts": texts(
            version=f"Linux version {NODE_RELEASE} (gcc-14 …) #1 SMP Debian",
            cmdline=f"console=ttyAMA0 quiet loglevel=0 panic=-1 -- facts --tag {POD} --hold",
            boot_id="edd9fce9-3b34-4590-83f9-6117b9bdf1ac",
            cgroup="",
        ),
        "root_mount": "1 1 0:2 / / rw - rootfs rootfs rw,size=35944k,nr_inodes=8986,inode64",
        "cap_eff": "000001ffffffffff",
    }
    return PodFacts.model_validate({**plain, **changed})


def emulator(**changed: Any) -> dict[str, Any]:
    """QEMU as the node shows it."""
    plain: dict[str, Any] = {
        "executable": PROGRAM,
        "of_runsc": False,
        "of_node": True,
        "kvm": OF_KVM,
    }
    return {**process(300, PROGRAM, "-accel", "kvm", "-M", "virt", "-cpu"), **plain, **changed}


def microvm_outside(**changed: Any) -> NodeView:
    """The pod of a microVM; `changed` of its QEMU."""
    pause = process(299, "/edge", "pause", executable="/edge", of_runsc=False, kvm=())
    return view([pause, emulator(**changed)])
