"""An OPC UA server on this host that admits anyone, for negative controls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

from asyncua import Server, ua

from edge_lab.core.deadline import Deadline
from edge_lab.pki import Authority, CertificateSpec, KeyKind, Usage

POLICIES = (
    ua.SecurityPolicyType.NoSecurity,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Basic128Rsa15_SignAndEncrypt,
)
URI = "urn:edge-lab:device:insecure"
SECONDS = 60.0


@contextlib.contextmanager
def insecure_device() -> Iterator[tuple[int, bytes]]:
    """asyncua with its default trust: yields its port and its certificate (PEM)."""
    spec = CertificateSpec(
        "insecure",
        uris=(URI,),
        usages=(Usage.SERVER, Usage.CLIENT),
        key=KeyKind.RSA,
        encipherment=True,
    )
    identity = Authority.create("insecure", KeyKind.RSA).issue(spec)
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = int(place.getsockname()[1])
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = Server()

    async def start() -> None:
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
        await server.set_application_uri(URI)
        server.set_security_policy(list(POLICIES))
        await server.load_certificate(identity.certificate_pem, "pem")
        await server.load_private_key(identity.key_pem, format="pem")
        await server.start()

    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(Deadline.scaled(SECONDS).remaining)
        try:
            yield port, identity.certificate_pem
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result(
                Deadline.scaled(SECONDS).remaining
            )
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
