"""The fabric beside VDE: `python -m edge_lab.bench.fabric [--json]`.

Both carry the same frames between the same sender and the same receiver, turn about, in
one run.  The sender hands over many frames in one system call, the receiver takes many
with one recvmmsg(2); what differs is the socket they do it on:

- fabric: UDP sockets on loopback, as a QEMU `-netdev dgram` NIC has.  Three links are
  plugged in, so that the fabric learns and looks up addresses; the third is idle.  The
  sender lets the kernel cut its datagrams (UDP_SEGMENT), as sending them one by one takes
  twice the time of Unix datagrams and would be the bottleneck; the fabric receives separate
  datagrams either way.
- vde_switch: the data socket of a VDE plug (libvdeplug opens it, `vde_datafd` gives it),
  one Unix datagram a frame.  Three plugs, the third idle.
- captured: the fabric, with a capture of the sender's link into a file.
- wirefilter: no switch at all.  The benchmark itself answers at the two ends where
  wirefilter plugs in, so that it is spared the two switches it would need in a lab.

A Unix socket holds its sender back when the receiver is slow, UDP drops.  So two rates
are given: what arrives in a flood, and the highest rate at which nothing is lost that was
not meant to be (found by halving; a sender held back counts at the rate it reached).

How soon a change takes effect is measured at the receiver of a flood: from the moment at which
the client is called until the last frame comes, and until the first one comes again.

Latency is one way, stamped by the sender and read by the receiver on the same clock, at a
thousand frames a second; `direct` is the same without anything in between.  Everything
runs at the niceness that the fabric gives itself, where that is allowed.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import ctypes
import errno
import json
import os
import platform
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.ports import choose_ports
from edge_lab.fabric import CLEAR, DROP, DirectionState, FabricClient, FabricConfig, LinkConfig
from edge_lab.fabric.config import LOOPBACK
from edge_lab.fabric.loop import NICENESS

SIZES = (1514, 64)
FLOOD_FRAMES = 200_000
TRIAL_SECONDS = 1.0
LATENCY_FRAMES = 2_000
BURST = 32
"""Frames in one sendmmsg of the sender."""
QUIET = 0.5
"""Seconds without a frame after which the receiver has all."""
DELAY_MS = 20.0
LOSS = 0.01
EFFECT_TIMES = 100
"""Changes of state while frames flow, of each kind."""
EFFECT_RATE = 100_000
"""Frames of 64 bytes a second meanwhile."""
EFFECT_DWELL = 0.06
"""Seconds from one change to the next: more than a change may take."""
TRIES = 2
"""Trials at one rate before it counts as too high: other work may have got in the way."""
STRAY = 4.0
"""Standard deviations by which the loss that is meant may be missed."""

_SENDER, _RECEIVER = b"\x52\x54\0\xed\xff\x0a", b"\x52\x54\0\xed\xff\x0b"
_TAKE = 64
_ROOM = 2_112
_SOCKET_BUFFER = 16 << 20
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_MSG_WAITFORONE = 0x10000
_UDP_SEGMENT = 103

_libc = ctypes.CDLL(None, use_errno=True)


# -- sender and receiver ---------------------------------------------------------------------


class _Messages:
    """`count` message headers for sendmmsg or recvmmsg, each with a buffer of its own."""

    def __init__(self, count: int, length: int) -> None:
        self.count = count
        self.buffer = bytearray(count * _ROOM)
        self._iov = bytearray(count * 16)
        self._headers = bytearray(count * 64)
        base, iov_at, self.address = (
            ctypes.addressof(ctypes.c_char.from_buffer(each))
            for each in (self.buffer, self._iov, self._headers)
        )
        iov, headers = memoryview(self._iov).cast("Q"), memoryview(self._headers).cast("Q")
        for index in range(count):
            iov[index * 2], iov[index * 2 + 1] = base + index * _ROOM, length
            headers[index * 8 + 2], headers[index * 8 + 3] = iov_at + index * 16, 1


def _frame(size: int, source: bytes = _SENDER, target: bytes = _RECEIVER) -> bytes:
    return (target + source + b"\x88\xb5").ljust(size, b"\0")


def _send(descriptor: int, frames: int, size: int, rate: float, *, segmented: bool) -> float:
    """Sends `frames` at `rate` a second, as fast as it goes if 0; the rate it reached."""
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
    messages = _Messages(BURST, size)
    for index in range(BURST):
        messages.buffer[index * _ROOM : index * _ROOM + size] = _frame(size)

    def hand_over(frames: int) -> int:
        done: int = _libc.sendmmsg(descriptor, ctypes.c_void_p(messages.address), frames, 0)
        if done < 0:
            raise OSError(ctypes.get_errno(), "sendmmsg")
        return done

    return hand_over


def _segmented(descriptor: int, size: int) -> Callable[[int], int]:
    peer = socket.socket(fileno=os.dup(descriptor))
    peer.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, size)
    burst = memoryview(_frame(size) * BURST)
    return lambda frames: peer.send(burst[: frames * size]) // size


@dataclass(frozen=True)
class _Arrived:
    frames: int
    seconds: float


def _receive(descriptor: int) -> _Arrived:
    """Counts frames until none has come for `QUIET` seconds."""
    messages = _Messages(_TAKE, _ROOM)
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
    return _Arrived(frames, last - began)


def _flood(descriptor: int, told_to_end: socket.socket) -> None:
    """Sends small frames until there is something to read from `told_to_end`."""
    hand_over = _segmented(descriptor, 64)
    began = time.monotonic()
    sent = 0
    while not select.select([told_to_end], [], [], 0)[0]:
        time.sleep(max(0.0, began + sent / EFFECT_RATE - time.monotonic()))
        sent += hand_over(BURST)


def _receive_times(descriptor: int, told_to_end: socket.socket) -> list[float]:
    """When frames came (monotonic clock, seconds), until the flood has ended and none is left."""
    messages = _Messages(_TAKE, _ROOM)
    times: list[float] = []
    while True:
        got = _libc.recvmmsg(
            descriptor, ctypes.c_void_p(messages.address), _TAKE, _MSG_WAITFORONE, None
        )
        if got > 0:
            times.append(time.monotonic())
        elif select.select([told_to_end], [], [], 0)[0]:
            return times


def _send_stamped(descriptor: int, frames: int, size: int, rate: float) -> None:
    peer = socket.socket(fileno=os.dup(descriptor))
    head, tail = _frame(14), bytes(size - 22)
    began = time.monotonic()
    for index in range(frames):
        time.sleep(max(0.0, began + index / rate - time.monotonic()))
        peer.send(head + struct.pack("<Q", time.monotonic_ns()) + tail)


def _receive_stamped(descriptor: int) -> list[float]:
    """Microseconds that each frame was under way."""
    peer = socket.socket(fileno=os.dup(descriptor))
    took: list[float] = []
    while True:
        try:
            frame = peer.recv(_ROOM)
        except OSError:
            if took:
                return took
            continue
        took.append((time.monotonic_ns() - struct.unpack_from("<Q", frame, 14)[0]) / 1e3)


class _Child:
    """A function that runs in a process of its own and gives back what JSON can carry."""

    def __init__(self, work: Callable[[], object]) -> None:
        reader, writer = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            code = 1
            _come_first(0)
            try:
                os.write(writer, json.dumps(work()).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        self._reader = reader

    def result(self) -> Any:
        with os.fdopen(self._reader, "rb") as answers:
            said = answers.read()
        os.waitpid(self._pid, 0)
        if not said:
            raise LabError("a sender or receiver of the benchmark has died")
        return json.loads(said)


# -- what is measured ------------------------------------------------------------------------


@dataclass(frozen=True)
class Ends:
    """Two ends: what is sent into one comes out at the other."""

    sender: int
    receiver: int
    segmented: bool = False
    """Whether the sender may let the kernel cut one message into datagrams."""


Medium = Callable[[], contextlib.AbstractContextManager[Ends]]


def _udp(own: int, peer: int) -> socket.socket:
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    _widen(end)
    end.bind((LOOPBACK, own))
    end.connect((LOOPBACK, peer))
    return end


def _widen(end: socket.socket) -> None:
    for force, ask in (
        (_SO_RCVBUFFORCE, socket.SO_RCVBUF),
        (_SO_SNDBUFFORCE, socket.SO_SNDBUF),
    ):
        try:
            end.setsockopt(socket.SOL_SOCKET, force, _SOCKET_BUFFER)
        except PermissionError:
            end.setsockopt(socket.SOL_SOCKET, ask, _SOCKET_BUFFER)
    _impatient(end)


def _impatient(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("qq", 0, int(QUIET * 1e6)))


@contextlib.contextmanager
def direct_udp() -> Iterator[Ends]:
    one, two = choose_ports(2)
    with _udp(one, two) as sender, _udp(two, one) as receiver:
        yield Ends(sender.fileno(), receiver.fileno())


@contextlib.contextmanager
def direct_unix() -> Iterator[Ends]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        _widen(receiver)
        yield Ends(sender.fileno(), receiver.fileno())


@contextlib.contextmanager
def fabric(tx: DirectionState | None = None) -> Iterator[Ends]:
    """A fabric of three links on one network; the third has an endpoint that is silent."""
    with steered_fabric() as (ends, client):
        if tx is not None:
            client.set("link0", tx=tx)
        yield ends


@contextlib.contextmanager
def captured_fabric() -> Iterator[Ends]:
    """A fabric whose sender's link is captured to a file, by a process as `lab capture` is one."""
    with contextlib.ExitStack() as undo:
        ends, client = undo.enter_context(steered_fabric())
        folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="capture-"))
        argv = [sys.executable, "-c", _CAPTURE, str(client.socket_path), f"{folder}/link0.pcapng"]
        capture = undo.enter_context(subprocess.Popen(argv))
        undo.callback(capture.kill)
        Deadline.after(20).wait_for(
            "the capture begins", lambda: client.link("link0").captures, every=0.02
        )
        yield ends


