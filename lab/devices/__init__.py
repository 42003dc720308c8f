"""Simulated industrial devices, each a process with a link, a plant model and a ground truth."""

from edge_lab.devices.client import DeviceClient, restore_device, start_device
from edge_lab.devices.control import DeviceSnapshot, DeviceStatus
from edge_lab.devices.faults import DeviceFault
from edge_lab.devices.spec import DeviceSpec, IdentityFiles, device_spec
from edge_lab.devices.truth import (
    TruthAlarm,
    TruthRecord,
    TruthSignals,
    TruthStep,
    TruthTick,
    TruthWrite,
    read_truth,
)

__all__ = [
    "DeviceClient",
    "DeviceFault",
    "DeviceSnapshot",
    "DeviceSpec",
    "DeviceStatus",
    "IdentityFiles",
    "TruthAlarm",
    "TruthRecord",
    "TruthSignals",
    "TruthStep",
    "TruthTick",
    "TruthWrite",
    "device_spec",
    "read_truth",
    "restore_device",
    "start_device",
]
