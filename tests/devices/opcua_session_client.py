"""Run in a peer's namespace: what is left of an OPC UA session when a fault has come and gone.

The words are the fault as JSON, the folder with the client's certificate, and the device's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from asyncua import Client, ua

from edge_lab.core.deadline import Deadline
from edge_lab.devices import DeviceClient
from edge_lab.devices.faults import DEVICE_FAULT, DeviceFault
from tests.devices.opcua_bench import ask, fault, names, subscribe
from tests.devices.opcua_client import refusal, secured
from tests.devices.plant_site import PatientClient


async def activate(client: Client, nonce: bytes) -> bytes:
    """Activates the session whose token the client uses; the nonce of the next time."""
    policy = client.security_policy
    request = ua.ActivateSessionParameters()
    request.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
    request.ClientSignature.Algorithm = policy.AsymmetricSignatureURI
    request.ClientSignature.Signature = policy.asymmetric_cryptography.signature(
        policy.peer_certificate + nonce
    )
    result = await client.uaclient.activate_session(request)
    return bytes(result.ServerNonce)


async def main(does: DeviceFault, folder: Path, device: DeviceClient) -> dict[str, Any]:
    old = await secured(folder, "client")
    await old.connect()
    number = await subscribe(old)
    nonce = old._server_nonce
    token = old.uaclient.protocol.authentication_token
    await asyncio.to_thread(device.set_fault, does, Deadline.after(2.0))
    await asyncio.to_thread(device.set_fault, None)
    old.disconnect_socket()
    again = await secured(folder, "client")
    await again.connect_socket()
    await again.send_hello()
    await again.open_secure_channel()
    again.uaclient.protocol.authentication_token = token
    found = {"session": await fault(activate(again, nonce))}
    again.disconnect_socket()
    async with await secured(folder, "client") as new:
        response = await ask(
            new, "TransferSubscriptions", SubscriptionIds=[number], SendInitialValues=False
        )
        (found["subscription"],) = names([each.StatusCode for each in response.Parameters.Results])
    await refusal(old.disconnect())
    return found


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    words = sys.argv[1:]
    asked = DEVICE_FAULT.validate_json(words[0])
    print(json.dumps(asyncio.run(main(asked, Path(words[1]), PatientClient(Path(words[2]))))))