_CAPTURE = """
import sys
from pathlib import Path
from edge_lab.fabric import FabricClient
from edge_lab.fabric.capture import Capture
Capture.to(FabricClient(Path(sys.argv[1])), "link0", sys.argv[2]).wait(None)
"""


@contextlib.contextmanager
def steered_fabric() -> Iterator[tuple[Ends, FabricClient]]:
    """The same, and its client; what is sent goes from `link0` to `link1`."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="fabric-")))
        ports = choose_ports(6)
        pairs = list(zip(ports[::2], ports[1::2], strict=True))
        ends = [undo.enter_context(_udp(own, peer)) for peer, own in pairs]
        FabricConfig(
            networks=("wire",),
            links=tuple(
                LinkConfig(name=f"link{n}", network="wire", fabric_port=port, endpoint_port=own)
                for n, (port, own) in enumerate(pairs)
            ),
            seed=1,
        ).write(folder / "fabric.json")
        argv = [sys.executable, "-m", "edge_lab.fabric", "--config", str(folder / "fabric.json")]
        process = undo.enter_context(_running([*argv, "--socket", str(folder / "control")]))
        client = FabricClient(folder / "control")
        client.wait_ready(Deadline.scaled(20))
        ends[1].send(_frame(64, _RECEIVER, _SENDER))
        ends[0].recv(_ROOM)
        assert process.poll() is None
        yield Ends(ends[0].fileno(), ends[1].fileno(), segmented=True), client


@contextlib.contextmanager
def vde_switch() -> Iterator[Ends]:
    """A vde_switch as Debian ships it, with three plugs; the third is silent."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="vde-")))
        where = folder / "switch"
        argv = ["vde_switch", "-s", str(where), "-M", str(folder / "mgmt")]
        undo.enter_context(_running(argv, stdin=subprocess.PIPE))
        _appears(where / "ctl")
        ends = [undo.enter_context(_vde_plug(where)) for _ in range(3)]
        ends[1].send(_frame(64, _RECEIVER, _SENDER))
        ends[0].recv(_ROOM)
        yield Ends(ends[0].fileno(), ends[1].fileno())


