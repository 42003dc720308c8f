"""The libvirt domain of one machine: power, NICs and disks, saved memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import libvirt

from edge_lab.core.errors import LabError
from edge_lab.machines.api import PowerState
from edge_lab.machines.daemon import LibvirtDaemon
from edge_lab.machines.domain import wire_xml
from edge_lab.machines.guest import WireNic

_T = TypeVar("_T")


class LibvirtDomain:
    """One domain, by its UUID.

    It is looked up for each call, since a domain of the lab disappears when it is switched off.
    """

    def __init__(self, name: str, uuid: UUID, daemon: LibvirtDaemon, console: Path) -> None:
        self.name = name
        self._uuid = uuid
        self._daemon = daemon
        self._console = console

    # -- Power ---------------------------------------------------------------------------

    def create(self, xml: str) -> None:
        """Starts it as described by `xml`."""
        _called(f"cannot start {self.name}", self._daemon.connection.createXML, xml, 0)

    def destroy(self) -> bool:
        """Cuts its power; False if it was off."""
        domain = self._found_or_none()
        if domain is None:
            return False
        with contextlib.suppress(libvirt.libvirtError):
            domain.destroy()
        return True

    def reset(self) -> None:
        """Presses the reset button."""
        _called(f"cannot reset {self.name}", self._found.reset, 0)

    def suspend(self) -> None:
        """Stops its CPUs."""
        _called(f"cannot pause {self.name}", self._found.suspend)

    def resume(self) -> None:
        """Resumes its CPUs."""
        _called(f"cannot resume {self.name}", self._found.resume)

    @property
    def is_on(self) -> bool:
        """Whether it is running or paused."""
        domain = self._found_or_none()
        return domain is not None and bool(_unless_gone(domain.isActive, False))

    @property
    def state(self) -> PowerState:
        domain = self._found_or_none()
        if domain is None:
            return "off"
        number = _unless_gone(domain.state, (libvirt.VIR_DOMAIN_SHUTOFF,))[0]
        known: dict[int, PowerState] = {
            libvirt.VIR_DOMAIN_RUNNING: "running",
            libvirt.VIR_DOMAIN_BLOCKED: "running",
            libvirt.VIR_DOMAIN_PAUSED: "paused",
            libvirt.VIR_DOMAIN_CRASHED: "crashed",
        }
        return known.get(number, "off")

    # -- NICs and disks of a running domain ----------------------------------------------

    def set_carrier(self, nic: WireNic, index: int, up: bool) -> None:
        """Plugs the cable of its NIC number `index` in or out."""
        _called(
            f"cannot switch the carrier of {nic.name} on {self.name}",
            self._found.updateDeviceFlags,
            wire_xml(nic, index, carrier=up),
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
        )

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        """Limits a disk to `iops` operations per second, or removes the limit."""
        _called(
            f"cannot set the I/O limit of {disk} on {self.name}",
            self._found.setBlockIoTune,
            disk,
            {"total_iops_sec": iops or 0},
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
        )

    # -- Memory of a running domain ------------------------------------------------------

    def set_memory(self, mib: int) -> None:
        """Asks the guest to give back, or to take again, memory until it has so much."""
        _called(
            f"cannot set the memory of {self.name}",
            self._found.setMemoryFlags,
            mib * 1024,
            libvirt.VIR_DOMAIN_AFFECT_LIVE,
        )

    def memory_mib(self) -> float:
        """MiB that it has now: its memory without what its balloon holds."""
        known = _called(f"cannot read the memory of {self.name}", self._found.memoryStats)
        if "actual" not in known:
            raise LabError(f"libvirt does not say how much memory {self.name} has: {known}")
        return int(known["actual"]) / 1024

    # -- Saved memory --------------------------------------------------------------------

    def save(self, memory: Path) -> None:
        """Saves memory and device state to a file, and switches it off."""
        # It may be paused already, when a whole lab is saved; the file does not record that.
        flags = libvirt.VIR_DOMAIN_SAVE_PAUSED
        _called(f"cannot save {self.name}", self._found.saveFlags, str(memory), None, flags)

    def restore(self, memory: Path, xml: str) -> None:
        """Restores it from a saved file as described by `xml`; its CPUs stay paused."""
        _called(
            f"cannot restore {self.name}",
            self._daemon.connection.restoreFlags,
            str(memory),
            xml,
            libvirt.VIR_DOMAIN_SAVE_PAUSED,
        )

    # -- Lookup --------------------------------------------------------------------------

    @property
    def _found(self) -> Any:
        domain = self._found_or_none()
        if domain is None:
            raise LabError(f"{self.name} is switched off", remedy=f"Console: {self._console}")
        return domain

    def _found_or_none(self) -> Any:
        try:
            return self._daemon.connection.lookupByUUIDString(str(self._uuid))
        except libvirt.libvirtError as trouble:
            if trouble.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise LabError(f"libvirt: {trouble}") from trouble


def _unless_gone(look: Callable[[], _T], gone: _T) -> _T:
    """The result of `look` for a domain; `gone` if it has ended since the lookup."""
    try:
        return look()
    except libvirt.libvirtError as cause:
        if cause.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return gone
        raise LabError(f"libvirt: {cause}") from cause


def _called(trouble: str, call: Callable[..., _T], *args: Any) -> _T:
    """The result of `call`; a LabError that begins with `trouble` if libvirt fails."""
    try:
        return call(*args)
    except libvirt.libvirtError as cause:
        raise LabError(f"{trouble}: {cause}") from cause
