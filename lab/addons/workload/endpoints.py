"""The collector's port; samplers listen in the pod network alone."""

from __future__ import annotations

from edge_lab.addons.workload.manifests import COLLECTOR, COLLECTOR_PORT
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.expected import ANYONE_BY_HTTP
from edge_lab.probes.request import Request
from edge_lab.topology import Topology


def workload_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            name=COLLECTOR,
            node=topology.server.name,
            port=COLLECTOR_PORT,
            speaks=Speaks.HTTP,
            purpose="samples of the edge nodes",
            admits="anyone on the cloud's network: samples are no secret, and it asks nobody",
            policy=ANYONE_BY_HTTP,
            request=Request("/healthz"),
        ),
    )
