"""Virtualization in a guest: a CPU that offers it, and the kernel modules that use it.

An emulated CPU can offer it on every host. With hardware acceleration it must be nested, which the
host's KVM module must allow; that is supported only on x86_64 hosts.

Whether KVM then works is checked by a program on the running node (images/go/kvm).
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from edge_lab.core.errors import InputError
from edge_lab.machines.guest import AcceleratorName
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch, Node

MODULES_FILE = "/etc/modules-load.d/edge-lab-kvm.conf"
SYSTEM_MODULES = Path("/sys/module")

_VENDORS = ("kvm_amd", "kvm_intel")
"""KVM modules by vendor; the emulated x86_64 CPU is one of AMD."""


def virtualize(domain: ET.Element, arch: Arch, namespace: str) -> None:
    """Makes the emulated CPU of `domain` offer virtualization. `namespace` is that of QEMU's
    arguments in the XML."""
    if arch is Arch.X86_64:
        # With nested page tables: with shadow ones each page fault of the guest would be an exit.
        for name in ("svm", "npt"):
            _child(domain, "cpu").append(ET.Element("feature", {"policy": "require", "name": name}))
        return
    arguments = _child(domain, f"{{{namespace}}}commandline")
    argument = f"{{{namespace}}}arg"
    if arch is Arch.AARCH64:
        # The kernel starts at EL2. KVM needs an interrupt controller that supports virtualization.
        ET.SubElement(_child(domain, "features"), "gic", {"version": "3"})
        # QEMU merges several -machine options; libvirt does not support this one.
        for position, value in enumerate(("-machine", "virtualization=on")):
            arguments.insert(position, ET.Element(argument, {"value": value}))
        return
    for found in arguments.iter(argument):
        if found.attrib["value"].startswith("rv64"):
            found.attrib["value"] += ",h=true"
            return


def guest_files(arch: Arch, accelerator: AcceleratorName) -> tuple[GuestFile, ...]:
    """For the seed disk: loads the kernel modules at boot. On aarch64 they are built in."""
    if arch is Arch.AARCH64:
        return ()
    if arch is Arch.RISCV64:
        module = "kvm"
    else:
        module = _VENDORS[0] if accelerator == "tcg" else host_module() or _VENDORS[0]
    return (GuestFile.text(MODULES_FILE, f"{module}\n"),)


def host_module(system: Path = SYSTEM_MODULES) -> str:
    """The KVM module of an x86_64 host; empty if it has none."""
    return next((name for name in _VENDORS if (system / name).is_dir()), "")


def check_virtualization(
    node: Node, accelerator: AcceleratorName, system: Path = SYSTEM_MODULES
) -> None:
    """Raises InputError if `node` is to offer virtualization but its accelerator cannot nest it."""
    if not node.virtualization or accelerator == "tcg":
        return
    if node.arch is not Arch.X86_64:
        raise InputError(
            f"the node {node.name} cannot offer virtualization: it runs on this host's KVM, and "
            f"the lab nests KVM only on x86_64, not on {node.arch.value}",
            remedy="Remove `virtualization` from the node, or give it another architecture, which "
            "is emulated.",
        )
    module = host_module(system)
    try:
        nested = (system / module / "parameters" / "nested").read_text().strip() if module else ""
    except OSError:
        nested = ""
    if nested not in ("1", "Y"):
        named = module or "kvm_amd or kvm_intel"
        raise InputError(
            f"the node {node.name} cannot offer virtualization: it runs on this host's KVM, which "
            "does not nest",
            remedy=f"As root, while no guest runs: modprobe -r {named}; modprobe {named} nested=1. "
            "Or remove `virtualization` from the node.",
        )


def _child(domain: ET.Element, tag: str) -> ET.Element:
    found = domain.find(tag)
    return ET.SubElement(domain, tag) if found is None else found
