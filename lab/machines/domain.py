"""The libvirt domain of one machine: XML derived from its GuestSpec.

All settings are explicit, and every device has a PCI address: the defaults of libvirt and QEMU
differ between versions, and with them the order of disks and NICs.

Disks use cache=unsafe, without flushes on the host.  Data that a guest has synced is in the
host's page cache (qcow2 writes its tables there at each flush of the guest), so it survives a
killed QEMU or a power-off of the guest, but not a crash of the host, which labs do not survive
anyway.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from edge_lab.core.errors import LabError
from edge_lab.core.process import MARK
from edge_lab.machines.emulated import TRANSLATIONS_MIB, kernel_arguments
from edge_lab.machines.guest import (
    MANAGEMENT_ADDRESS,
    MANAGEMENT_MAC,
    AcceleratorName,
    GuestSpec,
    WireNic,
)
from edge_lab.machines.virtualization import virtualize
from edge_lab.topology import Arch

EMULATORS = {arch: f"qemu-system-{arch.value}" for arch in Arch}

QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"

_MACHINES = {Arch.X86_64: "q35", Arch.AARCH64: "virt", Arch.RISCV64: "virt"}
_CONSOLES = {Arch.X86_64: "ttyS0", Arch.AARCH64: "ttyAMA0", Arch.RISCV64: "ttyS0"}

# Slots of the root bus. 0 is the host bridge, and 0x1f the south bridge of q35.
_SLOT_MANAGEMENT, _SLOT_RNG, _SLOT_DISKS, _SLOT_BALLOON, _SLOT_NICS = 0x02, 0x03, 0x04, 0x07, 0x08
_LAST_SLOT = 0x1E

ET.register_namespace("qemu", QEMU_NAMESPACE)


@dataclass(frozen=True)
class DomainFiles:
    """The files of one machine on the host."""

    overlay: Path
    """qcow2 overlay with the changes of this machine to the root disk."""
    seed: Path
    console: Path
    """The output of the guest's serial port is appended here."""
    console_socket: Path
    """Unix socket of the serial port, for one client at a time."""
    debugger: Path
    """Unix socket of QEMU's debugger port; riscv64 only (riscv_timers.py)."""


def kernel_command_line(
    arch: Arch, accelerator: AcceleratorName, tsc_khz: int | None = None
) -> str:
    """The kernel command line of a guest. `tsc_khz` is for emulated guests (counter.py).

    A panic restarts the machine immediately, and an oops is a panic: a damaged kernel is useless
    for tests.  There is no `quiet`, since the console is watched.
    """
    told = (
        f"root=/dev/vda rw console={_CONSOLES[arch]} panic=-1 oops=panic "
        "net.ifnames=0 cgroup_enable=memory systemd.show_status=error"
    )
    return told + (kernel_arguments(arch, tsc_khz) if accelerator == "tcg" else "")


def find_emulator(arch: Arch) -> str:
    """The path of QEMU for `arch`; LabError if it is not installed."""
    found = shutil.which(EMULATORS[arch])
    if not found:
        package = {"x86_64": "x86", "aarch64": "arm", "riscv64": "misc"}[arch.value]
        raise LabError(
            f"{EMULATORS[arch]} is not installed",
            remedy=f"As root: apt-get install qemu-system-{package}",
        )
    return found


