"""A listening port, as data: what it is, who is to be admitted, and the expected probe results.

Control planes, edge runtimes and add-ons declare theirs; an undeclared port on a link is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

from edge_lab.pki import CLUSTER, CertificateSpec, TrustDomain
from edge_lab.probes.expected import ANYONE_BY_HTTP, NOT_PROBED, Policy, loopback
from edge_lab.probes.request import Request
from edge_lab.topology import Topology


class Speaks(StrEnum):
    HTTPS = "HTTPS"
    HTTP = "HTTP"
    TLS = "TLS"
    """TLS with another protocol than HTTP/1."""
    OTHER = "other"


class Reach(StrEnum):
    WIRE = "wire"
    """On an address that other nodes can reach."""
    LOOPBACK = "loopback"


@dataclass(frozen=True)
class Endpoint:
    """One port of one node, or of a device."""

    name: str
    """Unique on its node."""
    node: str
    port: int
    speaks: Speaks
    purpose: str
    admits: str
    """Who is to be admitted, in words."""
    policy: Policy = NOT_PROBED
    reach: Reach = Reach.WIRE
    domain: TrustDomain = CLUSTER
    """The domain whose certificates it accepts."""
    right: CertificateSpec | None = None
    """What the peer that is to be admitted presents; in its names, `{client}` is the probing
    node."""
    request: Request | None = field(default_factory=Request)
    """The request; `{client}` as in `right`. None if there is only a handshake."""
    alpn: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """Where it listens, if not on all addresses of the node that `reach` implies."""

    @property
    def id(self) -> str:
        return f"{self.node}/{self.name}"

    def as_client(self, client: str) -> Endpoint:
        """The endpoint for probes from `client`."""
        right = self.right and replace(
            self.right, common_name=self.right.common_name.format(client=client)
        )
        request = self.request and replace(
            self.request, path=self.request.path.format(client=client)
        )
        return replace(self, right=right, request=request)


def plain_on_loopback(name: str, node: str, port: int, path: str, purpose: str) -> Endpoint:
    """Plain HTTP for everyone on the node, as for health checks."""
    return Endpoint(
        name=name,
        node=node,
        port=port,
        speaks=Speaks.HTTP,
        purpose=purpose,
        admits="anyone on the node",
        policy=loopback(ANYONE_BY_HTTP),
        reach=Reach.LOOPBACK,
        request=Request(path),
    )


@runtime_checkable
class Listens(Protocol):
    """A control plane or an edge runtime that declares its ports."""

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        """Its ports on the server node and on edge nodes."""
        ...
