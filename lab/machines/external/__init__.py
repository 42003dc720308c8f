"""Machines that the lab does not boot: it examines, provisions and gives them back over SSH."""

from edge_lab.machines.external.examination import Lack, lacks_of
from edge_lab.machines.external.hardware import check_drivers, find_library
from edge_lab.machines.external.hosts import ssh_host
from edge_lab.machines.external.machine import ExternalMachine, GivenBack

__all__ = [
    "ExternalMachine",
    "GivenBack",
    "Lack",
    "check_drivers",
    "find_library",
    "lacks_of",
    "ssh_host",
]
