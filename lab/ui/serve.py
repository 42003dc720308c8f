"""Serves the page of a lab until it is interrupted."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from collections.abc import Callable

import uvicorn

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.live.lab import END_SECONDS, LiveLab
from edge_lab.ui.app import make_app

LOOPBACK = "127.0.0.1"
LINGER_S = 1
"""Seconds for connections that are open when the page ends."""


class _Server(uvicorn.Server):
    """Signals when it is ready, and whether it must end."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def bound(address: str, port: int, *, read_only: bool) -> socket.socket:
    """A listening socket.

    Raises:
        InputError: the address is not one of this host's, or in use; or others could reach a
            page that injects faults.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise InputError(
            f"{address!r} is not an IP address", remedy="Give --bind an address of this host."
        ) from None
    if ip.is_unspecified:
        raise InputError(
            f"{address} means all addresses, but the page has only one",
            remedy="Give --bind the address by which the page is to be reached.",
        )
    if not ip.is_loopback and not read_only:
        raise InputError(
            f"whoever reaches {address} could inject faults",
            remedy="Add --read-only, or leave out --bind and forward the port: "
            "ssh -L PORT:127.0.0.1:PORT HOST.",
        )
    kind = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    listener = socket.socket(kind, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError as trouble:
        listener.close()
        raise InputError(
            f"cannot listen on {address} port {port}: {trouble.strerror}",
            remedy="Give another --port, or 0 for any.",
        ) from trouble
    return listener


def hosts_of(listener: socket.socket) -> tuple[str, ...]:
    """The page's addresses in a browser, the one to be shown first."""
    address, port = listener.getsockname()[:2]
    ip = ipaddress.ip_address(address)
    named = f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"
    return (named, f"localhost:{port}") if ip.is_loopback else (named,)


def serve(
    live: LiveLab,
    listener: socket.socket,
    told: Callable[[str], None],
    *,
    waits: Callable[[int], None] = lambda running: None,
    token: str = "",
) -> None:
    """Serves until Ctrl-C or SIGTERM; calls `told` with the address when it is ready.

    Finishes running actions before it returns, after calling `waits` with their number.
    """
    token = token or secrets.token_urlsafe(32)
    hosts = hosts_of(listener)
    # The part after # stays in the browser: it is in no request, log or Referer.
    address = f"http://{hosts[0]}/#token={token}"
    server: _Server

    app = make_app(live, hosts=frozenset(hosts), token=token, is_over=lambda: server.should_exit)
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=LINGER_S,
    )
    server = _Server(config, lambda: told(address))
    with listener, live:
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn raises the signal again when it has ended
            pass
        finally:
            if running := live.actions.running:
                waits(running)
            live.finish(Deadline.scaled(END_SECONDS))
