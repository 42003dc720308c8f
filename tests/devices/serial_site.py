"""A device with a serial line at a pseudo-terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices import start_device
from edge_lab.topology import Parity, Protocol, SerialOptions
from tests.devices.plant_site import Site, boiler_spec

PATIENCE = 180.0
"""s in which a device must have begun, on a busy machine."""
LINE = SerialOptions(baud=115_200, parity=Parity.NONE)


@contextlib.contextmanager
def serial_site(folder: Path, line: SerialOptions = LINE) -> Iterator[Site]:
    if not Path("/dev/net/tun").exists():
        pytest.skip("no taps here: /dev/net/tun is missing")
    spec = boiler_spec(folder, protocol=Protocol.MODBUS_SERIAL).model_copy(update={"serial": line})
    log = folder / "boiler.log"
    site = Site(spec, log, start_device(spec, run=spec.folder, log=log))

    def alive() -> None:
        assert site.process.poll() is None, log.read_text()

    try:
        site.client.wait_ready(Deadline.after(PATIENCE), watch=alive)
        yield site
    finally:
        site.process.kill()
        site.process.wait()


def port_of(site: Site) -> str:
    """The device file at which its line is reached."""
    return str(Path(site.client.serial_status().port).resolve())
