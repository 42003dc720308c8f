"""Run in a peer's namespace: opens an OPC UA session with each of several certificates, prints
how it ended as JSON.

The word is a JSON file: for each name the bytes sent as certificate (hex), those sent for the
session and for the user, if they are others, and the file of the key that belongs to them.
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

from tests.devices.opcua_client import URI, URL, node_id, refusal

PATIENCE = 20.0


async def session(folder: Path, case: dict[str, Any]) -> None:
    client = Client(URL, timeout=PATIENCE)
    client.application_uri = URI
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=CertProperties((folder / "client.crt").read_bytes(), "pem"),
        private_key=CertProperties((folder / case["key"]).read_bytes(), "pem"),
        server_certificate=CertProperties((folder / "press.crt").read_bytes(), "pem"),
    )
    policy = client.security_policy
    policy.host_certificate = bytes.fromhex(case["certificate"])
    await client.connect_socket()
    try:
        await client.send_hello()
        await client.open_secure_channel()
        request = ua.CreateSessionParameters(
            EndpointUrl=URL,
            SessionName="chain",
            ClientNonce=bytes(32),
            RequestedSessionTimeout=60_000,
            ClientCertificate=bytes.fromhex(case.get("session", case["certificate"])),
        )
        request.ClientDescription.ApplicationUri = URI
        request.ClientDescription.ApplicationType = ua.ApplicationType.Client
        made = await client.uaclient.create_session(request)
        challenge = made.ServerCertificate + made.ServerNonce
        activate = ua.ActivateSessionParameters()
        activate.ClientSignature.Algorithm = policy.AsymmetricSignatureURI
        activate.ClientSignature.Signature = policy.asymmetric_cryptography.signature(
            challenge + case.get("forged", "").encode()
        )
        activate.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
        if user := case.get("user"):
            activate.UserIdentityToken = ua.X509IdentityToken(
                PolicyId="certificate", CertificateData=bytes.fromhex(user)
            )
            activate.UserTokenSignature = ua.SignatureData(
                policy.AsymmetricSignatureURI,
                policy.asymmetric_cryptography.signature(
                    challenge + case.get("forged user", "").encode()
                ),
            )
        if "password" in case:
            activate.UserIdentityToken = ua.UserNameIdentityToken(
                PolicyId="username", UserName=None, Password=case["password"].encode()
            )
        await client.uaclient.activate_session(activate)
        await client.get_node(node_id("sequence")).read_value()
        await client.uaclient.close_session(True)
    finally:
        client.disconnect_socket()


async def main(file: Path) -> dict[str, str]:
    cases = json.loads(file.read_text())
    return {name: await refusal(session(file.parent, case)) for name, case in cases.items()}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
