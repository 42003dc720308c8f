"""The sockets at the fabric's end of each link: one UDP datagram is one Ethernet frame.

Frames are received and sent in batches, by recvmmsg(2) and sendmmsg(2).  Consecutive frames
of equal length go to the kernel as one message that it segments into datagrams (UDP_SEGMENT,
udp(7)): the endpoint still receives separate datagrams.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from typing import NamedTuple, Protocol

from edge_lab.core.errors import LabError
from edge_lab.fabric.config import LOOPBACK, LinkConfig
from edge_lab.fabric.counters import Reason
from edge_lab.fabric.framebuffer import BATCH, SLOTS, FrameBuffer, Run, count, first

SOCKET_BUFFER = 32 * 1024 * 1024
"""Requested size, bytes, in each direction; without root the kernel limits it to rmem_max."""

_LONGEST_DATAGRAM = 65_507
_MOST_SEGMENTS = 64
_UDP_SEGMENT = 103
_CMSG_ROOM = 24
_ROOM = SLOTS
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_NO_SEGMENTATION = frozenset({errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.EOPNOTSUPP})

_libc = ctypes.CDLL(None, use_errno=True)
_recvmmsg = _libc.recvmmsg
_recvmmsg.argtypes = (
    ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p,
)  # fmt: skip
_sendmmsg = _libc.sendmmsg
_sendmmsg.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)


def receive_messages(descriptor: int, address: int, most: int) -> int:
    """recvmmsg(2) into the headers at `address`, without waiting: how many messages, or -1."""
    return int(_recvmmsg(descriptor, address, most, socket.MSG_DONTWAIT, None))


def widen(end: socket.socket) -> None:
    """Gives a socket the largest buffers that this process may have, up to SOCKET_BUFFER."""
    for force, ask in (
        (_SO_RCVBUFFORCE, socket.SO_RCVBUF),
        (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
    ):
        try:
            end.setsockopt(socket.SOL_SOCKET, force, SOCKET_BUFFER)
        except PermissionError:
            end.setsockopt(socket.SOL_SOCKET, ask, SOCKET_BUFFER)


class Sent(NamedTuple):
    """The result of sending frames to a socket."""

    frames: int
    refused: int = 0
    reason: Reason = Reason.UNREACHABLE
    told: bool = False
    """The kernel has reported meanwhile that an earlier datagram was refused."""


class Wire(Protocol):
    """The fabric's end of one link."""

    def receive(self, buffer: FrameBuffer) -> Run | None:
        """Receives waiting frames into free slots of `buffer`; None if there are none."""
        ...

    def send(self, buffer: FrameBuffer, runs: list[Run]) -> Sent:
        """Sends frames to the endpoint, in order."""
        ...


