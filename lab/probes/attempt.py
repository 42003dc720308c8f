"""One attempt: where, with which certificate or token, and in which protocol version."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

from OpenSSL import SSL

from edge_lab.pki import Identity
from edge_lab.probes.request import Request


class TlsVersion(IntEnum):
    """TLS versions, numbered as in the protocol and by OpenSSL."""

    TLS1_0 = SSL.TLS1_VERSION
    TLS1_1 = SSL.TLS1_1_VERSION
    TLS1_2 = SSL.TLS1_2_VERSION
    TLS1_3 = SSL.TLS1_3_VERSION


@dataclass(frozen=True)
class Resumable:
    """A session, and the context that it belongs to: OpenSSL does not accept it in another."""

    context: SSL.Context = field(repr=False)
    session: SSL.Session = field(repr=False)


@dataclass(frozen=True)
class Attempt:
    """One attempt. Each gets its own TLS context, and no session except the one that it steals."""

    endpoint: str
    probe: str
    address: str
    port: int
    identity: Identity | None = None
    plain: bool = False
    """Speaks no TLS."""
    request: Request | None = field(default_factory=Request)
    """None if nothing is requested: then the acceptance of the certificate is the result."""
    alpn: tuple[str, ...] = ()
    least: TlsVersion = TlsVersion.TLS1_2
    most: TlsVersion = TlsVersion.TLS1_3
    bearer: str = field(default="", repr=False)
    stolen: Resumable | None = field(default=None, repr=False)
    """Another connection's session, to be resumed."""

    def only(self, version: TlsVersion) -> Attempt:
        return replace(self, least=version, most=version)
