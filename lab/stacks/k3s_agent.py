"""Edge runtime `k3s`: K3s' agent, which can join only a K3s server.

Not run yet, like `edge_lab.stacks.k3s`. It is the second baseline of autonomy: an agent that
reboots while its server is unreachable starts neither kubelet nor static pods (K3s #1686, #10036).
"""

from __future__ import annotations

from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.pki import Request
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.base import ApiEndpoint, EdgeOnly, StackContext, wants_for
from edge_lab.stacks.endpoints import kubelet_endpoints
from edge_lab.stacks.k3s_node import K3S, K3sNode, agent_token
from edge_lab.stacks.kubelet import Kubelet
from edge_lab.stacks.node import IMAGES, POD_NETWORK
from edge_lab.topology import Node, Topology

AGENT = "k3s-agent"
AGENT_UNIT = "k3s-agent.service"
ENVIRONMENT = "/etc/rancher/k3s/k3s-agent.env"

MEMORY_MIB = 400
"""Soft limit of its Go heap; the published memory use of an agent is 275 MB."""


class K3sAgent(EdgeOnly):
    """kubelet and K3s' tunnel in one process, on Debian's containerd."""

    name = "k3s"
    # From its documentation, not observed.
    capabilities = Kubelet.capabilities
    agents: tuple[str, ...] = (AGENT_UNIT,)

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        return wants_for(K3S, topology.edges)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return ()

    def provision(self, ctx: StackContext, node: Node, api: ApiEndpoint) -> Provision:
        k3s = K3sNode(node, "agent", AGENT)
        environment = f"K3S_URL={api.url}\nK3S_TOKEN={agent_token(ctx.pki)}\n"
        return k3s.provision(
            ctx,
            k3s.config(ctx),
            {"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
            GuestFile.text(ENVIRONMENT, environment, 0o600),
            environment_file=ENVIRONMENT,
        )

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        return kubelet_endpoints(topology.edges)

    def units(self) -> tuple[str, ...]:
        return (f"{IMAGES}.service", f"{POD_NETWORK}.service", AGENT_UNIT)

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return ()