def domain_xml(
    spec: GuestSpec,
    files: DomainFiles,
    run: Path,
    accelerator: AcceleratorName,
    emulator: str,
    tsc_khz: int | None = None,
) -> str:
    """The XML of the domain. QEMU gets the mark of the run directory `run`.

    `tsc_khz` is the frequency of the host's time stamp counter, if known.
    """
    domain = ET.Element("domain", {"type": "kvm" if accelerator == "kvm" else "qemu"})
    _text(domain, "name", spec.domain_name)
    _text(domain, "uuid", str(spec.uuid))
    _text(domain, "memory", str(spec.node.memory), unit="MiB")
    _text(domain, "currentMemory", str(spec.node.memory), unit="MiB")
    _text(domain, "vcpu", str(spec.node.cpus), placement="static")
    _operating_system(domain, spec, kernel_command_line(spec.arch, accelerator, tsc_khz))
    _processor(domain, spec, accelerator)
    clock = ET.SubElement(domain, "clock", {"offset": "utc"})
    if spec.arch is Arch.X86_64:
        # After a pause the guest's clock continues, without catching up.
        ET.SubElement(clock, "timer", {"name": "rtc", "tickpolicy": "delay"})
        ET.SubElement(clock, "timer", {"name": "pit", "tickpolicy": "delay"})
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    _devices(domain, spec, files, emulator)
    _command_line(domain, spec, files, run, accelerator)
    if spec.node.virtualization and accelerator == "tcg":
        virtualize(domain, spec.arch, QEMU_NAMESPACE)
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def domain_on_paper(spec: GuestSpec, accelerator: AcceleratorName) -> str:
    """`domain_xml` with placeholders for everything that differs between labs and hosts."""
    paper = Path("/on-paper")
    files = DomainFiles(*(paper / field.name for field in dataclasses.fields(DomainFiles)))
    return domain_xml(spec, files, paper, accelerator, "emulator")


def _operating_system(domain: ET.Element, spec: GuestSpec, command_line: str) -> None:
    system = ET.SubElement(domain, "os")
    _text(system, "type", "hvm", arch=spec.arch.value, machine=_MACHINES[spec.arch])
    _text(system, "kernel", str(spec.image.kernel))
    _text(system, "initrd", str(spec.image.initrd))
    _text(system, "cmdline", command_line)


def _processor(domain: ET.Element, spec: GuestSpec, accelerator: AcceleratorName) -> None:
    arch = spec.arch
    features = ET.SubElement(domain, "features")
    if arch is Arch.X86_64:
        ET.SubElement(features, "acpi")
        ET.SubElement(features, "apic")
    if arch is Arch.AARCH64 and accelerator == "kvm":
        ET.SubElement(features, "gic", {"version": "host"})
    if accelerator == "tcg":
        _text(ET.SubElement(features, "tcg"), "tb-cache", str(TRANSLATIONS_MIB), unit="MiB")
    if accelerator == "kvm":
        ET.SubElement(domain, "cpu", {"mode": "host-passthrough", "check": "none"})
    elif arch is Arch.X86_64:
        # A smaller model lacks features that gVisor needs. But with ERMS, Linux copies and clears
        # memory with one instruction that takes a step per byte under emulation: a new page of a
        # file in memory took 1.8 times as long.
        cpu = ET.SubElement(domain, "cpu", {"mode": "maximum", "check": "none"})
        ET.SubElement(cpu, "feature", {"policy": "disable", "name": "erms"})
    elif arch is Arch.AARCH64 and not spec.node.cpu_model:
        # The maximum has pointer authentication, which costs 48 s before user space.
        cpu = ET.SubElement(domain, "cpu", {"mode": "custom", "match": "exact", "check": "none"})
        _text(cpu, "model", "cortex-a72", fallback="forbid")
    # Others: see _command_line, since libvirt 9.0 does not know their CPU models.


def _devices(domain: ET.Element, spec: GuestSpec, files: DomainFiles, emulator: str) -> None:
    devices = ET.SubElement(domain, "devices")
    _text(devices, "emulator", emulator)
    ET.SubElement(devices, "controller", {"type": "pci", "index": "0", "model": "pcie-root"})
    ET.SubElement(devices, "controller", {"type": "usb", "model": "none"})
    disks = [("root", files.overlay, "qcow2"), ("seed", files.seed, "raw")]
    if spec.payload:
        disks.append(("payload", spec.payload, "raw"))
    for index, (serial_number, path, kind) in enumerate(disks):
        disk = ET.SubElement(devices, "disk", {"type": "file", "device": "disk"})
        ET.SubElement(
            disk,
            "driver",
            # Discards of a guest free space on the host; reads use the page cache.
            {"name": "qemu", "type": kind, "cache": "unsafe", "discard": "unmap"},
        )
        ET.SubElement(disk, "source", {"file": str(path)})
        ET.SubElement(disk, "target", {"dev": f"vd{'abc'[index]}", "bus": "virtio"})
        # The image identifies disks by their serial number.
        _text(disk, "serial", serial_number)
        if kind == "raw":
            ET.SubElement(disk, "readonly")
        _pci(disk, _SLOT_DISKS + index)
    if _SLOT_NICS + len(spec.nics) - 1 > _LAST_SLOT:
        raise LabError(f"{spec.name} has {len(spec.nics)} links; at most 23 are possible")
    for index, nic in enumerate(spec.nics):
        _wire(devices, nic, _SLOT_NICS + index)
    serial = ET.SubElement(devices, "serial", {"type": "unix"})
    ET.SubElement(serial, "source", {"mode": "bind", "path": str(files.console_socket)})
    ET.SubElement(serial, "log", {"file": str(files.console), "append": "on"})
    ET.SubElement(serial, "target", {"port": "0"})
    rng = ET.SubElement(devices, "rng", {"model": "virtio"})
    _text(rng, "backend", "/dev/urandom", model="random")
    _pci(rng, _SLOT_RNG)
    # Always there: libvirt cannot plug it in later. Memory that runs short in the guest is never
    # given back by itself.
    balloon = ET.SubElement(devices, "memballoon", {"model": "virtio", "autodeflate": "off"})
    _pci(balloon, _SLOT_BALLOON)


