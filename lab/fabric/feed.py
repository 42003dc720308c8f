"""The feed of one capture: frames on their way to the process that writes them.

The fabric never waits for a reader, a disk or a pipe.  A capture goes as pcapng over the control
connection that requested it; what the connection does not accept at once waits in a queue of
limited length, and what does not fit into the queue is dropped and counted.
"""

from __future__ import annotations

import itertools
import socket
import time
from collections import deque
from collections.abc import Callable

from edge_lab.fabric.pcapng import Statistics, header, statistics
from edge_lab.fabric.status import CaptureStatus

QUEUE_BYTES = 16 << 20
"""Maximum size of the queue, bytes, in addition to the socket's own buffer."""

SOCKET_BUFFER = 1 << 20
"""Requested size, bytes; without root the kernel limits it to wmem_max."""

_AT_ONCE = 64
"""Maximum number of batches of frames in one send."""


class CaptureFeed:
    """The fabric's end of one capture. `changed` is called when it begins or ends to wait."""

    def __init__(
        self, peer: socket.socket, link: str, to: str, changed: Callable[[], None]
    ) -> None:
        """`to` is the destination of the frames as described by the client."""
        self.link = link
        self.to = to
        self.frames = 0
        self.dropped = 0
        self.over = False
        self._peer = peer
        self._changed = changed
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._told = False
        """Whether the event loop has been notified that data is queued."""
        self._broken = False
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)

    def begin(self, answer: bytes) -> None:
        """Sends the answer to the request, followed by the header of the capture."""
        self._append(answer + header(self.link))

    @property
    def waits(self) -> bool:
        """Whether data is queued that the reader has not taken yet."""
        return bool(self._queue)

    @property
    def done(self) -> bool:
        """Whether no more data will be added."""
        return self._broken or (self.over and not self._queue)

    def status(self) -> CaptureStatus:
        return CaptureStatus(to=self.to, frames=self.frames, dropped=self.dropped)

    def put(self, frames: int, blocks: bytes) -> None:
        """Queues a number of frames, as pcapng; never blocks, never raises."""
        if self.over:
            return
        self.frames += frames
        if self._queued + len(blocks) > QUEUE_BYTES:
            self.dropped += frames
            return
        self._append(blocks)

    def finish(self) -> None:
        """Adds no more frames; the connection is closed when the queued ones have been sent."""
        if self.over:
            return
        self.over = True
        self._append(statistics(time.time_ns(), Statistics(self.frames, self.dropped)))

    def flush(self) -> None:
        """Sends as much as the reader accepts now."""
        try:
            while self._queue:
                self._send()
        except BlockingIOError:
            pass
        except OSError:  # the reader is gone
            self._broken = True
            self._queue.clear()
            self._queued = 0
        if self.done or self.waits != self._told:
            self._told = self.waits
            self._changed()

    def _append(self, data: bytes) -> None:
        if self._broken:
            return
        self._queue.append(memoryview(data))
        self._queued += len(data)
        if len(self._queue) == 1:
            self.flush()

    def _send(self) -> None:
        """Sends of the first that wait."""
        some = list(itertools.islice(self._queue, _AT_ONCE))
        sent = self._peer.sendmsg(some) if len(some) > 1 else self._peer.send(some[0])
        self._queued -= sent
        for part in some:
            if len(part) > sent:
                self._queue[0] = part[sent:]
                return
            sent -= len(part)
            self._queue.popleft()