@contextlib.contextmanager
def _vde_plug(switch: Path) -> Iterator[socket.socket]:
    library = ctypes.CDLL("libvdeplug.so.2")
    library.vde_open_real.restype = ctypes.c_void_p
    library.vde_datafd.argtypes = library.vde_close.argtypes = (ctypes.c_void_p,)
    plug = library.vde_open_real(str(switch).encode(), b"benchmark", 1, None)
    if not plug:
        raise LabError(f"libvdeplug cannot open {switch}")
    try:
        with socket.socket(fileno=os.dup(library.vde_datafd(plug))) as end:
            _widen(end)
            yield end
    finally:
        library.vde_close(plug)


class _VdeEnd:
    """Where one VDE plug is plugged in: the switch's side of VDE's plug protocol.

    The plug sends a request (magic, version, kind, address of its data socket, words),
    and is told the address of ours; frames then go between the two data sockets.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        folder.mkdir()
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(str(folder / "ctl"))
        self._door.listen(1)
        self.data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.data.bind(str(folder / "data"))
        _widen(self.data)

    def answer(self) -> None:
        self._door.settimeout(Deadline.scaled(10).remaining)
        self._control, _ = self._door.accept()
        request = self._control.recv(1024)
        magic, version, _kind = struct.unpack_from("<III", request)
        if magic != 0xFEEDFACE or version != 3:
            raise LabError("wirefilter speaks another version of the plug protocol")
        # Before the answer: the plug removes the name of its socket when it has it.
        self.data.connect(request[14:122].partition(b"\0")[0])
        ours = os.fsencode(self.path / "data")
        self._control.send(struct.pack("<H108s", socket.AF_UNIX, ours))

    def close(self) -> None:
        for each in (self._door, self.data, self._control):
            each.close()


@contextlib.contextmanager
def wirefilter() -> Iterator[Ends]:
    """wirefilter with the delay and the loss, and nothing else between the two ends."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="vde-")))
        ends = [_VdeEnd(folder / name) for name in ("a", "b")]
        argv = ["wirefilter", "-v", f"{ends[0].path}:{ends[1].path}"]
        argv += ["-d", f"{DELAY_MS:g}", "-l", f"{LOSS * 100:g}"]
        undo.enter_context(_running(argv, stdin=subprocess.PIPE))
        for end in ends:
            end.answer()
            undo.callback(end.close)
        yield Ends(ends[0].data.fileno(), ends[1].data.fileno())


