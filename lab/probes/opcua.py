"""Probes of OPC UA devices: which peers get a session, and with which status others are refused.

A device checks in this order: policy and mode when the channel is opened, then trust in the
certificate, then its validity now, for clients, and for the application that presents it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from edge_lab.core.deadline import Deadline
from edge_lab.pki import Authority, Identity, KeyKind
from edge_lab.probes.dial import Dial
from edge_lab.probes.expected import Policy, let_in, no_tls, refused
from edge_lab.probes.forward import forwarded
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import Ended, ProbeRecord, Step

OTHER_URI = "urn:edge-lab:nobody"
"""An application URI that differs from the one in the certificate."""
NOT_OFFERED = "Basic128Rsa15"
"""A policy that is deprecated (OPC 10000-7)."""

OPCUA_DEVICE = Policy(
    "OPC UA with trusted certificates",
    MappingProxyType(
        {
            "right": let_in(),
            "none": refused("BadUserAccessDenied"),
            "foreign-ca": refused("BadCertificateUntrusted"),
            "foreign-ca-same-name": refused("BadCertificateUntrusted"),
            "self-signed": refused("BadCertificateUntrusted"),
            "borrowed-authority": refused("BadCertificateUntrusted"),
            "expired": refused("BadCertificateTimeInvalid"),
            "not-yet-valid": refused("BadCertificateTimeInvalid"),
            "server-certificate": refused("BadCertificateUseNotAllowed"),
            "wrong-uri": refused("BadCertificateUriInvalid"),
            "other-policy": refused("BadSecurityPolicyRejected"),
            "tls": no_tls(),
        }
    ),
)


@dataclass(frozen=True)
class OpcUaServer:
    """A device to be probed."""

    endpoint: str
    """Its id."""
    address: str
    port: int
    certificate_pem: bytes
    policy: str = "Basic256Sha256"
    mode: str = "SignAndEncrypt"


@dataclass(frozen=True)
class _Peer:
    """What a client presents, and its application URI."""

    identity: Identity | None
    uri: str
    more: tuple[x509.Certificate, ...] = ()
    """Appended to its certificate, as a chain."""
    policy: str = ""
    """Instead of the device's own."""


def _self_signed(mint: Mint) -> Identity:
    return Authority.create(mint.right.common_name, KeyKind.RSA).identity


def _foreign(mint: Mint) -> Identity:
    return Authority.create("edge-lab foreign CA", KeyKind.RSA).issue(mint.right)


def _foreign_of_same_name(mint: Mint) -> Identity:
    return mint.authority.impostor().issue(mint.right)


_IDENTITIES: Mapping[str, Callable[[Mint], Identity | None]] = MappingProxyType(
    {
        "right": Mint.good,
        "none": lambda mint: None,
        "foreign-ca": _foreign,
        "foreign-ca-same-name": _foreign_of_same_name,
        "self-signed": _self_signed,
        "borrowed-authority": _foreign,
        "expired": Mint.expired,
        "not-yet-valid": Mint.not_yet_valid,
        "server-certificate": Mint.server_certificate,
        "wrong-uri": Mint.good,
        "other-policy": Mint.good,
    }
)


def opcua_probes(
    server: OpcUaServer, mint: Mint, dial: Dial, limit: Callable[[], Deadline]
) -> Iterator[ProbeRecord]:
    """All probes except `tls`, which applies to any endpoint."""
    (uri,) = mint.right.uris
    for name, identity in _IDENTITIES.items():
        peer = _Peer(
            identity(mint),
            OTHER_URI if name == "wrong-uri" else uri,
            (mint.authority.certificate,) if name == "borrowed-authority" else (),
            NOT_OFFERED if name == "other-policy" else "",
        )
        yield _attempt(server, name, peer, dial, limit())


