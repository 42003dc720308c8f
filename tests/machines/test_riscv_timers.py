"""Winding up the timers of a restored riscv64 guest, against a debugger port that is played."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_lab.core.errors import LabError
from edge_lab.machines.riscv_timers import packet, rearm_timers

TIMERS = {"2004000": "00e1f50500000000", "2004008": "ffffffffffffffff"}


class Port:
    """Plays QEMU's debugger port. `writes` are the memory writes that it was asked for."""

    def __init__(self, refuse: str = "", silent: bool = False) -> None:
        self.writes: list[tuple[str, str]] = []
        self.physical: list[str] = []
        self.refuse = refuse
        self.silent = silent

    def answer(self, body: str) -> str:
        if self.refuse and body.startswith(self.refuse):
            return "E14"
        if body.startswith("Qqemu.PhyMemMode:"):
            self.physical.append(body[-1])
            return "OK"
        where, _, value = body[1:].partition(":")
        address = where.partition(",")[0]
        if body[0] == "m":
            return TIMERS[address]
        self.writes.append((address, value))
        return "OK"

    def serve(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            received = b""
            while more := connection.recv(64):
                received = (received + more).lstrip(b"+")
                while b"#" in received and len(received) >= received.index(b"#") + 3:
                    end = received.index(b"#")
                    body = received[1:end].decode()
                    assert received[: end + 3] == packet(body)
                    received = received[end + 3 :].lstrip(b"+")
                    if self.silent:
                        return
                    reply = b"+" + packet(self.answer(body))
                    # In two pieces: a stream knows no packets.
                    connection.sendall(reply[:3])
                    connection.sendall(reply[3:])


@contextmanager
def listening(port: Port, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("g") / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = threading.Thread(target=port.serve, args=(listener,))
        server.start()
        yield path
        server.join(5)


def test_each_timer_is_written_back_as_it_was(tmp_path_factory: pytest.TempPathFactory) -> None:
    port = Port()
    with listening(port, tmp_path_factory) as path:
        rearm_timers(path, 2)
    assert port.writes == list(TIMERS.items())
    assert port.physical == ["1", "0"]


def test_a_port_that_refuses_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        listening(Port(refuse="M"), tmp_path_factory) as path,
        pytest.raises(LabError, match="rejected the request: 'E14'"),
    ):
        rearm_timers(path, 2)


def test_memory_that_cannot_be_read_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        listening(Port(refuse="m"), tmp_path_factory) as path,
        pytest.raises(LabError, match="no timer of hart 0"),
    ):
        rearm_timers(path, 2)


def test_a_port_that_hangs_up_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        listening(Port(silent=True), tmp_path_factory) as path,
        pytest.raises(LabError, match="debugger port"),
    ):
        rearm_timers(path, 2)


def test_a_port_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="does not answer"):
        rearm_timers(tmp_path / "none", 2)


def test_a_packet_carries_its_checksum() -> None:
    assert packet("OK") == b"$OK#9a"
