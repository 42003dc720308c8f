"""A device that is firmware, as a process on a wire, for tests that need the emulated board."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import pytest

from edge_lab.artifacts import ArtifactStore, Availability, CannotObtain, Want, host_arch
from edge_lab.core.deadline import Deadline
from edge_lab.devices import DeviceSpec
from edge_lab.devices.protocols.rtos import FIRMWARE
from edge_lab.devices.rtos.board import EMULATOR
from edge_lab.topology import Protocol
from tests.devices.plant_site import boiler_spec

WATCHDOG_MS = 4000


@functools.cache
def firmware() -> Path:
    """The firmware, built if it is not in the cache; skips where that is impossible."""
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"there is no {EMULATOR}; as root: apt-get install qemu-system-arm")
    store, want = ArtifactStore.default(), Want(FIRMWARE, host_arch())
    (state,) = store.state([want])
    if state.state is Availability.MISSING:
        pytest.skip(f"no firmware: {state.remedy}")
    try:
        return store.resolve([want], Deadline.after(300))[want].path
    except CannotObtain as trouble:
        if "failed to compile" in trouble.message or "failed to link" in trouble.message:
            raise
        pytest.skip(f"no firmware: {trouble.message}")


def rtos_spec(folder: Path, period_ms: int = 50, **options: Any) -> DeviceSpec:
    spec = boiler_spec(folder, period_ms, protocol=Protocol.MODBUS_RTOS)
    return spec.model_copy(
        update={
            "files": {FIRMWARE: firmware()},
            "options": {"watchdog_ms": WATCHDOG_MS, **options},
        }
    )
