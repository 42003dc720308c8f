"""SSH banners of servers that are slow, silent, gone, or not yet started."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from edge_lab.machines import sshbanner
from edge_lab.machines.sshbanner import SshBanner

slow = pytest.mark.slow(reason="an echo is lost in real seconds")

SHORT = 0.02
LONG = 60.0
"""Seconds for what comes."""


@dataclass
class Clock:
    """Of whoever waits: a busy host may let two seconds pass, after which it would ask again."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(sshbanner, "time", found)
    return found


@pytest.fixture(autouse=True)
def _connections_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the host is: SHORT is for what is said on them."""
    genuine = socket.create_connection

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        return genuine(address, LONG)

    monkeypatch.setattr(sshbanner, "socket", SimpleNamespace(create_connection=connect))


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(LONG)
        yield listening


@pytest.fixture
def asked(server: socket.socket) -> SshBanner:
    return SshBanner(server.getsockname()[1])


def greet(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-x\r\n")


def test_a_closed_port_sends_no_banner() -> None:
    # Port 9 (discard) of loopback is closed on any sane host.
    assert not SshBanner(9).comes(LONG)


def test_a_slow_server_is_asked_once_and_may_send_its_banner_later(
    server: socket.socket, asked: SshBanner
) -> None:
    assert not any(asked.comes(SHORT) for _ in range(10))
    connection, _ = server.accept()
    with connection:
        greet(connection)
        assert asked.comes(LONG)
    server.settimeout(SHORT)
    with pytest.raises(TimeoutError):
        server.accept()  # there was no second


@slow
def test_what_was_lost_on_its_way_is_asked_again_ever_more_seldom(
    server: socket.socket, asked: SshBanner, clock: Clock
) -> None:
    times = []
    taken = []
    server.settimeout(SHORT)
    for _ in range(32):
        assert not asked.comes(SHORT)
        try:
            taken.append(server.accept()[0])
            times.append(clock.now - 1000)
        except TimeoutError:
            pass
        clock.now += 1
    assert times == [0, 2, 6, 14, 30]
    greet(taken[3])
    assert asked.comes(LONG)
    for each in taken:
        each.close()


def test_who_hangs_up_sends_no_banner_and_is_asked_again_at_once(
    server: socket.socket, asked: SshBanner
) -> None:
    for _ in range(3):
        assert not asked.comes(SHORT)
        server.accept()[0].close()
        assert not asked.comes(LONG)


@pytest.mark.parametrize("said", [b"HTTP", b"S"])
def test_another_protocol_is_no_banner(
    server: socket.socket, asked: SshBanner, said: bytes
) -> None:
    assert not asked.comes(SHORT)
    connection, _ = server.accept()
    with connection:
        connection.sendall(said)
        assert not asked.comes(LONG)


def test_after_a_banner_nothing_waits_any_more(server: socket.socket, asked: SshBanner) -> None:
    for _ in range(2):
        assert not asked.comes(SHORT)
        connection, _ = server.accept()
        with connection:
            greet(connection)
            assert asked.comes(LONG)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_a_guest_that_is_no_more_is_forgotten(server: socket.socket, asked: SshBanner) -> None:
    assert not asked.comes(SHORT)
    old, _ = server.accept()
    asked.forget()
    with old:
        assert old.recv(1) == b""
    assert not asked.comes(SHORT)
    new, _ = server.accept()
    with new:
        greet(new)
        assert asked.comes(LONG)
