"""Media between a sender and a receiver: a fabric, and directly connected sockets."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_lab.bench.frames import QUIET, RECEIVER, ROOM, SENDER, ethernet_frame
from edge_lab.bench.processes import running
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.fabric import DirectionState, FabricClient, FabricConfig, LinkConfig
from edge_lab.fabric.config import LOOPBACK

DELAY_MS = 20.0
LOSS = 0.01
FAULTS = DirectionState(delay_ms=DELAY_MS, loss=LOSS)
"""The impairment of a faulty medium."""

_SOCKET_BUFFER = 16 << 20
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_SCHEDULED = 2
"""The kernel's CPUCLOCK_SCHED: time on a processor, of the process whose inverted id is above."""


@dataclass(frozen=True)
class Ends:
    """Two ends: frames sent into one arrive at the other."""

    sender: int
    receiver: int
    segmented: bool = False
    """Whether the sender may let the kernel cut one message into datagrams."""


Medium = Callable[[], contextlib.AbstractContextManager[Ends]]


def udp_end(own: int, peer: int) -> socket.socket:
    """A socket on the port `own`, connected to the port `peer`, both of loopback."""
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    widen(end)
    end.bind((LOOPBACK, own))
    end.connect((LOOPBACK, peer))
    return end


def widen(end: socket.socket) -> None:
    """Sets large buffers for floods, and a receive timeout of `QUIET` seconds."""
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
    ours, theirs = choose_ports(2)
    with udp_end(ours, theirs) as sender, udp_end(theirs, ours) as receiver:
        yield Ends(sender.fileno(), receiver.fileno())


@contextlib.contextmanager
def direct_unix() -> Iterator[Ends]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        widen(receiver)
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
        file = f"{folder}/link0.pcapng"
        undo.enter_context(running([sys.executable, "-c", _CAPTURE, str(client.socket_path), file]))
        Deadline.scaled(20).wait_for(
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
    with running_fabric() as found:
        yield found.ends, found.client


@dataclass(frozen=True)
class RunningFabric:
    """A fabric of three links, its client and its process."""

    ends: Ends
    client: FabricClient
    pid: int

    def cpu_time(self) -> float:
        """CPU time of its process, seconds (clock_getcpuclockid(3))."""
        return time.clock_gettime((~self.pid << 3) | _SCHEDULED)


@contextlib.contextmanager
def running_fabric() -> Iterator[RunningFabric]:
    """The same, with its process."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="fabric-")))
        ports = choose_ports(6)
        pairs = list(zip(ports[::2], ports[1::2], strict=True))
        ends = [undo.enter_context(udp_end(own, peer)) for peer, own in pairs]
        FabricConfig(
            networks=("wire",),
            links=tuple(
                LinkConfig(name=f"link{n}", network="wire", fabric_port=port, endpoint_port=own)
                for n, (port, own) in enumerate(pairs)
            ),
            seed=1,
        ).write(folder / "fabric.json")
        argv = [sys.executable, "-m", "edge_lab.fabric", "--config", str(folder / "fabric.json")]
        process = undo.enter_context(running([*argv, "--socket", str(folder / "control")]))
        client = FabricClient(folder / "control")
        client.wait_ready(Deadline.scaled(20))
        ends[1].send(ethernet_frame(64, RECEIVER, SENDER))
        ends[0].recv(ROOM)
        assert process.poll() is None
        way = Ends(ends[0].fileno(), ends[1].fileno(), segmented=True)
        yield RunningFabric(way, client, process.pid)


def faulty_fabric() -> contextlib.AbstractContextManager[Ends]:
    """The fabric with `FAULTS` on the way from sender to receiver."""
    return fabric(FAULTS)