class Outbox:
    """Headers for sendmmsg, filled for one set of frames after the other.

    The process has one thread and one outbox.
    """

    def __init__(self, *, segmentation: bool) -> None:
        self._segmentation = segmentation
        self._headers = bytearray(64 * _ROOM)
        self._controls = bytearray(_CMSG_ROOM * _ROOM)
        self._iov = bytearray(16 * _ROOM)
        self._header_words = memoryview(self._headers).cast("Q")
        self._control_words = memoryview(self._controls).cast("Q")
        self._iov_words = memoryview(self._iov).cast("Q")
        self._headers_at, self._controls_at, self._iov_at = (
            ctypes.addressof(ctypes.c_char.from_buffer(buffer))
            for buffer in (self._headers, self._controls, self._iov)
        )
        for index in range(_ROOM):
            self._control_words[index * 3] = 18  # cmsg_len: header and a 16-bit length
            self._control_words[index * 3 + 1] = socket.IPPROTO_UDP | _UDP_SEGMENT << 32

    def send(self, descriptor: int, buffer: FrameBuffer, runs: list[Run]) -> Sent:
        """Sends frames, in order, to the peer of a connected UDP socket."""
        frames = count(runs)
        if frames > _ROOM:
            head, tail = first(runs, _ROOM)
            before = self.send(descriptor, buffer, head)
            after = self.send(descriptor, buffer, tail)
            return Sent(
                before.frames + after.frames,
                before.refused + after.refused,
                (before if before.refused else after).reason,
                before.told or after.told,
            )
        if len(runs) == 1:
            start, stop = runs[0]
            lengths = buffer.lengths[start:stop]
            iov = buffer.iov_address + 16 * start
        else:
            lengths = self._gather(buffer, runs)
            iov = self._iov_at
        counts = self._prepare(iov, lengths)
        done = 0
        messages = len(counts)
        troubles = 0
        while True:
            sent = _sendmmsg(
                descriptor, self._headers_at + 64 * done, messages - done, socket.MSG_DONTWAIT
            )
            if sent > 0:
                done += sent
                if done == messages:
                    return Sent(frames, told=troubles > 0)
                # A later message failed, and the kernel does not report why.
                troubles += 1
            else:
                why = ctypes.get_errno()
                if why in _NO_SEGMENTATION and self._segmentation:
                    self._segmentation = False
                    rest = sum(counts[:done])
                    again = self._resend(descriptor, iov + 16 * rest, lengths[rest:])
                    return again._replace(frames=again.frames + rest)
                if why in (errno.EAGAIN, errno.ENOBUFS):
                    gone = sum(counts[:done])
                    return Sent(gone, frames - gone, Reason.OVERFLOW)
                if why == errno.EINTR:
                    continue
                # ECONNREFUSED refers to an earlier datagram; this one has not been sent yet.
                troubles += 1
            if troubles > 2:
                gone = sum(counts[:done])
                return Sent(gone, frames - gone, Reason.UNREACHABLE)

    def _resend(self, descriptor: int, iov: int, lengths: list[int]) -> Sent:
        """Sends the same frames again, each as a separate message."""
        self._prepare(iov, lengths)
        sent = _sendmmsg(descriptor, self._headers_at, len(lengths), socket.MSG_DONTWAIT)
        frames = max(0, sent)
        return Sent(frames, len(lengths) - frames)

    def _gather(self, buffer: FrameBuffer, runs: list[Run]) -> list[int]:
        """Copies the iovecs of scattered frames into consecutive entries."""
        lengths: list[int] = []
        at = 0
        source, target = buffer.iov_words, self._iov_words
        for start, stop in runs:
            words = 2 * (stop - start)
            target[at : at + words] = source[2 * start : 2 * stop]
            lengths += buffer.lengths[start:stop]
            at += words
        return lengths

    def _prepare(self, iov: int, lengths: list[int]) -> list[int]:
        """Fills the headers; returns the number of frames in each message."""
        size, frames = lengths[0], len(lengths)
        if not self._segmentation:
            counts = [1] * frames
        elif lengths.count(size) == frames:
            most = min(_MOST_SEGMENTS, _LONGEST_DATAGRAM // size)
            whole, rest = divmod(frames, most)
            counts = [most] * whole
            if rest:
                counts.append(rest)
        else:
            counts = groups(lengths)
        words = self._header_words
        at = 0
        for index, members in enumerate(counts):
            word = index * 8
            words[word + 2] = iov + 16 * at
            words[word + 3] = members
            if members > 1:
                words[word + 4] = self._controls_at + _CMSG_ROOM * index
                words[word + 5] = _CMSG_ROOM
                self._control_words[index * 3 + 2] = lengths[at]
            else:
                words[word + 4] = 0
                words[word + 5] = 0
            at += members
        return counts


def groups(lengths: list[int]) -> list[int]:
    """Groups frames of these lengths into messages that the kernel can segment again.

    All frames of a message have the length of its first, but for the last, which may be
    shorter; together they fit into one datagram.
    """
    counts = []
    frames = len(lengths)
    at = 0
    while at < frames:
        size = lengths[at]
        limit = min(frames, at + min(_MOST_SEGMENTS, _LONGEST_DATAGRAM // size))
        end = at + 1
        while end < limit and lengths[end] == size:
            end += 1
        if end < limit and lengths[end] < size:
            end += 1
        counts.append(end - at)
        at = end
    return counts


class UdpWire:
    """A connected UDP socket on the loopback interface."""

    def __init__(self, link: LinkConfig, outbox: Outbox) -> None:
        """Binds and connects; LabError if the port is in use."""
        ports = link.ports
        self._outbox = outbox
        self._socket = socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        widen(self._socket)
        try:
            self._socket.bind((LOOPBACK, ports.fabric))
        except OSError as trouble:
            self._socket.close()
            raise LabError(
                f"UDP port {ports.fabric} on {LOOPBACK} is not available for link "
                f"{link.name}: {os.strerror(trouble.errno or 0)}",
                remedy="Stop the program that uses it (`ss -ulpn sport = "
                f":{ports.fabric}` shows it), "
                "or give the link another port.",
            ) from trouble
        self._socket.connect((LOOPBACK, ports.endpoint))
        self._descriptor = self._socket.fileno()
        self._absent = False
        """Whether the last datagram sent was refused at the endpoint's port."""

    def fileno(self) -> int:
        return self._descriptor

    def receive(self, buffer: FrameBuffer) -> Run | None:
        taken = receive_messages(
            self._descriptor, buffer.receive_address(), min(BATCH, buffer.free)
        )
        if taken > 0:
            return buffer.received(taken)
        if ctypes.get_errno() == errno.ECONNREFUSED:  # refers to an earlier datagram
            self._absent = True
        return None

    def send(self, buffer: FrameBuffer, runs: list[Run]) -> Sent:
        if self._absent:
            return self._try(buffer, runs)
        sent = self._outbox.send(self._descriptor, buffer, runs)
        self._absent = sent.refused > 0 and sent.reason is Reason.UNREACHABLE
        if sent.told and self._refused():
            # No process listened before these frames, nor does one after them.
            self._absent = True
            return Sent(0, count(runs))
        return sent

    def _refused(self) -> bool:
        """Whether the kernel has a pending refusal; on loopback it has one right after the send."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def _try(self, buffer: FrameBuffer, runs: list[Run]) -> Sent:
        """Sends one frame to find out whether the endpoint listens by now, then the rest."""
        probe, rest = first(runs, 1)
        self._outbox.send(self._descriptor, buffer, probe)
        if self._refused():
            return Sent(0, count(runs))
        self._absent = False
        if not rest:
            return Sent(1)
        sent = self._outbox.send(self._descriptor, buffer, rest)
        return sent._replace(frames=sent.frames + 1)

    def close(self) -> None:
        self._socket.close()


def can_segment() -> bool:
    """Whether this kernel segments messages into datagrams (Linux 4.18 and later)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 0)
        except OSError:
            return False
    return True
