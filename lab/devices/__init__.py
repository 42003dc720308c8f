"""Simulated industrial devices, each a process with a wire, a plant and its ground truth."""

from lab.devices.client import DeviceClient, restore_device, start_device
from lab.devices.control import DeviceSnapshot, DeviceStatus
from lab.devices.faults import DeviceFault
from lab.devices.spec import DeviceSpec, OpcUaFiles, device_spec
from lab.devices.truth import (
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
    "OpcUaFiles",
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
