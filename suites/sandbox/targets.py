"""Targets of hostile pods on a node: its agents, its devices, a folder, the API server."""

from __future__ import annotations

import contextlib
import secrets
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.rbac import Rule, binding_manifest, role_manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import MissingCapability
from edge_lab.devices.points import MODBUS_PORT
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.machines.guest import MANAGEMENT_ADDRESS, SSH_PORT
from edge_lab.oracles.sandbox.aimed import (
    MANAGEMENT_PATH,
    METADATA,
    on_loopback,
    on_the_wire,
    with_host_network,
)
from edge_lab.oracles.sandbox.expected import Row
from edge_lab.probes.endpoint import Reach
from edge_lab.stacks.base import API_PORT
from edge_lab.topology.protocols import Protocol

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
FOLDER = "/var/lib/edge-lab/hostile"
OUTSIDE = "outside"
METADATA_ADDRESS, METADATA_PORT = "169.254.169.254", 80
METADATA_OPTION = ("--tcp", f"metadata={METADATA_ADDRESS}:{METADATA_PORT}")
_METADATA_UNIT = "edge-lab-metadata"
MANAGEMENT = f"{MANAGEMENT_ADDRESS.ip}:{SSH_PORT}"
"""sshd of each node."""


def agents_of(lab: Lab, node: str) -> tuple[tuple[str, ...], Mapping[str, Row]]:
    """The listeners of the node, on loopback and on its address, and a cloud's metadata service:
    the options of a pod, and the expectations of its attempts."""
    options = [*METADATA_OPTION, "--tcp", f"management={MANAGEMENT}"]
    rows = {**METADATA, **MANAGEMENT_PATH}
    address = lab.topology.cluster_link(node).address
    for endpoint in lab.platform.endpoints(lab.topology):
        if endpoint.node != node:
            continue
        local = endpoint.reach is Reach.LOOPBACK
        name = f"{'loopback' if local else 'wire'}-{endpoint.name}"
        options += ["--tcp", f"{name}={'127.0.0.1' if local else address}:{endpoint.port}"]
        rows[f"tcp-{name}"] = on_loopback(endpoint.name) if local else on_the_wire(endpoint.name)
    return tuple(options), rows


@contextlib.contextmanager
def metadata_service(node: LabNode) -> Iterator[None]:
    """While the block runs, the node has the address of a cloud's metadata service, with a
    listener."""
    address = f"{METADATA_ADDRESS}/32 dev lo"
    program = (
        "import socket, sys; s = socket.create_server((sys.argv[1], int(sys.argv[2])))\n"
        "while True: s.accept()[0].close()"
    )
    words = ("python3", "-I", "-c", program, METADATA_ADDRESS, str(METADATA_PORT))
    listening = f"ss -Hltn src {METADATA_ADDRESS} | grep -q ."
    try:  # they may exist even if the response came too late
        node.output(
            f"ip address add {address} && systemd-run --quiet --collect --unit={_METADATA_UNIT} "
            + shlex.join(words)
        )
        Deadline.scaled(60).wait_for(
            f"another process listens at {METADATA_ADDRESS} of {node}",
            lambda: node.succeeds(listening),
            every=1.0,
        )
        yield
    finally:
        node.output(
            f"systemctl stop {_METADATA_UNIT}.service 2>/dev/null; "
            f"ip address del {address} 2>/dev/null; true"
        )


def local_services(lab: Lab, node: str) -> tuple[tuple[str, ...], Mapping[str, Row]]:
    """Targets that only the node's own programs can reach: listeners on its loopback, and sshd. The
    options of a pod with hostNetwork, and the expectations of its attempts."""
    places = {
        endpoint.name: f"127.0.0.1:{endpoint.port}"
        for endpoint in lab.platform.endpoints(lab.topology)
        if endpoint.node == node and endpoint.reach is Reach.LOOPBACK
    }
    places["management"] = MANAGEMENT
    options = [word for name, place in places.items() for word in ("--tcp", f"host-{name}={place}")]
    return tuple(options), {f"tcp-host-{name}": with_host_network(name) for name in places}


def device_options(lab: Lab, node: str) -> tuple[str, ...]:
    """A Modbus device that is on a network of the node's.

    Raises:
        MissingCapability: there is none.
    """
    networks = {link.network for link in lab.topology.links_of(node)}
    for device in lab.topology.devices:
        for link in lab.topology.links_of(device.name):
            if str(device.protocol) == Protocol.MODBUS and link.network in networks:
                place = f"{link.address}:{MODBUS_PORT}"
                return ("--tcp", f"device={place}", "--modbus-write", place)
    raise MissingCapability(f"no Modbus device is within reach of {node}")


def api_options(lab: Lab) -> tuple[str, ...]:
    """The API server, with the token of the pod's service account."""
    address = lab.topology.cluster_link(lab.topology.server.name).address
    return ("--api", f"https://{address}:{API_PORT}", "--token", TOKEN_FILE)


_LISTS = {"apiGroups": [""], "resources": ["nodes", "pods", "secrets"], "verbs": ["list"]}
_REQUESTS = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}


def account_that_lists(lab: Lab, limit: TimeLimit) -> contextlib.AbstractContextManager[str]:
    """A service account that may list what `api_options` asks for; its name."""
    return _account(lab, limit, "edge-lab-hostile-lists", _LISTS)


def account_that_requests_tokens(
    lab: Lab, limit: TimeLimit
) -> contextlib.AbstractContextManager[str]:
    """A service account that may create tokens of others; its name."""
    return _account(lab, limit, "edge-lab-hostile-requests", _REQUESTS)


@contextlib.contextmanager
def _account(lab: Lab, limit: TimeLimit, name: str, rule: Rule) -> Iterator[str]:
    """Both account and its role exist while the block runs."""
    user = f"system:serviceaccount:{NAMESPACE}:{name}"
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": NAMESPACE},
    }
    try:
        lab.kubectl.apply(
            [
                account,
                role_manifest(name, [rule]),
                binding_manifest(name, name, [user], subject_kind="User"),
            ],
            limit(60),
        )
        yield name
    finally:
        for kind in ("clusterrolebinding", "clusterrole"):
            lab.kubectl.delete(kind, name, deadline=limit(60))
        lab.kubectl.delete("serviceaccount", name, "-n", NAMESPACE, deadline=limit(60))


@dataclass(frozen=True)
class Folder:
    """A folder of a node that is mounted into a pod, with a file beside it."""

    path: str
    above: str
    """The folder that it and the file are in."""
    marker: str
    """The unique content of the file beside it, and of the pod's file."""

    def options(self, mount: str) -> tuple[str, ...]:
        """For a pod that has it at `mount`."""
        return ("--host-path", mount, "--outside", OUTSIDE, "--marker", self.marker)


@contextlib.contextmanager
def folder_of_the_node(node: LabNode) -> Iterator[Folder]:
    """Creates it for the duration of the block."""
    folder = Folder(f"{FOLDER}/mount", FOLDER, secrets.token_hex(12))
    try:  # the folder may exist even if the response came too late
        node.output(
            f"rm -rf {FOLDER} && mkdir -p {folder.path} && echo in > {folder.path}/inside"
            f" && echo {folder.marker} > {FOLDER}/{OUTSIDE}"
        )
        yield folder
    finally:
        node.output(f"rm -rf {FOLDER}")
