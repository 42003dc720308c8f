"""A fabric with a real port on its wire, whose other end is a network stack of its own.

In an outer namespace: the fabric, a device, and a node in the place of a guest.  A cable (veth)
leads from the port `eth1` to the namespace in which the station is, which stands for a PLC.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.devices import DeviceClient
from edge_lab.fabric import FabricClient, FabricConfig, LinkConfig
from tests.devices.plant_site import HERE as DEVICES
from tests.devices.plant_site import boiler_spec
from tests.namespaces import Namespace, connect, new_namespace

PORT, STATION_NIC, NODE_NIC = "eth1", "plc0", "plant0"
STATION, NODE, BOILER = "10.78.0.120", "10.78.0.11", "10.78.0.101"
STATION_LINK, NODE_LINK, BOILER_LINK = "plc-plant", "edge-plant", "boiler-plant"

PATIENCE = 120.0
"""s in which a process must have begun, on a busy machine."""


@dataclass(frozen=True)
class HostSite:
    folder: Path
    outer: Namespace
    station: Namespace
    node: Namespace
    fabric: FabricClient
    boiler: DeviceClient


@contextlib.contextmanager
def host_site(folder: Path) -> Iterator[HostSite]:
    with contextlib.ExitStack() as undo:
        outer = undo.enter_context(new_namespace())
        station = undo.enter_context(new_namespace(outer))
        connect(outer, PORT, station, STATION_NIC)
        station.run("ip", "address", "add", f"{STATION}/24", "dev", STATION_NIC)
        node_ports = choose_ports(2)
        spec = boiler_spec(folder)
        config = folder / "fabric.json"
        FabricConfig(
            networks=("plant",),
            links=(
                LinkConfig(name=STATION_LINK, network="plant", interface=PORT),
                LinkConfig(
                    name=NODE_LINK,
                    network="plant",
                    fabric_port=node_ports[0],
                    endpoint_port=node_ports[1],
                ),
                LinkConfig(
                    name=BOILER_LINK,
                    network="plant",
                    fabric_port=spec.fabric_port,
                    endpoint_port=spec.endpoint_port,
                ),
            ),
            seed=3,
        ).write(config)
        control = folder / "fabric.sock"
        fabric = FabricClient(control)
        words = (sys.executable, "-m", "edge_lab.fabric", "--config", str(config))
        process = undo.enter_context(outer.running(*words, "--socket", str(control)))

        def alive() -> None:
            if process.poll() is not None:
                raise AssertionError(process.communicate()[1])

        fabric.wait_ready(Deadline.after(PATIENCE), watch=alive)
        spec_file = folder / "boiler.json"
        spec_file.write_text(spec.model_dump_json())
        device = (sys.executable, "-m", "edge_lab.devices", "--spec", str(spec_file))
        undo.enter_context(outer.running(*device))
        boiler = DeviceClient(spec.folder)
        boiler.wait_ready(Deadline.after(PATIENCE), watch=alive)
        node = undo.enter_context(_node(outer, node_ports))
        yield HostSite(folder, outer, station, node, fabric, boiler)


@contextlib.contextmanager
def _node(outer: Namespace, ports: tuple[int, ...]) -> Iterator[Namespace]:
    """A stack behind UDP, as a guest's is."""
    peer = [sys.executable, str(DEVICES / "peer.py"), "--address", f"{NODE}/24"]
    holder = ["sh", "-c", "echo $$ && exec cat"]
    command = [*peer, "--wire", f"{ports[1]}:{ports[0]}", "--", *holder]
    with outer.running(*command) as process:
        assert process.stdout is not None
        yield Namespace(int(process.stdout.readline()))


class NamespaceMachine:
    """As much of a machine as probes need: commands are run in a namespace."""

    def __init__(self, place: Namespace) -> None:
        self._place = place

    def run(
        self, command: str, deadline: Deadline, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return self._place.try_run("sh", "-c", command, seconds=deadline.remaining)

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._place.argv(["sh", "-c", command]), stdout=subprocess.PIPE)

    def set_carrier(self, mac: str, up: bool) -> Any:
        raise AssertionError("nothing here has a carrier that could be switched")


READ = """
import socket, struct, sys
with socket.create_connection((sys.argv[1], 502), timeout=60) as line:
    line.sendall(struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 0, 10))
    answer = b""
    while len(answer) < 29:
        answer += line.recv(100)
print(*struct.unpack(">10H", answer[9:]))
"""
"""Reads the first ten holding registers by Modbus TCP."""

POLL = """
import socket, struct, sys, time
line = None
while True:
    try:
        if line is None:
            line = socket.create_connection((sys.argv[1], 502), timeout=2)
        line.sendall(struct.pack(">HHHBBHH", 7, 0, 6, 1, 3, 0, 10))
        print(line.recv(100).hex(), flush=True)
    except OSError:
        line = None
    time.sleep(0.05)
"""
"""Reads for ever over one connection, makes another if that dies, and prints each answer."""

RECEIVE = """
import hashlib, socket, sys
server = socket.create_server((sys.argv[1], 5000))
print("ready", flush=True)
line, _ = server.accept()
line.settimeout(60)
seen = hashlib.sha256()
while data := line.recv(1 << 16):
    seen.update(data)
print(seen.hexdigest(), flush=True)
"""

SEND = """
import hashlib, random, socket, sys
data = random.Random(5).randbytes(int(sys.argv[2]))
with socket.create_connection((sys.argv[1], 5000), timeout=60) as line:
    line.sendall(data)
print(hashlib.sha256(data).hexdigest())
"""

SAY = """
import socket, sys
line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
line.bind((sys.argv[1], 0))
for frame in sys.argv[2:]:
    line.send(bytes.fromhex(frame))
"""
"""Sends frames as they are."""

HEAR = """
import socket, struct, sys
line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
line.setsockopt(263, 23, 1)
line.setsockopt(263, 8, 1)
line.bind((sys.argv[1], 3))
print("ready", flush=True)
while True:
    frame, said, _, _ = line.recvmsg(2000, 100)
    if frame[6:12] == bytes.fromhex("020000000077"):
        status, *_, control, _ = struct.unpack_from("=IIIHHHH", said[0][2])
        tag = f"{control & 0xfff} {control >> 13}" if status & 0x10 else "none"
        print(tag, flush=True)
"""
"""Says the VLAN and the priority of each frame of the sender 02:00:00:00:00:77."""
