"""The event loop: waits for frames, for the next due time and for the control socket."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from edge_lab.core.priority import come_first
from edge_lab.fabric.config import FabricConfig
from edge_lab.fabric.control import Connection, listen
from edge_lab.fabric.forwarder import Forwarder
from edge_lab.fabric.packetwire import PacketWire
from edge_lab.fabric.wire import Outbox, UdpWire, can_segment

NICENESS = -10
"""The nice value of the fabric where it is permitted, that is, for root. Emulated machines use
all processors; they must not delay the links."""

_TFD_ABSTIME = 1
_NS_PER_S = 1_000_000_000

_libc = ctypes.CDLL(None, use_errno=True)


class Timer:
    """A timer descriptor that becomes readable at a monotonic time (timerfd_create(2))."""

    def __init__(self) -> None:
        self.descriptor: int = _libc.timerfd_create(
            time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC
        )
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._set_for: int | None = None

    def set(self, due: int | None) -> None:
        """Sets the expiry to `due` (ns); at once if that is past, never if None."""
        if due == self._set_for:
            return
        self._set_for = due
        # All zero disarms the timer, so a due time of zero is set as one nanosecond.
        seconds, nanoseconds = divmod(max(due, 1), _NS_PER_S) if due is not None else (0, 0)
        value = struct.pack("4q", 0, 0, seconds, nanoseconds)
        _libc.timerfd_settime(self.descriptor, _TFD_ABSTIME, value, None)

    def went_off(self) -> None:
        """Makes it unreadable again."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.descriptor, 8)

    def close(self) -> None:
        os.close(self.descriptor)


class Loop:
    """One fabric process: everything runs in this one thread."""

    def __init__(self, config: FabricConfig, control: Path) -> None:
        """Binds all ports and the control socket; LabError if one of them is not available."""
        datagrams, frames = Outbox(segmentation=can_segment()), Outbox(segmentation=False)
        with contextlib.ExitStack() as undo:
            wires: dict[str, UdpWire | PacketWire] = {}
            for link in config.links:
                wire = (
                    PacketWire(link.interface, frames)
                    if link.interface
                    else UdpWire(link, datagrams)
                )
                wires[link.name] = wire
                undo.callback(wire.close)
            self._server = listen(control)
            undo.callback(self._server.close)
            undo.callback(control.unlink, missing_ok=True)
            self._undo = undo.pop_all()
        self.forwarder = Forwarder(config, wires)
        self._timer = Timer()
        self._undo.callback(self._timer.close)
        self._epoll = select.epoll()
        self._undo.callback(self._epoll.close)
        self._undo.callback(self.forwarder.close)
        self._receivers = {
            wires[link.name].fileno(): index for index, link in enumerate(config.links)
        }
        self._others: dict[int, Callable[[], object]] = {
            self._server.fileno(): self._accept,
            self._timer.descriptor: self._timer.went_off,
        }
        for descriptor in (*self._receivers, *self._others):
            self._epoll.register(descriptor, select.EPOLLIN)
        self._running = True

    def run(self) -> None:
        """Forwards until SIGTERM or SIGINT, then closes captures and removes the socket."""
        with self._undo:
            self._heed_signals()
            come_first(NICENESS)
            gc.freeze()
            self._forward()

    def _forward(self) -> None:
        poll, receivers, others = self._epoll.poll, self._receivers, self._others
        forwarder, timer = self.forwarder, self._timer
        receive, clock = forwarder.receive, time.monotonic_ns
        while self._running:
            due = forwarder.next_due
            if due is None:
                events = poll()
            elif due <= clock():
                forwarder.run_due(clock())
                events = poll(0)
            else:
                timer.set(due)
                events = poll()
            now = clock()
            for descriptor, _ in events:
                index = receivers.get(descriptor)
                if index is not None:
                    receive(index, now)
                elif descriptor in others:  # else closed by what came before it
                    others[descriptor]()

    def _heed_signals(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
            self._undo.callback(end.close)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self._undo.callback(signal.set_wakeup_fd, -1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._others[reader.fileno()] = partial(reader.recv, 64)
        self._epoll.register(reader.fileno(), select.EPOLLIN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._running = False

    # -- control ---------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            peer, _ = self._server.accept()
        except OSError:  # closed again already, or no descriptor left: the client will retry
            return
        peer.setblocking(False)
        connection = Connection(peer, self.forwarder, self._attend)
        self._others[peer.fileno()] = partial(self._serve, connection)
        self._epoll.register(peer.fileno(), select.EPOLLIN)

    def _serve(self, connection: Connection) -> None:
        connection.serve()
        self._attend(connection)

    def _attend(self, connection: Connection) -> None:
        """Registers the events that the connection needs; closes it when it is done."""
        descriptor = connection.peer.fileno()
        if descriptor not in self._others:  # closed meanwhile
            return
        if not connection.over:
            self._epoll.modify(descriptor, connection.interest)
            return
        self._epoll.unregister(descriptor)
        del self._others[descriptor]
        connection.close()