@contextlib.contextmanager
def _running(argv: Sequence[str], stdin: int = subprocess.DEVNULL) -> Iterator[Any]:
    process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.DEVNULL)
    _come_first(process.pid)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(Deadline.scaled(5).remaining)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _come_first(pid: int) -> None:
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)


def _appears(path: Path) -> None:
    Deadline.scaled(10).wait_for(f"{path} appears", path.exists, every=0.02)


# -- measurements ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """One run of frames through one medium."""

    sent: int
    arrived: int
    sent_per_second: float
    arrived_per_second: float


def trial(medium: Medium, frames: int, size: int, rate: float) -> Trial:
    """Sends `frames` at `rate` a second (0: as fast as it goes) through a fresh `medium`."""
    with medium() as path:
        receiver = _Child(lambda: asdict(_receive(path.receiver)))
        sender = _Child(lambda: _send(path.sender, frames, size, rate, segmented=path.segmented))
        reached = sender.result()
        arrived = _Arrived(**receiver.result())
    per_second = arrived.frames / arrived.seconds if arrived.seconds else 0.0
    return Trial(frames, arrived.frames, reached, per_second)


def highest_rate(medium: Medium, size: int, loss: float, most: float) -> float:
    """Frames a second that go through with no more loss than `loss`; 0 if none do."""

    def reached(rate: float) -> float:
        """What it sustained when asked for `rate`; 0 if frames were lost each time."""
        frames = max(2_000, int(rate * TRIAL_SECONDS))
        meant = frames * (1 - loss)
        stray = STRAY * (frames * loss * (1 - loss)) ** 0.5
        for _ in range(TRIES):
            seen = trial(medium, frames, size, rate)
            if seen.arrived >= meant - stray:
                return seen.sent_per_second
        return 0.0

    low, high, best = 0.0, most, 0.0
    rate = most / 8
    for _ in range(7):
        sustained = reached(rate)
        best = max(best, sustained)
        if sustained >= rate * 0.95:
            low = rate
        else:  # lost some, or was held back: there is nothing to find above
            high = rate
        rate = min(rate * 2, (rate + most) / 2) if high == most else (low + high) / 2
    return best


