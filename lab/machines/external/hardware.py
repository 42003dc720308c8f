"""Drivers that switch the power and read the console of an external node.

They belong to a library, an entry point of the group `edge_lab.hardware`; edge-lab itself has
`labgrid`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from edge_lab.core.errors import InputError
from edge_lab.core.plugins import PluginGroup
from edge_lab.topology import HardwareDriver, Topology, TopologyProblem


class Purpose(StrEnum):
    """The purpose of a driver: the field of `external` that names it."""

    POWER = "power"
    CONSOLE = "console"


class PowerSwitch(Protocol):
    """All methods raise LabError if the hardware does not respond as expected."""

    def on(self) -> None: ...

    def off(self) -> None: ...

    def cycle(self) -> None:
        """Off, and on again."""
        ...

    def is_on(self) -> bool | None:
        """None if the driver cannot tell."""
        ...


class ConsoleReader(Protocol):
    """An open console."""

    def read(self, seconds: float) -> bytes:
        """Output received within about `seconds`; empty if there was none.

        Raises:
            LabError: the connection is lost.
        """
        ...

    def close(self) -> None:
        """Succeeds even if the connection is lost."""
        ...


@runtime_checkable
class HardwareLibrary(Protocol):
    """A set of drivers. Its module imports heavy dependencies only when a driver is used."""

    @property
    def name(self) -> str:
        """The name of the entry point."""
        ...

    def check(self, purpose: Purpose, driver: HardwareDriver) -> None:
        """Checks the driver without accessing hardware.

        Raises:
            InputError: the driver does not exist, has another purpose or other arguments, or the
                library is not installed.
        """
        ...

    def power(self, node: str, driver: HardwareDriver) -> PowerSwitch: ...

    def console(self, node: str, driver: HardwareDriver) -> ConsoleReader:
        """Opens the console.

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
        InputError: it does not exist, or its distribution cannot be imported.
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
