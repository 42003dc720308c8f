"""The ports of the Git server and of the controllers."""

from __future__ import annotations

from edge_lab.addons.gitops.identities import GIT_DOMAIN, READER_SPEC
from edge_lab.addons.gitops.names import (
    ARTIFACT_PORT,
    GIT_PORT,
    GIT_SERVER,
    KUSTOMIZE_CONTROLLER,
    KUSTOMIZE_HEALTH,
    KUSTOMIZE_METRICS,
    SOURCE_CONTROLLER,
    SOURCE_HEALTH,
    SOURCE_METRICS,
)
from edge_lab.core.ports import port_of
from edge_lab.probes.endpoint import Endpoint, Speaks, plain_on_loopback
from edge_lab.probes.expected import MUTUAL_TLS
from edge_lab.probes.request import Request
from edge_lab.topology import Topology


def gitops_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    server = topology.server.name
    git = Endpoint(
        name=GIT_SERVER,
        node=server,
        port=GIT_PORT,
        speaks=Speaks.HTTPS,
        purpose="the Git repository: fetched by source-controller, pushed to by the author",
        admits="clients with a certificate of the git authority, read-only; the author, to push",
        policy=MUTUAL_TLS,
        domain=GIT_DOMAIN,
        right=READER_SPEC,
        request=Request("/healthz"),
    )
    loopback = (
        (f"{SOURCE_CONTROLLER}-artifacts", f":{ARTIFACT_PORT}", "/", "fetched artifacts"),
        (f"{SOURCE_CONTROLLER}-metrics", SOURCE_METRICS, "/metrics", "its metrics"),
        (f"{SOURCE_CONTROLLER}-health", SOURCE_HEALTH, "/healthz", "its health"),
        (f"{KUSTOMIZE_CONTROLLER}-metrics", KUSTOMIZE_METRICS, "/metrics", "its metrics"),
        (f"{KUSTOMIZE_CONTROLLER}-health", KUSTOMIZE_HEALTH, "/healthz", "its health"),
    )
    return (
        git,
        *(
            plain_on_loopback(name, server, port_of(address), path, purpose)
            for name, address, path, purpose in loopback
        ),
    )
