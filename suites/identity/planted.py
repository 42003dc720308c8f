"""Endpoints with planted defects on a node of a running lab, for negative controls."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.machines import Machine
from edge_lab.pki import Authority, CertificateSpec, Usage
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint, Reach, Speaks
from edge_lab.probes.expected import (
    FROM_WIRE,
    VERIFIED_BY_HTTP,
    Policy,
    alert,
    no_tls,
    status,
    unreachable,
)
from edge_lab.probes.listeners import COMMAND, listeners_of
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks.endpoints import HUB_MULTIPLEXER_PORT, NODE_CLIENT, yurthub_endpoints
from edge_lab.stacks.openyurt import YURTHUB_UNIT

if TYPE_CHECKING:
    from edge_lab.topology import Topology

PORT = 18443
FOLDER = "/run/edge-lab-open-endpoint"
UNIT = "edge-lab-open-endpoint"
START_SECONDS, HUB_SECONDS = 60.0, 120.0

OPEN_SERVER = '''\
"""Answers any client with 200, with any TLS or none."""

import socket
import ssl
import sys

folder, port = sys.argv[1], int(sys.argv[2])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/tls.pem")
context.set_ciphers("ALL:@SECLEVEL=0")
context.minimum_version = ssl.TLSVersion.TLSv1
listener = socket.create_server(("", port))
while True:
    peer, _ = listener.accept()
    peer.settimeout(20)
    try:
        if peer.recv(1, socket.MSG_PEEK) == b"\\x16":
            peer = context.wrap_socket(peer, server_side=True)
        if peer.recv(65536):
            peer.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    except OSError as trouble:
        print(trouble, flush=True)
    finally:
        peer.close()
'''

INSECURE_UNIT = "edge-lab-insecure-client"
INSECURE_FILE = "/run/edge-lab-insecure-client.py"
INSECURE_CLIENT = '''\
"""Sends requests to the server at an address, and verifies nothing."""

import socket
import ssl
import sys
import time

address, port = sys.argv[1], int(sys.argv[2])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
while True:
    try:
        with socket.create_connection((address, port), 20) as plain:
            with context.wrap_socket(plain) as peer:
                peer.sendall(b"GET /version HTTP/1.0\\r\\nHost: cloud\\r\\n\\r\\n")
                while peer.recv(65536):
                    pass
    except OSError as trouble:
        print(trouble, flush=True)
    time.sleep(0.5)
'''

STRICT = VERIFIED_BY_HTTP.but(
    "strict",
    other_node=status(403),
    weak_key=alert(42),
    stolen_ticket=status(401),
    tls=no_tls(),
)
"""Every probe except the right one must be refused. A plain-text server could pass `tls`; here it
must be red, like all others."""


def planted_endpoint(node: str, port: int = PORT) -> Endpoint:
    return Endpoint(
        name="open-endpoint",
        node=node,
        port=port,
        speaks=Speaks.HTTPS,
        purpose="a negative control",
        admits="the right peer only",
        policy=STRICT,
        right=NODE_CLIENT,
    )


def on_loopback(endpoint: Endpoint) -> Endpoint:
    """The same, declared to be only for its own node."""
    apart = Policy("loopback only", {FROM_WIRE: unreachable()})
    return replace(endpoint, name=f"{endpoint.name}-local", reach=Reach.LOOPBACK, policy=apart)


@contextlib.contextmanager
def open_endpoint(node: LabNode, authority: Authority, time_limit: TimeLimit) -> Iterator[Endpoint]:
    """An endpoint that admits anyone while the block runs."""
    machine, limit = node.machine, time_limit(START_SECONDS)
    shown = authority.issue(CertificateSpec("open-endpoint", usages=(Usage.SERVER,)))
    machine.write(GuestFile(f"{FOLDER}/tls.pem", shown.combined_pem, 0o600), limit)
    machine.write(GuestFile.text(f"{FOLDER}/server.py", OPEN_SERVER), limit)
    machine.run(
        f"systemd-run --quiet --collect --unit={UNIT} "
        f"/usr/bin/python3 {FOLDER}/server.py {FOLDER} {PORT}",
        limit,
    )
    try:
        limit.wait_for("the open endpoint accepts connections", lambda: listens(machine, PORT))
        yield planted_endpoint(node.name)
    finally:
        after = time_limit(START_SECONDS)
        machine.run(f"systemctl stop {UNIT}; rm -rf {FOLDER}", after, check=False)


@contextlib.contextmanager
def insecure_client(node: LabNode, client: CloudClient, time_limit: TimeLimit) -> Iterator[str]:
    """A unit on the node that connects to the server of `client` and verifies nothing; yields its
    name."""
    machine, limit = node.machine, time_limit(START_SECONDS)
    machine.write(GuestFile.text(INSECURE_FILE, INSECURE_CLIENT), limit)
    machine.run(
        f"systemd-run --quiet --collect --unit={INSECURE_UNIT} "
        f"/usr/bin/python3 {INSECURE_FILE} {client.address} {client.port}",
        limit,
    )
    try:
        yield f"{INSECURE_UNIT}.service"
    finally:
        after = time_limit(START_SECONDS)
        machine.run(f"systemctl stop {INSECURE_UNIT}; rm -f {INSECURE_FILE}", after, check=False)


def listens(machine: Machine, port: int, address: str = "") -> bool:
    seen = listeners_of(machine.run(COMMAND).stdout)
    return any(listener.port == port and address in ("", listener.address) for listener in seen)


@contextlib.contextmanager
def exposed_yurthub(node: LabNode, topology: Topology, time_limit: TimeLimit) -> Iterator[Endpoint]:
    """yurthub's multiplexer on the node's own address, the default without the lab's setting."""
    machine = node.machine
    address = str(topology.cluster_link(node.name).address)
    folder = f"/run/systemd/system/{YURTHUB_UNIT}.d"
    unit = machine.read(f"/etc/systemd/system/{YURTHUB_UNIT}", time_limit(60)).decode()
    (command,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
    opened = command.replace("--node-ip=127.0.0.1", f"--node-ip={address}")
    assert opened != command, f"{node.name}: yurthub is open already: {json.dumps(command)}"
    drop_in = GuestFile.text(f"{folder}/open.conf", f"[Service]\nExecStart=\n{opened}\n")
    again = f"systemctl daemon-reload && systemctl restart {YURTHUB_UNIT}"
    machine.write(drop_in, time_limit(60))
    try:
        limit = time_limit(HUB_SECONDS)
        machine.run(again, limit)
        limit.wait_for(
            "yurthub listens on the wire",
            lambda: listens(machine, HUB_MULTIPLEXER_PORT, address),
        )
        (exposed,) = (
            endpoint
            for endpoint in yurthub_endpoints((node.spec,), multiplexer_on_wire=True)
            if endpoint.port == HUB_MULTIPLEXER_PORT
        )
        yield exposed
    finally:
        limit = time_limit(HUB_SECONDS)
        machine.run(f"rm -rf {folder}; {again}", limit)
        limit.wait_for(
            "yurthub listens on loopback alone",
            lambda: listens(machine, HUB_MULTIPLEXER_PORT, "127.0.0.1"),
        )
