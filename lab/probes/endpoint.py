"""A port that listens, as data: what it is, who is meant to get in, and what each probe shall meet.

Control planes, edge runtimes and add-ons declare theirs; what listens on a wire and is declared by
nobody is a finding.
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
    """TLS with something else than HTTP/1 in it."""
    OTHER = "other"


class Reach(StrEnum):
    WIRE = "wire"
    """On an address that other nodes reach."""
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
    """Who is meant to get in, in words."""
    policy: Policy = NOT_PROBED
    reach: Reach = Reach.WIRE
    domain: TrustDomain = CLUSTER
    """Whose certificates it takes."""
    right: CertificateSpec | None = None
    """What the peer that is meant to get in shows; in its names, `{client}` is the node that the
    probe comes from."""
    request: Request | None = field(default_factory=Request)
    """What is asked; `{client}` as in `right`. None where the handshake is all."""
    alpn: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """Where it listens, if not on all addresses of the node that `reach` means."""

    @property
    def id(self) -> str:
        return f"{self.node}/{self.name}"

    def as_client(self, client: str) -> Endpoint:
        """As it is for probes from `client`."""
        right = self.right and replace(
            self.right, common_name=self.right.common_name.format(client=client)
        )
        request = self.request and replace(
            self.request, path=self.request.path.format(client=client)
        )
        return replace(self, right=right, request=request)


def plain_on_loopback(name: str, node: str, port: int, path: str, purpose: str) -> Endpoint:
    """Plain HTTP for whoever is on the node, as programs are asked how they are."""
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
    """A control plane or an edge runtime that says which ports of a lab are its own."""

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        """Those on the server node and on edge nodes."""
        ...
