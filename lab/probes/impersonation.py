"""What a node may do to another node's objects, by requests to the API server.

The Node authorizer and the admission plugin NodeRestriction limit a node to its own objects. Each
request here is one by node A for an object of node B with A's certificate.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.expected import Expected, Policy, let_in, status
from edge_lab.probes.request import Request

MERGE = "application/merge-patch+json"
DRY = "?dryRun=All"
"""Authorization and admission come first: even an admitted request changes nothing."""


@dataclass(frozen=True)
class Trespass:
    """A request for another node's object, and the expected answer."""

    name: str
    request: Request
    expected: Expected


def trespasses(own: str, other: str) -> Iterator[Trespass]:
    """Requests of node `own` for objects of `other`; the first are for its own, for comparison."""
    refused = status(403)
    label = json.dumps({"metadata": {"labels": {"edge-lab/trespass": "yes"}}})
    pods = "/api/v1/pods?fieldSelector=spec.nodeName%3D"
    yield Trespass("read-own-node", Request(f"/api/v1/nodes/{own}"), let_in(200, 404))
    yield Trespass("list-own-pods", _secret(f"{pods}{own}"), let_in(200))
    yield Trespass("read-node", Request(f"/api/v1/nodes/{other}"), refused)
    yield Trespass("list-nodes", _secret("/api/v1/nodes"), refused)
    yield Trespass("list-pods", _secret(f"{pods}{other}"), refused)
    yield Trespass("list-all-pods", _secret("/api/v1/pods"), refused)
    yield Trespass("list-secrets", _secret("/api/v1/secrets"), refused)
    yield Trespass("list-config-maps", _secret("/api/v1/namespaces/edge-lab/configmaps"), refused)
    for name, path in (
        ("label-node", f"/api/v1/nodes/{other}"),
        ("report-for-node", f"/api/v1/nodes/{other}/status"),
        ("renew-lease", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{other}"),
    ):
        patch = Request(f"{path}{DRY}", method="PATCH", body=label, content_type=MERGE)
        yield Trespass(name, patch, refused)
    yield Trespass("delete-node", Request(f"/api/v1/nodes/{other}{DRY}", method="DELETE"), refused)
    yield Trespass("mirror-pod", _mirror_pod(other), refused)
    group = "/apis/rbac.authorization.k8s.io/v1"
    yield Trespass("list-roles", Request(f"{group}/clusterroles"), refused)


def _secret(path: str) -> Request:
    """The content of the answer must not be recorded."""
    return Request(path, confidential=True)


def _mirror_pod(node: str) -> Request:
    """A node may create mirror pods that are bound to itself."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "trespass",
            "namespace": "default",
            "annotations": {"kubernetes.io/config.mirror": "x"},
        },
        "spec": {"nodeName": node, "containers": [{"name": "x", "image": "x"}]},
    }
    return Request(f"/api/v1/namespaces/default/pods{DRY}", method="POST", body=json.dumps(pod))


def trespass_endpoints(api: Endpoint, own: str, other: str) -> tuple[Endpoint, ...]:
    """The API server's endpoint once for each request, with the expected result for the right
    certificate."""
    return tuple(
        replace(
            api,
            name=f"{api.name}/{trespass.name}",
            request=trespass.request,
            policy=Policy("a node's own objects", {"right": trespass.expected}),
        )
        for trespass in trespasses(own, other)
    )
