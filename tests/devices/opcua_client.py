"""Run in a peer's namespace: talks OPC UA to the press, prints what came of it as JSON.

The words are what to do, and the folder with NAME.crt and NAME.key.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

URL = "opc.tcp://10.78.0.102:4840"
URI = "urn:edge-lab:sampler:edge-arm"
NAMES = ("sequence", "phase", "force", "position", "parts", "oil_temperature", "setpoint")


def node_id(name: str) -> ua.NodeId:
    return ua.NodeId(f"press.{name}", 2)


async def secured(
    folder: Path, name: str, uri: str = URI, timeout: float = 20, watchdog: float = 20, **mode: Any
) -> Client:
    """A client with that certificate; `watchdog` is how long it lets the device be busy, s."""
    client = Client(URL, timeout=timeout, watchdog_intervall=watchdog)
    client.application_uri = uri
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=CertProperties((folder / f"{name}.crt").read_bytes(), "pem"),
        private_key=CertProperties((folder / f"{name}.key").read_bytes(), "pem"),
        **mode,
    )
    return client


async def read(folder: Path) -> list[Any]:
    """Several reads of all nodes, each with values and source timestamps (ns)."""
    found = []
    async with await secured(folder, "client") as client:
        nodes = [client.get_node(node_id(name)) for name in NAMES]
        for number in range(40):
            results = await client.read_attributes(nodes)
            values = {name: result.Value.Value for name, result in zip(NAMES, results, strict=True)}
            times = {
                int(each.SourceTimestamp.timestamp()) * 10**9
                + each.SourceTimestamp.microsecond * 1000
                for each in results
            }
            found.append([values, sorted(times)])
            await asyncio.sleep(0 if number < 20 else 0.03)
    return found


async def subscribe(folder: Path) -> list[int]:
    """Sequence numbers that a subscription brings."""
    seen: list[int] = []

    class Handler:
        def datachange_notification(self, node: Any, value: int, data: Any) -> None:
            seen.append(value)

    async with await secured(folder, "client") as client:
        subscription = await client.create_subscription(50, Handler())
        await subscription.subscribe_data_change(client.get_node(node_id("sequence")))
        end = asyncio.get_running_loop().time() + 60
        while len(seen) < 10 and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.05)
        await subscription.delete()
    return seen


async def write(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with await secured(folder, "client") as client:
        requested = client.get_node(node_id("requested_setpoint"))
        await requested.write_value(300.5)
        found["reads back"] = await requested.read_value()
        for what, node, value in (
            ("too low", requested, 3.0),
            ("no double", requested, 300),
            ("read-only", client.get_node(node_id("force")), 3.0),
        ):
            found[what] = await refusal(node.write_value(value))
    return found


async def refused(folder: Path) -> dict[str, str]:
    """Ways to get in that must all fail, and how they do."""
    trusted = x509.load_pem_x509_certificate((folder / "client.crt").read_bytes())

    async def connect(name: str, uri: str = URI) -> None:
        async with await secured(folder, name, uri):
            pass

    async def unsecured() -> None:
        """A session on a channel without security; its certificate is only claimed."""
        client = Client(URL, timeout=20)
        await by_hand(client, trusted)

    async def borrowed() -> None:
        """A channel with a foreign certificate, a session that claims a trusted one."""
        await by_hand(await secured(folder, "foreign"), trusted)

    async def signed_only() -> None:
        async with await secured(folder, "client", mode=ua.MessageSecurityMode.Sign):
            pass

    return {
        "foreign": await refusal(connect("foreign")),
        "expired": await refusal(connect("expired")),
        "other URI": await refusal(connect("client", "urn:edge-lab:sampler:other")),
        "unsecured": await refusal(unsecured()),
        "borrowed": await refusal(borrowed()),
        "signed only": await refusal(signed_only()),
    }


async def by_hand(client: Client, claimed: x509.Certificate) -> None:
    """Connects step by step, so that no check of the client library gets in the way."""
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        request = ua.CreateSessionParameters()
        request.ClientDescription.ApplicationUri = URI
        request.ClientDescription.ApplicationType = ua.ApplicationType.Client
        request.EndpointUrl = URL
        request.SessionName = "by hand"
        request.ClientNonce = bytes(32)
        request.RequestedSessionTimeout = 60_000
        request.ClientCertificate = claimed.public_bytes(Encoding.DER)
        session = await client.uaclient.create_session(request)
        activate = ua.ActivateSessionParameters()
        policy = client.security_policy
        activate.ClientSignature.Algorithm = policy.AsymmetricSignatureURI
        activate.ClientSignature.Signature = policy.asymmetric_cryptography.signature(
            (session.ServerCertificate or b"") + session.ServerNonce
        )
        activate.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
        await client.uaclient.activate_session(activate)
        await client.get_node(node_id("sequence")).read_value()
    finally:
        client.disconnect_socket()


async def refusal(attempt: Any, limit: float = 60) -> str:
    try:
        await asyncio.wait_for(attempt, limit)
    except (ua.UaError, ConnectionError, TimeoutError) as trouble:
        return type(trouble).__name__
    return ""


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    do = {"read": read, "write": write, "refused": refused, "subscribe": subscribe}[sys.argv[1]]
    print(json.dumps(asyncio.run(do(Path(sys.argv[2])))))
