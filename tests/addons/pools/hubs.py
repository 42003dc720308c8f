"""yurthub as a process of this host for a hollow node, by the lab's own command line.

Its paths below /etc and /var/lib are fixed, so it gets a mount namespace of its own in which both
are overlaid with its files.
"""

from __future__ import annotations

import contextlib
import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.pools.membership import pool_of
from edge_lab.addons.pools.names import NAMESPACE
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.pki import CLUSTER
from edge_lab.stacks import ApiEndpoint
from edge_lab.stacks import identities as names
from edge_lab.stacks.kubelet import CLIENT_PEM, CLUSTER_CA, node_kubeconfig
from edge_lab.stacks.openyurt import CACHE, HUB_KUBECONFIG, ROOT, YURTHUB, OpenYurt
from edge_lab.topology import Node, Topology
from tests.controlplane import NativeControlPlane
from tests.probes.api_server import program, running

LIMIT = 240.0
OVERLAY = (
    "mount -t overlay overlay -o lowerdir=$0/etc:/etc /etc && "
    'mount -t overlay overlay -o lowerdir=$0/var/lib:/var/lib /var/lib && exec "$@"'
)
PORT_FLAGS = ("--proxy-port", "--serve-port", "--proxy-secure-port", "--multiplexer-port")


def hub_program() -> Path:
    """yurthub; skips the test where the lab has not built it, or mounts are not permitted."""
    found = program(YURTHUB)
    if found is None:
        pytest.skip("the lab has not built yurthub for this host: Want('yurthub', host_arch())")
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    return found


@dataclass(frozen=True)
class Hub:
    """yurthub of one node."""

    node: str
    pool: str
    port: int
    health: int
    log: Path

    def healthy(self) -> bool:
        """Whether it is ready to serve."""
        url = f"http://127.0.0.1:{self.health}/v1/readyz"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)

    def given(self, service: str, agent: str = "kube-proxy/v1.34.4") -> frozenset[str]:
        """The addresses that it leaves of a Service's endpoints for a program of the node."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/apis/discovery.k8s.io/v1/endpointslices",
            headers={"User-Agent": agent, "Accept": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            slices: list[dict[str, Any]] = json.load(answer)["items"]
        return frozenset(
            address
            for endpoint_slice in slices
            if endpoint_slice["metadata"]["namespace"] == NAMESPACE
            and endpoint_slice["metadata"]["labels"]["kubernetes.io/service-name"] == service
            for endpoint in endpoint_slice.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready")
            for address in endpoint["addresses"]
        )


def _files(folder: Path, plane: NativeControlPlane, api: ApiEndpoint, node: str) -> None:
    identity = plane.pki.authority(CLUSTER).issue(names.node_client_spec(node))
    contents = {
        HUB_KUBECONFIG: node_kubeconfig(api).encode(),
        CLUSTER_CA: api.ca_pem,
        CLIENT_PEM: identity.combined_pem,
    }
    for path, content in contents.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)


@contextlib.contextmanager
def _signing(folder: Path, plane: NativeControlPlane) -> Iterator[None]:
    """The controller that signs approved requests for certificates, which yurthub needs."""
    authority = plane.pki.authority(CLUSTER).identity
    for name, content in {"ca.crt": authority.certificate_pem, "ca.key": authority.key_pem}.items():
        (folder / name).write_bytes(content)
    manager = program("kube-controller-manager")
    command = [
        str(manager),
        f"--kubeconfig={plane.folder}/{names.CONTROLLER_MANAGER}.kubeconfig",
        "--controllers=certificatesigningrequest-signing-controller",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--secure-port=0",
        f"--cluster-signing-cert-file={folder}/ca.crt",
        f"--cluster-signing-key-file={folder}/ca.key",
    ]
    with running(command, folder / "signing.log"):
        yield


@dataclass
class Hubs:
    """yurthub of each edge node."""

    folder: Path
    plane: NativeControlPlane
    topology: Topology
    api: ApiEndpoint
    found: dict[str, Hub] = field(default_factory=dict)
    _running: dict[str, contextlib.ExitStack] = field(default_factory=dict)

    def start(self, node: str, pool: str) -> None:
        """Starts yurthub of a node with the name of that pool, again if it runs with another."""
        if node in self.found and self.found[node].pool == pool:
            return
        self.end(node)
        folder = self.folder / node
        command, hub = _command(folder, self.topology, self.topology.node(node), self.api, pool)
        self._running[node] = contextlib.ExitStack()
        self._running[node].enter_context(running(command, hub.log))
        self.found[node] = hub

    def end(self, node: str) -> None:
        if node in self._running:
            self._running.pop(node).close()

    def wait_ready(self) -> None:
        limit, kubectl = Deadline.scaled(LIMIT), self.plane.kubectl

        def ready() -> bool:
            for request in kubectl.pending_requests(limit):
                kubectl.approve_csr(request.name, limit)
            return all(hub.healthy() for hub in self.found.values())

        limit.wait_for("yurthub is ready", ready, transient=(OSError, *NOT_YET))


@contextlib.contextmanager
def running_hubs(folder: Path, plane: NativeControlPlane, topology: Topology) -> Iterator[Hubs]:
    """yurthub of each edge node, ready, in the pool of the topology."""
    folder.mkdir()
    api = ApiEndpoint(plane.url, plane.pki.authority(CLUSTER).certificate_pem, "")
    # Its objects are the same in each lab.
    context: Any = None
    objects = OpenYurt().manifests(context)
    plane.kubectl.apply_patiently("rights of yurthub", objects, Deadline.scaled(LIMIT))
    hubs = Hubs(folder, plane, topology, api)
    with _signing(folder, plane):
        try:
            for node in topology.edges:
                (folder / node.name).mkdir()
                _files(folder / node.name, plane, api, node.name)
                hubs.start(node.name, pool_of(node))
            hubs.wait_ready()
            yield hubs
        finally:
            for node in topology.edges:
                hubs.end(node.name)


def _command(
    folder: Path, topology: Topology, node: Node, api: ApiEndpoint, pool: str
) -> tuple[list[str], Hub]:
    ports = choose_ports(len(PORT_FLAGS))
    words = [
        word.replace(f"={ROOT}", f"={folder}/root").replace(f"={CACHE}/", f"={folder}/cache/")
        for word in OpenYurt().hub_service(topology, node, api, pool).command[1:]
    ]
    words += [f"{flag}={port}" for flag, port in zip(PORT_FLAGS, ports, strict=True)]
    command = ["unshare", "--mount", "sh", "-c", OVERLAY, str(folder), str(hub_program()), *words]
    return command, Hub(node.name, pool, ports[0], ports[1], folder / "yurthub.log")
