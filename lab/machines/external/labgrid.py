"""labgrid's drivers: https://labgrid.readthedocs.io/en/latest/configuration.html.

labgrid's public factory creates each in a separate target, from the same names and arguments as in
its own configuration. labgrid is imported only when a driver is used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar

from edge_lab.core.errors import InputError, LabError
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.machines.external.hardware import Purpose
from edge_lab.topology import HardwareDriver
from edge_lab.topology.external import LABGRID

LABGRID_REMEDY = "Install it: pip install 'edge-lab[hardware]'"

_PROTOCOLS = {Purpose.POWER: "PowerProtocol", Purpose.CONSOLE: "ConsoleProtocol"}
_AT_ONCE = 4096
"""Bytes."""


class Labgrid:
    """See `HardwareLibrary`."""

    name: ClassVar[str] = LABGRID

    def check(self, purpose: Purpose, driver: HardwareDriver) -> None:
        factory, protocol = _labgrid(purpose)
        fitting = [name for name, cls in factory.drivers.items() if issubclass(cls, protocol)]
        if driver.driver not in fitting:
            what = (
                f"labgrid's {driver.driver} has another purpose"
                if driver.driver in factory.drivers
                else f"labgrid has no driver {driver.driver!r}"
            )
            raise InputError(
                what, remedy=f"{did_you_mean(driver.driver, fitting)}Available: {_list(fitting)}."
            )
        _check_arguments(driver.driver, factory.drivers[driver.driver], driver.arguments)
        for name, arguments in driver.resources.items():
            if name not in factory.resources:
                known = list(factory.resources)
                raise InputError(
                    f"labgrid has no resource {name!r}",
                    remedy=f"{did_you_mean(name, known)}Available: {_list(known)}.",
                )
            _check_arguments(name, factory.resources[name], arguments)
        _make(purpose.value, driver)

    def power(self, node: str, driver: HardwareDriver) -> LabgridPower:
        return LabgridPower(node, driver)

    def console(self, node: str, driver: HardwareDriver) -> LabgridConsole:
        return LabgridConsole(node, driver)


class LabgridPower:
    """A `PowerSwitch` that activates the driver for each call."""

    def __init__(self, node: str, driver: HardwareDriver) -> None:
        self._node = node
        self._spec = driver

    @contextlib.contextmanager
    def _driver(self) -> Iterator[Any]:
        with _as_lab_error(f"the power of {self._node}", self._spec):
            target, driver = _make(self._node, self._spec)
            target.activate(driver)
            try:
                yield driver
            finally:
                target.deactivate(driver)

    def on(self) -> None:
        with self._driver() as driver:
            driver.on()

    def off(self) -> None:
        with self._driver() as driver:
            driver.off()

    def cycle(self) -> None:
        with self._driver() as driver:
            driver.cycle()

    def is_on(self) -> bool | None:
        with self._driver() as driver:
            # Not part of labgrid's protocol: drivers that know the state have this method.
            return bool(driver.get()) if hasattr(driver, "get") else None


class LabgridConsole:
    """A `ConsoleReader`."""

    def __init__(self, node: str, driver: HardwareDriver) -> None:
        self._what = f"the console of {node}"
        self._spec = driver
        with _as_lab_error(self._what, driver):
            self._target, self._driver = _make(node, driver)
            self._target.activate(self._driver)
        # A read of one byte returns all received data; a read of more waits until that much has
        # arrived, and data would be lost if the connection ended meanwhile.
        self._size = 1 if hasattr(self._driver, "serial") else _AT_ONCE

    def read(self, seconds: float) -> bytes:
        from pexpect import TIMEOUT

        with _as_lab_error(self._what, self._spec):
            try:
                return bytes(self._driver.read(size=self._size, timeout=seconds) or b"")
            except TIMEOUT:
                return b""

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._target.deactivate(self._driver)


def _labgrid(purpose: Purpose) -> tuple[Any, type]:
    """labgrid's factory, and the protocol that drivers for that purpose implement.

    Raises:
        InputError: labgrid is not installed.
    """
    try:
        for module in ("labgrid.driver", "labgrid.resource"):
            import_module(module)  # registers its classes with the factory
        from labgrid import protocol
        from labgrid.factory import target_factory
    except ImportError as trouble:
        raise InputError(
            f"labgrid cannot be imported ({trouble})", remedy=LABGRID_REMEDY
        ) from trouble
    found: type = getattr(protocol, _PROTOCOLS[purpose])
    return target_factory, found


def _make(name: str, driver: HardwareDriver) -> tuple[Any, Any]:
    """A target with only this driver, and the driver, bound to its resources and not yet active.

    Raises:
        InputError: labgrid rejects the arguments, or a resource is missing.
    """
    factory, _ = _labgrid(Purpose.POWER)
    from labgrid.exceptions import (
        InvalidConfigError,
        NoDriverFoundError,
        NoResourceFoundError,
        NoSupplierFoundError,
    )

    given = driver.model_dump(mode="json")
    config = {
        "resources": given["resources"],
        "drivers": {driver.driver: given["arguments"]},
    }
    try:
        target = factory.make_target(name, config)
        return target, target.get_driver(driver.driver, activate=False)
    except (
        *(InvalidConfigError, NoDriverFoundError, NoResourceFoundError, NoSupplierFoundError),
        *(TypeError, ValueError, ImportError, AttributeError),
    ) as trouble:
        reason = trouble.__cause__ or trouble
        raise InputError(
            f"labgrid cannot create its {driver.driver}: {_first_line(reason)}",
            remedy="Set what labgrid's documentation lists for it, its resources under "
            "`resources:`.",
        ) from trouble


def _check_arguments(name: str, cls: Any, given: dict[str, Any]) -> None:
    import attr

    known = [
        field.name
        for field in attr.fields(cls)
        if field.init and field.name not in ("target", "name")
    ]
    for argument in given:
        if argument not in known:
            raise InputError(
                f"labgrid's {name} has no argument {argument!r}",
                remedy=f"{did_you_mean(argument, known)}It has: {_list(known)}.",
            )
    for field in attr.fields(cls):
        if field.name in known and field.default is attr.NOTHING and field.name not in given:
            raise InputError(
                f"labgrid's {name} needs the argument {field.name!r}",
                remedy=f"It has: {_list(known)}.",
            )


def _list(names: list[str]) -> str:
    return ", ".join(sorted(names)) or "none"


@contextlib.contextmanager
def _as_lab_error(what: str, driver: HardwareDriver) -> Iterator[None]:
    """Converts all errors, since drivers raise those of their tools and libraries."""
    try:
        yield
    except (LabError, InputError):
        raise
    except Exception as trouble:
        raise LabError(f"{what}: labgrid's {driver.driver}: {_told(trouble)}") from trouble


def _told(trouble: Exception) -> str:
    output = getattr(trouble, "output", None)
    said = output.decode(errors="replace").strip() if isinstance(output, bytes) else ""
    return f"{_first_line(trouble)}{f' ({_first_line(said)})' if said else ''}"


def _first_line(trouble: object) -> str:
    text = str(trouble).strip()
    return text.splitlines()[0] if text else type(trouble).__name__