def _wire(devices: ET.Element, nic: WireNic, slot: int) -> ET.Element:
    wire = ET.SubElement(devices, "interface", {"type": "udp"})
    ET.SubElement(wire, "mac", {"address": nic.mac})
    source = ET.SubElement(wire, "source", {"address": "127.0.0.1", "port": str(nic.peer_port)})
    ET.SubElement(source, "local", {"address": "127.0.0.1", "port": str(nic.local_port)})
    ET.SubElement(wire, "model", {"type": "virtio"})
    # No network boot: its firmware takes time.
    ET.SubElement(wire, "rom", {"enabled": "no"})
    _pci(wire, slot)
    return wire


def wire_xml(nic: WireNic, index: int, *, carrier: bool) -> str:
    """The XML of a NIC with its cable in or out, to update the running machine."""
    wire = _wire(ET.Element("devices"), nic, _SLOT_NICS + index)
    ET.SubElement(wire, "link", {"state": "up" if carrier else "down"})
    return ET.tostring(wire, encoding="unicode")


def _command_line(
    domain: ET.Element,
    spec: GuestSpec,
    files: DomainFiles,
    run: Path,
    accelerator: AcceleratorName,
) -> None:
    """Settings that libvirt does not support: the management NIC with its ports, and the mark."""
    forwards = "".join(
        f",hostfwd=tcp:127.0.0.1:{forward.host_port}-{MANAGEMENT_ADDRESS.ip}:{forward.guest_port}"
        for forward in spec.forwards
    )
    arguments = [
        "-netdev",
        f"user,id=mgmt,restrict=on,ipv6=off,net={MANAGEMENT_ADDRESS.network}{forwards}",
        "-device",
        f"virtio-net-pci,netdev=mgmt,id=mgmt,mac={MANAGEMENT_MAC},bus=pcie.0,"
        f"addr={_SLOT_MANAGEMENT:#x},romfile=",
    ]
    if spec.arch is Arch.RISCV64 and accelerator == "tcg":
        # Timers of the firmware can be set again after a restore (riscv_timers.py).
        arguments += ["-cpu", "rv64,sstc=off"]
        # QEMU requires commas in a path to be doubled.
        socket = str(files.debugger).replace(",", ",,")
        arguments += ["-gdb", f"unix:{socket},server=on,wait=off"]
    if spec.node.cpu_model and accelerator == "tcg":
        arguments += ["-cpu", spec.node.cpu_model]
    command_line = ET.SubElement(domain, f"{{{QEMU_NAMESPACE}}}commandline")
    for argument in arguments:
        ET.SubElement(command_line, f"{{{QEMU_NAMESPACE}}}arg", {"value": argument})
    environment: Mapping[str, str] = {MARK: str(run)}
    for name, value in environment.items():
        ET.SubElement(command_line, f"{{{QEMU_NAMESPACE}}}env", {"name": name, "value": value})


def _pci(device: ET.Element, slot: int) -> None:
    ET.SubElement(
        device,
        "address",
        {
            "type": "pci",
            "domain": "0x0000",
            "bus": "0x00",
            "slot": f"{slot:#04x}",
            "function": "0x0",
        },
    )


def _text(parent: ET.Element, tag: str, content: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = content
