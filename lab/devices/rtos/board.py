"""The emulated board (QEMU's mps2-an385): configuration of its firmware, and command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

EMULATOR = "qemu-system-arm"
MACHINE = "mps2-an385"

CONFIGURATION = 0x21000000
"""The address of `struct configuration` (images/firmware/rtos/src/board.h)."""
_MAGIC = 0x45444745
_STATES = 5


@dataclass(frozen=True)
class Configuration:
    """The configuration in the firmware's memory at power-on."""

    address: IPv4Interface
    period_ms: int
    seed: int
    connections: int
    watchdog_ms: int
    boots: int = 0
    """Starts so far."""
    sequence: int = 0
    """The number of the last step."""
    state: Sequence[int] = (0,) * _STATES
    """The plant's state after that step; ignored if there was none."""

    @property
    def words(self) -> tuple[int, ...]:
        """32-bit words in the order of the structure."""
        numbers = (
            *(_MAGIC, int(self.address.ip), self.address.network.prefixlen),
            *(self.period_ms, self.seed, self.connections, self.watchdog_ms),
            *(self.boots, self.sequence, *self.state),
        )
        return tuple(number & 0xFFFFFFFF for number in numbers)


def command_line(
    firmware: Path,
    configuration: Configuration,
    *,
    mac: str,
    nic: int,
    monitor: int,
    memory: Path | None = None,
) -> list[str]:
    """Starts the board with its serial port as standard input and output.

    `nic` is the descriptor of a datagram socket, with a frame per datagram, `monitor` that of a
    stream socket; with `memory` it continues from that file.
    """
    words = enumerate(configuration.words)
    return [
        # QEMU always ends together with the process that started it.
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *(EMULATOR, "-M", MACHINE, "-nodefaults", "-no-user-config", "-display", "none"),
        *("-kernel", str(firmware)),
        *(
            word
            for number, value in words
            for word in (
                "-device",
                f"loader,addr={CONFIGURATION + 4 * number:#x},data={value:#x},data-len=4",
            )
        ),
        *("-nic", f"socket,fd={nic},mac={mac}"),
        *("-chardev", "stdio,id=uart,signal=off", "-serial", "chardev:uart"),
        *("-chardev", f"socket,id=qmp,fd={monitor}", "-mon", "chardev=qmp,mode=control"),
        *(("-incoming", read_from(memory)) if memory is not None else ()),
    ]


def read_from(file: Path) -> str:
    """The address of a migration from a file."""
    return f"exec:cat {shlex.quote(str(file))}"


def write_to(file: Path) -> str:
    """The address of a migration into a file."""
    return f"exec:cat >{shlex.quote(str(file))}"
