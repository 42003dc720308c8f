"""Buffers that frames are received into and sent from, without becoming Python objects.

A frame buffer is an array of slots of equal size, one frame each, with the headers that
recvmmsg(2) and sendmmsg(2) need beside them.  Frames are identified by their slots: a `Run` is
a half-open range of slots, and all operations on frames take lists of runs.  A frame that has
to wait keeps its buffer in use; the next frames go into slots behind it or into another buffer.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterable, Iterator

Run = tuple[int, int]
"""Slots `start` up to but not including `stop`."""

BATCH = 64
"""Maximum number of frames taken from a socket at once: the largest burst of an endpoint."""
SLOTS = 256
"""Frames in a buffer."""
SLOT_ROOM = 65_536
"""Bytes in a slot: more than a UDP datagram can hold (65,507), so nothing is truncated."""
STRIDE = SLOT_ROOM + 64
"""Distance between slots, bytes; not a power of two, or all frames would share cache sets."""
SHORTEST = 14
"""Two addresses and a type: the header of an Ethernet frame."""
_LARGE = 8_192
_MAP_NORESERVE = 0x4000
_HEADER = 64
"""sizeof(struct mmsghdr) on a 64-bit machine; msg_len is at 56."""
_IOVEC = 16


def count(runs: list[Run]) -> int:
    """How many frames there are in `runs`."""
    if len(runs) == 1:
        return runs[0][1] - runs[0][0]
    return sum(stop - start for start, stop in runs)


def slots(runs: Iterable[Run]) -> Iterator[int]:
    """Each slot of `runs` in order."""
    for start, stop in runs:
        yield from range(start, stop)


def join(runs: list[Run], more: Iterable[Run]) -> None:
    """Appends `more` to `runs`, as one run where they touch."""
    for start, stop in more:
        if runs and runs[-1][1] == start:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((start, stop))


def first(runs: Iterable[Run], frames: int) -> tuple[list[Run], list[Run]]:
    """The first `frames` frames of `runs`, and the rest."""
    head: list[Run] = []
    rest: list[Run] = []
    for start, stop in runs:
        middle = min(stop, start + frames)
        if middle > start:
            head.append((start, middle))
        if stop > middle:
            rest.append((middle, stop))
        frames -= middle - start
    return head, rest


class FrameBuffer:
    """Space for `SLOTS` frames.

    `used` slots are filled, `held` flights still need them, and `filling` is True while a
    port receives into it.
    """

    __slots__ = (
        "_heads",
        "_iov",
        "_iov_lengths",
        "_memory",
        "_msg_lengths",
        "_receive",
        "_receive_address",
        "_tails",
        "filling",
        "held",
        "iov_address",
        "iov_words",
        "lengths",
        "used",
        "view",
    )

    def __init__(self) -> None:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        self._memory = mmap.mmap(-1, SLOTS * STRIDE, flags=flags)
        self.view = memoryview(self._memory)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        # What recvmmsg fills: one header and one iovec with all the room for each slot.
        self._receive = bytearray(SLOTS * (_HEADER + _IOVEC))
        self._receive_address = _address(self._receive)
        words = memoryview(self._receive).cast("Q")
        room_at = SLOTS * _HEADER
        for slot in range(SLOTS):
            words[slot * 8 + 2] = self._receive_address + room_at + slot * _IOVEC
            words[slot * 8 + 3] = 1
            words[room_at // 8 + slot * 2] = base + slot * STRIDE
            words[room_at // 8 + slot * 2 + 1] = SLOT_ROOM
        self._msg_lengths = memoryview(self._receive)[:room_at].cast("I")[14::16]
        # What sendmmsg reads: iovecs that are as long as the frames.
        self._iov = bytearray(SLOTS * _IOVEC)
        self.iov_address = _address(self._iov)
        self.iov_words = memoryview(self._iov).cast("Q")
        self.iov_words[0::2] = words[room_at // 8 :: 2]
        self._iov_lengths = memoryview(self._iov).cast("I")[2::4]
        # The first eight bytes of each frame and the four after them.
        self._heads = self.view.cast("Q")[0 :: STRIDE // 8]
        self._tails = self.view.cast("I")[2 :: STRIDE // 4]
        self.lengths = [0] * SLOTS
        self.used = 0
        self.held = 0
        self.filling = False

    @property
    def free(self) -> int:
        return SLOTS - self.used

    def receive_address(self) -> int:
        """Address of the header of the first free slot, for recvmmsg."""
        return self._receive_address + self.used * _HEADER

    def received(self, frames: int) -> Run:
        """Records that recvmmsg has filled the next `frames` slots."""
        start = self.used
        stop = start + frames
        self._iov_lengths[start:stop] = self._msg_lengths[start:stop]
        self.lengths[start:stop] = self._msg_lengths[start:stop].tolist()
        self.used = stop
        return start, stop

    def put(self, frame: bytes | memoryview) -> Run:
        """Copies `frame`, which was created and not received, into the next slot."""
        slot = self.used
        self.view[slot * STRIDE : slot * STRIDE + len(frame)] = frame
        self._msg_lengths[slot] = len(frame)
        return self.received(1)

    def frame(self, slot: int) -> memoryview:
        """The bytes of one frame, in place."""
        at = slot * STRIDE
        return self.view[at : at + self.lengths[slot]]

    def heads(self, start: int, stop: int) -> list[int]:
        """Bytes 0 to 7 of each frame, little-endian: destination, and two of the source."""
        return self._heads[start:stop].tolist()

    def tails(self, start: int, stop: int) -> list[int]:
        """Bytes 8 to 11 of each frame, little-endian: the rest of the source."""
        return self._tails[start:stop].tolist()

    def octets(self, runs: list[Run]) -> int:
        """Bytes in all frames of `runs`."""
        lengths = self.lengths
        if len(runs) == 1:
            return sum(lengths[runs[0][0] : runs[0][1]])
        return sum(sum(lengths[start:stop]) for start, stop in runs)

    def reset(self) -> None:
        """Frees all slots; returns memory that only very long frames need to the kernel."""
        if self.used > BATCH and max(self.lengths[: self.used]) > _LARGE:
            self._memory.madvise(mmap.MADV_DONTNEED)
        self.used = 0


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


class FrameBufferPool:
    """Unused frame buffers, and the number of buffers beyond which no frame should wait.

    Only callers of `can_give` obey the limit; a port that must go on receiving may take one
    more.
    """

    def __init__(self, limit: int = 512) -> None:
        self._limit = limit
        self._made = 0
        self._idle: list[FrameBuffer] = []

    @property
    def can_give(self) -> bool:
        return bool(self._idle) or self._made < self._limit

    def take(self) -> FrameBuffer:
        """An empty buffer to receive into, taken from the pool."""
        if self._idle:
            buffer = self._idle.pop()
        else:
            self._made += 1
            buffer = FrameBuffer()
        buffer.filling = True
        return buffer

    def give_back(self, buffer: FrameBuffer) -> None:
        buffer.reset()
        self._idle.append(buffer)
