"""Machines: a libvirt domain per node, direct kernel boot, overlay disk, console log."""

from edge_lab.machines.accelerator import Accelerator, host_arch, probe_accelerator
from edge_lab.machines.console import ConsoleLog, Fatal, FatalLine, MachineDied
from edge_lab.machines.counter import host_tsc_khz
from edge_lab.machines.daemon import LibvirtDaemon
from edge_lab.machines.disk import create_overlay, flatten_overlay
from edge_lab.machines.guest import (
    GuestSpec,
    PortForward,
    Route,
    WireNic,
    cluster_hosts,
    wire_nics,
)
from edge_lab.machines.keys import LabKeys
from edge_lab.machines.machine import BootRecord, Machine
from edge_lab.machines.seed import build_seed
from edge_lab.machines.ssh import CommandResult, Unreachable, write_ssh_config

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