def _attempt(
    server: OpcUaServer, probe: str, peer: _Peer, dial: Dial, deadline: Deadline
) -> ProbeRecord:
    began, clock = time.time_ns(), time.monotonic()
    with forwarded(dial, server.address, server.port, deadline) as port, _quiet():
        url = f"opc.tcp://127.0.0.1:{port}"
        step, ended, refusal = asyncio.run(_ended(server, url, peer, deadline))
    identity = peer.identity
    return ProbeRecord(
        endpoint=server.endpoint,
        probe=probe,
        client=dial.client,
        address=server.address,
        port=server.port,
        step=step,
        ended=ended,
        refusal=refusal if ended is Ended.REFUSED else "",
        serial=str(identity.certificate.serial_number) if identity else "",
        detail=refusal if ended is not Ended.REFUSED else "",
        seconds=round(time.monotonic() - clock, 4),
        time=began,
    )


async def _ended(
    server: OpcUaServer, url: str, peer: _Peer, deadline: Deadline
) -> tuple[Step, Ended, str]:
    """The step reached, how it ended there, and with which status."""
    from asyncua import ua

    client = await _client(server, url, peer, deadline)
    step = Step.CONNECT
    try:
        async with asyncio.timeout(deadline.remaining):
            await client.connect_socket()
            _require_open(client)
            step = Step.HANDSHAKE
            await client.send_hello()
            await client.open_secure_channel()
            step = Step.ANSWER
            await _session(client, url)
            await client.get_node(ua.ObjectIds.Server_ServiceLevel).read_value()
            await client.uaclient.close_session(True)
    except ua.UaStatusCodeError as trouble:
        return step, Ended.REFUSED, str(ua.StatusCode(trouble.code).name)
    except TimeoutError:
        return step, Ended.SILENT, ""
    except ConnectionError as trouble:
        return step, Ended.CLOSED, str(trouble)
    except (ua.UaError, InvalidSignature, ValueError) as trouble:
        return step, Ended.LOCAL, repr(trouble)
    finally:
        client.disconnect_socket()
    return step, Ended.ACCEPTED, ""


def _require_open(client: Any) -> None:
    """asyncua would wait for the answer to a hello that it has not sent."""
    if client.uaclient.protocol.transport is None:
        raise ConnectionError("closed at once")


async def _session(client: Any, url: str) -> None:
    """Done by hand: asyncua's client gives up if a device lists no endpoint of that kind, or signed
    only a part of the chain."""
    from asyncua import ua

    policy = client.security_policy
    request = ua.CreateSessionParameters(
        EndpointUrl=url,
        SessionName="probe",
        ClientNonce=secrets.token_bytes(32),
        RequestedSessionTimeout=60_000,
        ClientCertificate=policy.host_certificate,
    )
    request.ClientDescription.ApplicationUri = client.application_uri
    request.ClientDescription.ApplicationType = ua.ApplicationType.Client
    made = await client.uaclient.create_session(request)
    activate = ua.ActivateSessionParameters()
    activate.ClientSignature.Algorithm = policy.AsymmetricSignatureURI
    activate.ClientSignature.Signature = policy.asymmetric_cryptography.signature(
        (made.ServerCertificate or b"") + made.ServerNonce
    )
    activate.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
    await client.uaclient.activate_session(activate)


async def _client(server: OpcUaServer, url: str, peer: _Peer, deadline: Deadline) -> Any:
    from asyncua import Client, ua
    from asyncua.crypto import security_policies
    from asyncua.crypto.uacrypto import CertProperties

    client = Client(url, timeout=max(1.0, deadline.remaining))
    client.application_uri = peer.uri
    if peer.identity is None:
        return client
    policy = getattr(security_policies, f"SecurityPolicy{peer.policy or server.policy}")
    await client.set_security(
        policy,
        certificate=CertProperties(peer.identity.certificate_pem, "pem"),
        private_key=CertProperties(peer.identity.key_pem, "pem"),
        server_certificate=CertProperties(server.certificate_pem, "pem"),
        mode=getattr(ua.MessageSecurityMode, server.mode),
    )
    chain = (certificate.public_bytes(Encoding.DER) for certificate in peer.more)
    client.security_policy.host_certificate += b"".join(chain)
    return client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """asyncua logs errors, which are recorded here instead."""
    logger = logging.getLogger("asyncua")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
