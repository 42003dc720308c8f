"""The command line of QEMU for a microVM: only one CPU, memory and a serial port.

No disk, no NIC and no shared folder: its files are in its initial RAM disk (ramdisk.py), its
program is on its kernel's command line, and the output goes to its serial port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge_lab.core.errors import LabError
from edge_lab.topology import Arch

MEMORY_MIB = 128
"""Of a microVM: Debian's kernel, and the program unpacked in memory."""
KERNEL, RAMDISK = "kernel", "initrd"
"""Names of the files that it boots, below its folder."""

Accelerator = Literal["kvm", "tcg"]


@dataclass(frozen=True)
class Model:
    """The differences between architectures."""

    program: str
    """Of Debian's package, on the node."""
    machine: str
    console: str
    further: tuple[str, ...] = ()
    """For the kernel."""


MODELS = {
    # Debian has a small build of QEMU just for this machine.
    Arch.X86_64: Model(
        "/usr/bin/qemu-system-x86_64-microvm", "microvm,rtc=off", "ttyS0", ("reboot=t",)
    ),
    Arch.AARCH64: Model("/usr/bin/qemu-system-aarch64", "virt,gic-version=3", "ttyAMA0"),
    Arch.RISCV64: Model("/usr/bin/qemu-system-riscv64", "virt", "ttyS0"),
}

EMULATED_CPUS = {Arch.X86_64: "max", Arch.AARCH64: "cortex-a72", Arch.RISCV64: "rv64"}
"""For a control without KVM."""

CONFINED = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
"""QEMU's own seccomp filter, in addition to that of the container runtime."""


def qemu_command(
    arch: Arch, folder: str, program: Sequence[str], *, accelerator: Accelerator = "kvm"
) -> tuple[str, ...]:
    """QEMU with the files in `folder`, for a microVM that runs edge-hostile with the arguments
    `program`.

    With "kvm" QEMU exits if KVM does not work, instead of falling back to emulation.

    Raises:
        LabError: an argument cannot be a single word of a kernel's command line.
    """
    for word in program:
        if not word or word != "".join(word.split()) or '"' in word:
            raise LabError(f"{word!r} cannot be told to a microVM by its kernel's command line")
    model = MODELS[arch]
    path = model.program
    if accelerator == "tcg" and arch is Arch.X86_64:
        path = path.removesuffix("-microvm")  # the small build has only KVM
    cpu = "host" if accelerator == "kvm" else EMULATED_CPUS[arch]
    # Only the program may write to the serial port, from which its lines are read.
    words = [f"console={model.console}", "quiet", "loglevel=0", "panic=-1", *model.further, "--"]
    return (
        *(path, "-accel", accelerator, "-M", model.machine, "-cpu", cpu, "-smp", "1"),
        *("-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none"),
        *("-no-reboot", "-serial", "stdio", "-sandbox", CONFINED),
        *("-kernel", f"{folder}/{KERNEL}", "-initrd", f"{folder}/{RAMDISK}"),
        *("-append", " ".join((*words, *program))),
    )
