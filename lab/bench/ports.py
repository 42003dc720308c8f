"""The fabric with an interface of the host as an end: a veth pair in a separate namespace."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_lab.bench.frames import RECEIVER, ROOM, SENDER, ethernet_frame
from edge_lab.bench.media import Ends, Medium, udp_end, widen
from edge_lab.bench.processes import running
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.ports import choose_ports
from edge_lab.devices.wire import join_namespace
from edge_lab.fabric import FabricClient, FabricConfig, LinkConfig

NEAR, FAR = "near0", "far0"
_ALL = 0x0003
_SOL_PACKET, _IGNORE_OUTGOING = 263, 23

_CABLE = (
    "ip link set lo up && "
    f"ip link add {NEAR} type veth peer name {FAR} && "
    f"ip link set {NEAR} addrgenmode none up && ip link set {FAR} addrgenmode none up && "
    "echo ready && exec cat"
)


def port_media() -> Mapping[str, Medium]:
    """Both directions by name; none for ordinary users, who cannot create a veth pair."""
    return {"from a port": from_port, "to a port": to_port} if os.geteuid() == 0 else {}


def from_port() -> contextlib.AbstractContextManager[Ends]:
    """Frames enter at an interface and leave at a UDP port."""
    return _port_fabric(to_port=False)


def to_port() -> contextlib.AbstractContextManager[Ends]:
    """The other direction."""
    return _port_fabric(to_port=True)


@contextlib.contextmanager
def _port_fabric(*, to_port: bool) -> Iterator[Ends]:
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="fabric-")))
        undo.enter_context(_inside_of(undo.enter_context(_cable())))
        far = undo.enter_context(_far_end())
        inner, own = choose_ports(2)
        near = undo.enter_context(udp_end(own, inner))
        FabricConfig(
            networks=("wire",),
            links=(
                LinkConfig(name="port", network="wire", interface=NEAR),
                LinkConfig(name="link", network="wire", fabric_port=inner, endpoint_port=own),
            ),
            seed=1,
        ).write(folder / "fabric.json")
        argv = [sys.executable, "-m", "edge_lab.fabric", "--config", str(folder / "fabric.json")]
        undo.enter_context(running([*argv, "--socket", str(folder / "control")]))
        FabricClient(folder / "control").wait_ready(Deadline.scaled(20))
        near.send(ethernet_frame(64, RECEIVER, SENDER))
        far.recv(ROOM)
        ends = (near.fileno(), far.fileno()) if to_port else (far.fileno(), near.fileno())
        yield Ends(*ends, segmented=to_port)


@contextlib.contextmanager
def _cable() -> Iterator[int]:
    """A process in a namespace with both ends of a veth pair."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", _CABLE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != "ready\n":
            raise LabError(
                "cannot make a cable for the benchmark", remedy="Run the benchmark as root."
            )
        yield holder.pid
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


@contextlib.contextmanager
def _inside_of(pid: int) -> Iterator[None]:
    """Moves this process into the network namespace of another; sockets opened there stay in it."""
    own = os.getpid()
    home = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert home.stdin is not None
    try:
        join_namespace(pid)
        yield
    finally:
        assert os.getpid() == own
        join_namespace(home.pid)
        home.stdin.close()
        home.wait()


def _far_end() -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    widen(end)
    end.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    end.bind((FAR, _ALL))
    return end
