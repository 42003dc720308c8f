"""Machines: a libvirt domain per node, direct kernel boot, overlay disk, console log."""

from lab.machines.accelerator import Accelerator, host_arch, probe_accelerator
from lab.machines.console import ConsoleLog, Fatal, FatalLine, MachineDied
from lab.machines.counter import host_tsc_khz
from lab.machines.daemon import LibvirtDaemon
from lab.machines.disk import create_overlay, flatten_overlay
from lab.machines.guest import (
    GuestSpec,
    PortForward,
    Route,
    WireNic,
    cluster_hosts,
    wire_nics,
)
from lab.machines.keys import LabKeys
from lab.machines.machine import BootRecord, Machine
from lab.machines.seed import build_seed
from lab.machines.ssh import CommandResult, Unreachable, write_ssh_config

__all__ = [
    "Accelerator",
    "BootRecord",
    "CommandResult",
    "ConsoleLog",
    "Fatal",
    "FatalLine",
    "GuestSpec",
    "LabKeys",
    "LibvirtDaemon",
    "Machine",
    "MachineDied",
    "PortForward",
    "Route",
    "Unreachable",
    "WireNic",
    "build_seed",
    "cluster_hosts",
    "create_overlay",
    "flatten_overlay",
    "host_arch",
    "host_tsc_khz",
    "probe_accelerator",
    "wire_nics",
    "write_ssh_config",
]
