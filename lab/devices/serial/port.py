"""The port of a serial line: a serial port of the host, or a pseudo-terminal."""

from __future__ import annotations

import contextlib
import os
import select
import tty
from pathlib import Path
from typing import Any, Protocol

from edge_lab.core.errors import LabError
from edge_lab.devices.serial.faults import NUL
from edge_lab.topology import Parity, SerialOptions
from edge_lab.topology.device import PSEUDO_TERMINAL

LINK = "tty"
"""The name of the link to a pseudo-terminal, in the device's folder."""
PYSERIAL_REMEDY = "pip install 'edge-lab[hardware]' (in a checkout: pip install '.[hardware]')"


class Port(Protocol):
    name: str
    """The device file by which clients reach the line."""
    is_paced: bool
    """Whether the hardware determines the duration of characters."""

    def fileno(self) -> int: ...

    def is_gone(self) -> bool:
        """Whether the port has been removed, so that it never returns data again."""
        ...

    def hold(self, broken: bool) -> None:
        """Starts or ends a break (the line is held at 0); OSError if the port cannot."""
        ...

    def close(self) -> None: ...


def open_port(line: SerialOptions, folder: Path) -> Port:
    """The port of a line; a pseudo-terminal gets a link in `folder`.

    Raises:
        LabError: the port cannot be opened, or pyserial is not installed.
    """
    if line.port == PSEUDO_TERMINAL:
        return PseudoTerminal(folder / LINK)
    return RealPort(line)


class PseudoTerminal:
    """Both ends are kept open, so that clients may come and go."""

    is_paced = False

    def __init__(self, link: Path) -> None:
        self._ours, self._theirs = os.openpty()
        os.set_blocking(self._ours, False)
        tty.setraw(self._theirs)
        self.name = str(link)
        self._link = link
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._theirs))

    def fileno(self) -> int:
        return self._ours

    def is_gone(self) -> bool:
        return False

    def hold(self, broken: bool) -> None:
        if broken:  # what a receiver reads at the beginning of a break
            with contextlib.suppress(BlockingIOError):  # without a reader, it is lost
                os.write(self._ours, bytes([NUL]))

    def close(self) -> None:
        self._link.unlink(missing_ok=True)
        os.close(self._ours)
        os.close(self._theirs)


class RealPort:
    """A serial port of the host, with pyserial."""

    is_paced = True

    def __init__(self, line: SerialOptions) -> None:
        try:
            import serial
        except ImportError as trouble:
            raise LabError(
                f"the port {line.port} needs pyserial, which is not installed",
                remedy=PYSERIAL_REMEDY,
            ) from trouble
        parities = {
            Parity.EVEN: serial.PARITY_EVEN,
            Parity.ODD: serial.PARITY_ODD,
            Parity.NONE: serial.PARITY_NONE,
        }
        self.name = line.port
        try:
            self._port: Any = serial.Serial(
                line.port,
                baudrate=line.baud,
                parity=parities[line.parity],
                stopbits=line.stop_bits,
                timeout=0,
                exclusive=True,
            )
        except (serial.SerialException, ValueError) as trouble:
            raise LabError(
                f"cannot open the serial port {line.port}: {trouble}",
                remedy="Another program may have it; as a user, be a member of its group: "
                "sudo usermod -aG dialout $USER",
            ) from trouble
        os.set_blocking(self.fileno(), False)

    def fileno(self) -> int:
        return int(self._port.fileno())

    def is_gone(self) -> bool:
        looking = select.poll()
        looking.register(self.fileno(), 0)
        return bool(looking.poll(0))  # without requested events: an error or hang-up

    def hold(self, broken: bool) -> None:
        self._port.break_condition = broken

    def close(self) -> None:
        self._port.close()
