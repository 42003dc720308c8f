"""SSH banners of servers that are slow, silent, gone, or not yet started."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from edge_lab.machines.sshbanner import SshBanner

slow = pytest.mark.slow(reason="an echo is lost in real seconds")

SHORT = 0.02


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        yield listening


@pytest.fixture
def asked(server: socket.socket) -> SshBanner:
    return SshBanner(server.getsockname()[1])


def greet(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-x\r\n")


def test_a_closed_port_sends_no_banner() -> None:
    # Port 9 (discard) of loopback is closed on any sane host.
    assert not SshBanner(9).comes(5)


def test_a_slow_server_is_asked_once_and_may_send_its_banner_later(
    server: socket.socket, asked: SshBanner
) -> None:
    assert not any(asked.comes(SHORT) for _ in range(10))
    connection, _ = server.accept()
    with connection:
        greet(connection)
        assert asked.comes(5)
    server.settimeout(SHORT)
    with pytest.raises(TimeoutError):
        server.accept()  # there was no second


@slow
def test_what_was_lost_on_its_way_is_asked_again_ever_more_seldom(
    server: socket.socket, asked: SshBanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("edge_lab.machines.sshbanner.time.monotonic", lambda: now)
    times = []
    taken = []
    server.settimeout(SHORT)
    for _ in range(32):
        assert not asked.comes(SHORT)
        try:
            taken.append(server.accept()[0])
            times.append(now - 1000)
        except TimeoutError:
            pass
        now += 1
    assert times == [0, 2, 6, 14, 30]
    greet(taken[3])
    assert asked.comes(5)
    for each in taken:
        each.close()


def test_who_hangs_up_sends_no_banner_and_is_asked_again_at_once(
    server: socket.socket, asked: SshBanner
) -> None:
    for _ in range(3):
        assert not asked.comes(SHORT)
        server.accept()[0].close()
        assert not asked.comes(5)


@pytest.mark.parametrize("said", [b"HTTP", b"S"])
def test_another_protocol_is_no_banner(
    server: socket.socket, asked: SshBanner, said: bytes
) -> None:
    assert not asked.comes(SHORT)
    connection, _ = server.accept()
    with connection:
        connection.sendall(said)
        assert not asked.comes(5)


def test_after_a_banner_nothing_waits_any_more(server: socket.socket, asked: SshBanner) -> None:
    for _ in range(2):
        assert not asked.comes(SHORT)
        connection, _ = server.accept()
        with connection:
            greet(connection)
            assert asked.comes(5)
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
        assert asked.comes(5)
