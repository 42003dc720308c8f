"""yurthub as a process of this host for a hollow node, by the lab's own command line.

Its paths below /etc and /var/lib are fixed, so it gets a mount namespace of its own in which both
are overlaid with its files.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    port: int
    health: int
    log: Path

    def healthy(self) -> bool:
        """Whether it is ready to serve."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health}/v1/readyz", timeout=10) as answer:
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
            for each in slices
            if each["metadata"]["namespace"] == NAMESPACE
            and each["metadata"]["labels"]["kubernetes.io/service-name"] == service
            for endpoint in each.get("endpoints") or ()
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


@contextlib.contextmanager
def running_hubs(
    folder: Path, plane: NativeControlPlane, topology: Topology, pools: Mapping[str, str]
) -> Iterator[dict[str, Hub]]:
    """yurthub of each edge node, ready. `pools` are pools that differ from the topology's."""
    folder.mkdir()
    api = ApiEndpoint(plane.url, plane.pki.authority(CLUSTER).certificate_pem, "")
    limit, runtime = Deadline.scaled(LIMIT), OpenYurt()
    # Its objects are the same in each lab.
    context: Any = None
    plane.kubectl.apply_patiently("rights of yurthub", runtime.manifests(context), limit)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_signing(folder, plane))
        hubs = {}
        for node in topology.edges:
            pool = pools.get(node.name, pool_of(node))
            command, hub = _command(folder / node.name, topology, node, api, pool)
            _files(folder / node.name, plane, api, node.name)
            stack.enter_context(running(command, hub.log))
            hubs[node.name] = hub

        def ready() -> bool:
            for request in plane.kubectl.pending_requests(limit):
                plane.kubectl.approve_csr(request.name, limit)
            return all(hub.healthy() for hub in hubs.values())

        limit.wait_for("yurthub is ready", ready, transient=(OSError, *NOT_YET))
        yield hubs


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
    folder.mkdir()
    return command, Hub(node.name, ports[0], ports[1], folder / "yurthub.log")
