"""Sends and receives frames in batches, on a descriptor."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

BURST = 32
"""Frames in one sendmmsg of the sender."""
QUIET = 0.5
"""Seconds without a frame after which the receiver has all: how long its socket waits."""
EFFECT_RATE = 100_000
"""Frames of 64 bytes a second in `flood`."""

SENDER, RECEIVER = b"\x52\x54\0\xed\xff\x0a", b"\x52\x54\0\xed\xff\x0b"
ROOM = 2_112
"""Bytes of one frame, including its link header."""

_TAKE = 64
_MSG_WAITFORONE = 0x10000
_UDP_SEGMENT = 103

_libc = ctypes.CDLL(None, use_errno=True)


class Messages:
    """`count` message headers for sendmmsg or recvmmsg, each with its own buffer."""

    def __init__(self, count: int, length: int) -> None:
        self.count = count
        self.buffer = bytearray(count * ROOM)
        self._iov = bytearray(count * 16)
        self._headers = bytearray(count * 64)
        base, iov_at, self.address = (
            ctypes.addressof(ctypes.c_char.from_buffer(memory))
            for memory in (self.buffer, self._iov, self._headers)
        )
        iov, headers = memoryview(self._iov).cast("Q"), memoryview(self._headers).cast("Q")
        for index in range(count):
            iov[index * 2], iov[index * 2 + 1] = base + index * ROOM, length
            headers[index * 8 + 2], headers[index * 8 + 3] = iov_at + index * 16, 1


def ethernet_frame(size: int, source: bytes = SENDER, target: bytes = RECEIVER) -> bytes:
    """A frame of `size` bytes, of an EtherType for experiments, that carries nothing."""
    return (target + source + b"\x88\xb5").ljust(size, b"\0")


def send(descriptor: int, frames: int, size: int, rate: float, *, segmented: bool) -> float:
    """Sends `frames` at `rate` per second, or as fast as possible if 0; returns the actual rate."""
    hand_over = _segmented(descriptor, size) if segmented else _batched(descriptor, size)
    began = time.monotonic()
    sent = 0
    while sent < frames:
        if rate:
            wait = began + sent / rate - time.monotonic()
            if wait > 0:
                time.sleep(wait)
        try:
            sent += hand_over(min(BURST, frames - sent))
        except OSError as trouble:
            if trouble.errno not in (errno.EAGAIN, errno.ENOBUFS):
                raise
            time.sleep(50e-6)  # the switch is full
    return sent / (time.monotonic() - began)


def _batched(descriptor: int, size: int) -> Callable[[int], int]:
    messages = Messages(BURST, size)
    for index in range(BURST):
        messages.buffer[index * ROOM : index * ROOM + size] = ethernet_frame(size)

    def hand_over(frames: int) -> int:
        done: int = _libc.sendmmsg(descriptor, ctypes.c_void_p(messages.address), frames, 0)
        if done < 0:
            raise OSError(ctypes.get_errno(), "sendmmsg")
        return done

    return hand_over


def _segmented(descriptor: int, size: int) -> Callable[[int], int]:
    peer = socket.socket(fileno=os.dup(descriptor))
    peer.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, size)
    burst = memoryview(ethernet_frame(size) * BURST)
    return lambda frames: peer.send(burst[: frames * size]) // size


@dataclass(frozen=True)
class Arrived:
    frames: int
    seconds: float


def receive(descriptor: int) -> Arrived:
    """Counts frames until none has arrived for `QUIET` seconds."""
    messages = Messages(_TAKE, ROOM)
    frames, began, last = 0, 0.0, 0.0
    while True:
        got = _libc.recvmmsg(
            descriptor, ctypes.c_void_p(messages.address), _TAKE, _MSG_WAITFORONE, None
        )
        if got <= 0:
            if frames or ctypes.get_errno() not in (11, 4):
                break
            continue
        last = time.monotonic()
        began = began or last
        frames += got
    return Arrived(frames, last - began)


def flood(descriptor: int, told_to_end: socket.socket) -> None:
    """Sends small frames until there is something to read from `told_to_end`."""
    hand_over = _segmented(descriptor, 64)
    began = time.monotonic()
    sent = 0
    while not select.select([told_to_end], [], [], 0)[0]:
        time.sleep(max(0.0, began + sent / EFFECT_RATE - time.monotonic()))
        sent += hand_over(BURST)


def receive_times(descriptor: int, told_to_end: socket.socket) -> list[float]:
    """Arrival times of frames (monotonic clock, seconds), until the end of the flood."""
    messages = Messages(_TAKE, ROOM)
    times: list[float] = []
    while True:
        got = _libc.recvmmsg(
            descriptor, ctypes.c_void_p(messages.address), _TAKE, _MSG_WAITFORONE, None
        )
        if got > 0:
            times.append(time.monotonic())
        elif select.select([told_to_end], [], [], 0)[0]:
            return times


def send_stamped(descriptor: int, frames: int, size: int, rate: float) -> None:
    peer = socket.socket(fileno=os.dup(descriptor))
    head, tail = ethernet_frame(14), bytes(size - 22)
    began = time.monotonic()
    for index in range(frames):
        time.sleep(max(0.0, began + index / rate - time.monotonic()))
        peer.send(head + struct.pack("<Q", time.monotonic_ns()) + tail)


def receive_stamped(descriptor: int) -> list[float]:
    """Latency of each frame, microseconds."""
    peer = socket.socket(fileno=os.dup(descriptor))
    took: list[float] = []
    while True:
        try:
            frame = peer.recv(ROOM)
        except OSError:
            if took:
                return took
            continue
        took.append((time.monotonic_ns() - struct.unpack_from("<Q", frame, 14)[0]) / 1e3)
