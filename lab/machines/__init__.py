"""Machines: a libvirt domain per node, with direct kernel boot, overlay disk and console log."""

from edge_lab.machines.accelerator import Accelerator, host_arch, probe_accelerator
from edge_lab.machines.api import BootRecord, ClockOffset, Machine, PowerState, SavedMachine
from edge_lab.machines.console import ConsoleLog, Fatal, FatalLine, MachineDied
from edge_lab.machines.counter import host_tsc_khz
from edge_lab.machines.daemon import LibvirtDaemon
from edge_lab.machines.domain import domain_on_paper
from edge_lab.machines.guest import (
    GuestSpec,
    PortForward,
    Route,
    WireNic,
    cluster_hosts,
    wire_nics,
)
from edge_lab.machines.keys import LabKeys
from edge_lab.machines.machine import LibvirtMachine
from edge_lab.machines.seed import build_seed, guest_seed
from edge_lab.machines.ssh import CommandResult, Unreachable, write_ssh_config

__all__ = [
    "Accelerator",
    "BootRecord",
    "ClockOffset",
    "CommandResult",
    "ConsoleLog",
    "Fatal",
    "FatalLine",
    "GuestSpec",
    "LabKeys",
    "LibvirtDaemon",
    "LibvirtMachine",
    "Machine",
    "MachineDied",
    "PortForward",
    "PowerState",
    "Route",
    "SavedMachine",
    "Unreachable",
    "WireNic",
    "build_seed",
    "cluster_hosts",
    "domain_on_paper",
    "guest_seed",
    "host_arch",
    "host_tsc_khz",
    "probe_accelerator",
    "wire_nics",
    "write_ssh_config",
]
