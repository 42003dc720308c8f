"""The catalogue of probes: each entry is one kind of wrong peer, and one is the right peer.

Stacks and add-ons add their own `Probe` with `register`; the policies of endpoints declare by its
name what is expected of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge_lab.core.errors import InputError
from edge_lab.pki import Identity
from edge_lab.probes.attempt import TlsVersion
from edge_lab.probes.mint import Mint


def _nobody(mint: Mint) -> Identity | None:
    return None


@dataclass(frozen=True)
class Probe:
    """One client identity, and the way it connects."""

    name: str
    title: str
    shows: Callable[[Mint], Identity | None] = _nobody
    plain: bool = False
    version: TlsVersion | None = None
    """Only this version; by default TLS 1.2 and 1.3."""
    token: Callable[[], str] | None = None
    steals: bool = False
    """Presents nothing, and resumes the earlier session of a right peer."""
    from_wire: bool = False
    """Connects over the link to an endpoint that is only for its own node."""


def bad_token() -> str:
    """A bearer token without a valid signature."""
    return secrets.token_urlsafe(24)


_PROBES: dict[str, Probe] = {
    probe.name: probe
    for probe in (
        Probe("right", "the right peer", Mint.good),
        Probe("none", "no certificate"),
        Probe("foreign-ca", "a foreign CA", Mint.foreign),
        Probe("foreign-ca-same-name", "a foreign CA of the same name", Mint.foreign_of_same_name),
        Probe("self-signed", "a self-signed certificate", Mint.self_signed),
        Probe("wrong-name", "the right CA, the wrong name", Mint.wrong_name),
        Probe("other-node", "another node's certificate", Mint.other_node),
        Probe("expired", "an expired certificate", Mint.expired),
        Probe("not-yet-valid", "a certificate that is not valid yet", Mint.not_yet_valid),
        Probe("server-certificate", "a server's certificate", Mint.server_certificate),
        Probe("weak-key", "a key of 1,024 bits", Mint.weak_key),
        Probe("sha1-signature", "a signature over SHA-1", Mint.sha1_signature),
        Probe("tls-1.1", "TLS 1.1", Mint.good, version=TlsVersion.TLS1_1),
        Probe("tls-1.0", "TLS 1.0", Mint.good, version=TlsVersion.TLS1_0),
        Probe("plaintext", "plain text", plain=True),
        Probe("tls", "TLS on a plain port"),
        Probe("stolen-ticket", "a stolen session ticket", steals=True),
        Probe("bad-token", "a bad bearer token", token=bad_token),
        Probe("join-token", "the cluster's join token"),
        Probe("used-join-token", "a join token that was used before"),
        # Of OPC UA, by `edge_lab.probes.opcua`.
        Probe("borrowed-authority", "a foreign CA, with the right one in the chain", Mint.foreign),
        Probe("wrong-uri", "the certificate of another application", Mint.good),
        Probe("other-policy", "a security policy that is not offered", Mint.good),
        Probe("from-wire", "over the network to a port for the node alone", from_wire=True),
        # Presented by a false cloud to clients of the edge.
        Probe("server", "the right server", Mint.good),
        Probe("server-foreign-ca", "server: a foreign CA", Mint.foreign),
        Probe(
            "server-foreign-ca-same-name",
            "server: a foreign CA of the same name",
            Mint.foreign_of_same_name,
        ),
        Probe("server-self-signed", "server: self-signed", Mint.self_signed_server),
        Probe("server-wrong-name", "server: the wrong name", Mint.server_of_another_name),
        Probe("server-expired", "server: expired", Mint.expired),
        Probe("server-not-yet-valid", "server: not valid yet", Mint.not_yet_valid),
        Probe("server-is-client", "server: a client's certificate", Mint.client_certificate),
    )
}

PROBES: Mapping[str, Probe] = MappingProxyType(_PROBES)
"""By name, in the order in which tables show them."""


def register(probe: Probe) -> None:
    """Adds a probe of a stack or an add-on; InputError if its name is taken."""
    other = _PROBES.setdefault(probe.name, probe)
    if other != probe:
        raise InputError(f"there is a probe {probe.name!r} already")
