"""A device with a serial line at a pseudo-terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edge_lab.topology import Parity, Protocol, SerialOptions
from tests.devices.plant_site import Site, boiler_spec, require_namespaces, start_site

LINE = SerialOptions(baud=115_200, parity=Parity.NONE)


@contextlib.contextmanager
def serial_site(folder: Path, line: SerialOptions = LINE) -> Iterator[Site]:
    require_namespaces()
    spec = boiler_spec(folder, protocol=Protocol.MODBUS_SERIAL)
    site = start_site(spec.model_copy(update={"serial": line}))
    try:
        yield site
    finally:
        site.process.kill()
        site.process.wait()


def port_of(site: Site) -> str:
    """The device file at which its line is reached."""
    return str(Path(site.client.serial_status().port).resolve())
