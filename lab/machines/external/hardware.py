"""Drivers that switch the power and read the console of external nodes.

Libraries of drivers are found by name in the group `edge_lab.hardware` of entry points; edge-lab
provides `labgrid`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from edge_lab.core.errors import InputError
from edge_lab.core.plugins import PluginGroup
from edge_lab.topology import HardwareDriver, Topology, TopologyProblem


class Purpose(StrEnum):
    """The purpose of a driver, which is also the field of `external` that names it."""

    POWER = "power"
    CONSOLE = "console"


class PowerSwitch(Protocol):
    """Raises LabError if the hardware does not react."""

    def on(self) -> None: ...

    def off(self) -> None: ...

    def cycle(self) -> None:
        """Off, and on again."""
        ...

    def is_on(self) -> bool | None:
        """None if the driver cannot determine it."""
        ...


class ConsoleReader(Protocol):
    """An open console. Raises LabError if the connection is lost."""

    def read(self, seconds: float) -> bytes:
        """The received data; empty after about `seconds` without data."""
        ...

    def close(self) -> None:
        """No error if the connection is lost."""
        ...


@runtime_checkable
class HardwareLibrary(Protocol):
    """A library of drivers. Its module must import quickly; import large modules when used."""

    @property
    def name(self) -> str:
        """The name of the entry point."""
        ...

    def check(self, purpose: Purpose, driver: HardwareDriver) -> None:
        """Checks a driver without accessing hardware.

        Raises:
            InputError: the driver does not exist, is not for that purpose, has other arguments, or
                the library is not installed.
        """
        ...

    def power(self, node: str, driver: HardwareDriver) -> PowerSwitch: ...

    def console(self, node: str, driver: HardwareDriver) -> ConsoleReader:
        """Opens it.

        Raises:
            LabError: it cannot be opened now.
        """
        ...


def _own() -> Mapping[str, Callable[[], HardwareLibrary]]:
    from edge_lab.machines.external.labgrid import Labgrid

    return {Labgrid.name: Labgrid}


def _fits(loaded: Any, name: str) -> bool:
    return isinstance(loaded, HardwareLibrary) and loaded.name == name


LIBRARIES: PluginGroup[HardwareLibrary] = PluginGroup(
    group="edge_lab.hardware", what="library of hardware drivers", own=_own, fits=_fits
)


def find_library(name: str) -> HardwareLibrary:
    """The library of that name.

    Raises:
        InputError: there is none, or its distribution cannot be imported.
    """
    return LIBRARIES.find(name)


def check_drivers(topology: Topology) -> None:
    """Raises TopologyProblem for the first driver of an external node that is not available."""
    for index, node in enumerate(topology.nodes):
        for field, driver in (node.external.drivers if node.external else {}).items():
            try:
                find_library(driver.library).check(Purpose(field), driver)
            except InputError as trouble:
                raise TopologyProblem(
                    f"the {field} of {node.name}: {trouble.message}",
                    ("nodes", index, "external", field),
                    trouble.remedy,
                ) from trouble