def latencies(medium: Medium) -> list[float]:
    """One-way times of 1,514-byte frames, a thousand a second, microseconds, in order."""
    with medium() as path:
        receiver = _Child(lambda: _receive_stamped(path.receiver))
        sender = _Child(lambda: _send_stamped(path.sender, LATENCY_FRAMES, 1514, 1000.0))
        sender.result()
        took: list[float] = receiver.result()
    return sorted(took[len(took) // 10 :])  # the first tenth warms caches up


def _change(client: FabricClient, times: int) -> list[tuple[float, float]]:
    """When drop was asked for, and when clear was (monotonic clock, seconds), time by time."""
    asked = []
    for _ in range(times):
        stop = time.monotonic()
        client.set("link0", tx=DROP)
        time.sleep(EFFECT_DWELL)
        resume = time.monotonic()
        client.set("link0", tx=CLEAR)
        time.sleep(EFFECT_DWELL)
        asked.append((stop, resume))
    return asked


@dataclass(frozen=True)
class Effects:
    """Seconds from the call of `FabricClient.set` until it was seen at the receiver."""

    stopped: list[float]
    """Until the last frame came."""
    resumed: list[float]
    """Until the first frame came again."""


def effects(times: int) -> Effects:
    """Sets drop and clear, each `times` times, while small frames flow through a fabric."""
    with contextlib.ExitStack() as undo:
        ends, client = undo.enter_context(steered_fabric())
        ours, theirs = map(undo.enter_context, socket.socketpair())
        receiver = _Child(lambda: _receive_times(ends.receiver, theirs))
        sender = _Child(lambda: _flood(ends.sender, theirs))
        try:
            before = client.link("link1").counters.rx.forwarded
            Deadline.scaled(10).wait_for(
                "frames flow",
                lambda: client.link("link1").counters.rx.forwarded > before,
                every=0.02,
            )
            changes: list[tuple[float, float]] = _Child(lambda: _change(client, times)).result()
        finally:
            ours.send(b".")
            sender.result()
            came: list[float] = receiver.result()
    return effects_of(changes, came)


def effects_of(changes: Sequence[tuple[float, float]], came: Sequence[float]) -> Effects:
    """What changes asked for at these times did to frames that came at those."""
    stopped, resumed = [], []
    for stop, resume in changes:
        at = bisect.bisect_left(came, resume)
        if not 0 < at < len(came):
            raise LabError("the flood that was to show the effect of a change did not flow")
        stopped.append(max(0.0, came[at - 1] - stop))
        resumed.append(came[at] - resume)
    return Effects(sorted(stopped), sorted(resumed))


def _percentile(ordered: Sequence[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


@dataclass
class Figure:
    """One measured quantity of one contender, a value a round."""

    what: str
    contender: str
    unit: str
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values)


FAULTS = DirectionState(delay_ms=DELAY_MS, loss=LOSS)
FABRIC, SWITCH = "fabric", "vde_switch"


def faulty_fabric() -> contextlib.AbstractContextManager[Ends]:
    return fabric(FAULTS)


def measure(rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Everything, `rounds` times, the contenders turn about."""
    figures: dict[tuple[str, str], Figure] = {}

    def note(what: str, contender: str, unit: str, value: float) -> None:
        figure = figures.setdefault((what, contender), Figure(what, contender, unit))
        figure.values.append(value)
        say(f"  {what}, {contender}: {value:,.0f} {unit}")

    plain: dict[str, Medium] = {FABRIC: fabric, SWITCH: vde_switch}
    watched: dict[str, Medium] = {"captured": captured_fabric}
    faulty: dict[str, Medium] = {FABRIC: faulty_fabric, "wirefilter": wirefilter}
    slow = f"{DELAY_MS:g} ms and {LOSS * 100:g} % loss"
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        for size in SIZES:
            for name, medium in plain.items():
                seen = trial(medium, FLOOD_FRAMES, size, 0)
                note(f"flood, {size} bytes", name, "frames/s", seen.arrived_per_second)
            for name, medium in plain.items():
                value = highest_rate(medium, size, 0.0, 800_000)
                note(f"no loss, {size} bytes", name, "frames/s", value)
            for name, medium in watched.items():
                seen = trial(medium, FLOOD_FRAMES, size, 0)
                note(f"flood, {size} bytes", name, "frames/s", seen.arrived_per_second)
        for name, medium in faulty.items():
            value = highest_rate(medium, 1514, LOSS, 800_000)
            note(f"{slow}, 1514 bytes", name, "frames/s", value)
        ways: dict[str, tuple[Medium, str]] = {
            FABRIC: (fabric, "latency"),
            SWITCH: (vde_switch, "latency"),
            "direct UDP": (direct_udp, "latency"),
            "direct Unix": (direct_unix, "latency"),
        }
        late: dict[str, tuple[Medium, str]] = {
            FABRIC: (faulty_fabric, f"latency with {slow}"),
            "wirefilter": (wirefilter, f"latency with {slow}"),
        }
        for table in (ways, late):
            for name, (medium, what) in table.items():
                took = latencies(medium)
                for percent in (50, 99):
                    note(f"{what}, p{percent}", name, "us", _percentile(took, percent))
        seen_after = effects(EFFECT_TIMES)
        for what, seconds in (
            ("drop takes effect in a flood", seen_after.stopped),
            ("heal takes effect in a flood", seen_after.resumed),
        ):
            for percent in (50, 99):
                note(f"{what}, p{percent}", FABRIC, "us", _percentile(seconds, percent) * 1e6)
    return list(figures.values())


# -- what is printed -------------------------------------------------------------------------


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    queue = Path("/proc/sys/net/unix/max_dgram_qlen").read_text().strip()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "net.unix.max_dgram_qlen": int(queue),
    }


def _table(figures: list[Figure]) -> str:
    lines = []
    for what in dict.fromkeys(figure.what for figure in figures):
        row = [figure for figure in figures if figure.what == what]
        ours = row[0]
        lines.append(f"{what} ({ours.unit})")
        for figure in row:
            spread = f"{min(figure.values):,.0f} to {max(figure.values):,.0f}"
            ratio = ours.median / figure.median if figure.median else float("inf")
            beside = "" if figure is ours else f"   fabric is {ratio:.2f} times that"
            lines.append(f"  {figure.contender:12} {figure.median:>12,.0f}  ({spread}){beside}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_lab.bench.fabric", description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable figures")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for tool in ("vde_switch", "wirefilter"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed (Debian: vde2)", file=sys.stderr)
            return 3
    before = machine()
    figures = measure(arguments.rounds, lambda words: print(words, file=sys.stderr))
    if arguments.json:
        print(json.dumps({"machine": before, "figures": [asdict(each) for each in figures]}))
    else:
        print("\n".join(f"{key}: {value}" for key, value in before.items()))
        print(_table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
