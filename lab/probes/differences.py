"""Differences between an external scan of an endpoint, its declaration, and what probes saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.expected import Outcome
from edge_lab.probes.record import ServerShown
from edge_lab.probes.sslyze import ClientCertificate, Scan

_REFUSED = {"tls-1.1": "TLSv1.1", "tls-1.0": "TLSv1"}
"""By probe, its TLS version."""
_NEVER = ("SSLv2", "SSLv3")
_BROKEN_HASHES = ("md5", "sha1")


class Code(StrEnum):
    VERSION = "version"
    """A version is accepted that is declared to be refused."""
    CLIENT_CERTIFICATE = "client certificate"
    """The request for a client certificate differs from the declaration."""
    HASH = "hash"
    """The server's certificate uses a broken hash."""
    DATES = "dates"
    """The server's certificate is not valid now."""
    OTHER_CERTIFICATE = "other certificate"
    """The scan saw another certificate than the probes."""
    DEFECT = "defect"
    """A known vulnerability."""
    UNFINISHED = "unfinished"
    """The scan had no result."""


@dataclass(frozen=True)
class Difference:
    endpoint: str
    """The endpoint's name, without the node's."""
    code: Code
    detail: str
    reason: str = ""
    """Why it is permitted; empty if it is not explained."""

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.code}: {self.detail}" + (
            f" ({self.reason})" if self.reason else ""
        )


EXPLAINED: Mapping[tuple[str, Code], str] = MappingProxyType({})
"""By endpoint name and kind, the reasons of permitted differences."""


def differences(
    endpoint: Endpoint,
    scan: Scan,
    shown: ServerShown | None = None,
    *,
    now: datetime | None = None,
    explained: Mapping[tuple[str, Code], str] = EXPLAINED,
) -> tuple[Difference, ...]:
    """Where the scan differs from the declaration, or from what a probe was `shown`."""
    return tuple(
        Difference(endpoint.name, code, detail, explained.get((endpoint.name, code), ""))
        for code, detail in _found(endpoint, scan, shown, now or datetime.now(UTC))
    )


def unexplained(found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    return tuple(difference for difference in found if not difference.reason)


def declared_client_certificate(endpoint: Endpoint) -> ClientCertificate | None:
    """What the policy says about the handshake; None if it leaves that open."""
    expects = endpoint.policy.expects
    nobody, stranger = expects.get("none"), expects.get("foreign-ca")
    if nobody is not None and nobody.outcome is Outcome.ALERT:
        return ClientCertificate.REQUIRED
    if stranger is not None and stranger.outcome is Outcome.STATUS:
        return ClientCertificate.OPTIONAL
    return None


def _found(
    endpoint: Endpoint, scan: Scan, shown: ServerShown | None, now: datetime
) -> Iterator[tuple[Code, str]]:
    expects = endpoint.policy.expects
    refused = [
        version
        for probe, version in _REFUSED.items()
        if probe in expects and expects[probe].outcome is not Outcome.LET_IN
    ]
    for version in (*_NEVER, *refused):
        if version in scan.versions:
            yield Code.VERSION, f"{version} is accepted"
    declared = declared_client_certificate(endpoint)
    if declared not in (None, scan.client_certificate):
        yield Code.CLIENT_CERTIFICATE, f"declared {declared}, found {scan.client_certificate}"
    certificate = scan.certificate
    if certificate.hash in _BROKEN_HASHES:
        yield Code.HASH, certificate.hash
    if not certificate.starts <= now <= certificate.ends:
        yield Code.DATES, f"{certificate.starts:%F %T} to {certificate.ends:%F %T}"
    if shown is not None and shown.serial != certificate.serial:
        yield Code.OTHER_CERTIFICATE, f"scan {certificate.serial}, probe {shown.serial}"
    for defect in scan.defects:
        yield Code.DEFECT, defect
    for question in scan.unfinished:
        yield Code.UNFINISHED, question
