"""Run in a peer's namespace: an OPC UA client that sees faults come and go, and says how.

The words are the fault as JSON, the folder with the client's certificate, and the device's.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

from asyncua import Client

from edge_lab.core.deadline import Deadline
from edge_lab.devices import DeviceClient
from edge_lab.devices.faults import DEVICE_FAULT, DeviceFault, Exceptions, Gone, Junk, Slow, Split
from tests.devices.opcua_client import NAMES, node_id, refusal, secured
from tests.devices.plant_site import PatientClient

PATIENCE = 60.0
"""s for an answer that must come, on a host that may have much else to do."""
IN_VAIN = 1.2
"""s for one that does not."""
TRIES_ITSELF = 3.0
"""s for a device that cannot be read to try itself."""


class Handler:
    """Takes what a subscription brings: the name of each value's status."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def datachange_notification(self, node: Any, value: Any, data: Any) -> None:
        self.seen.append(data.monitored_item.Value.StatusCode.name)


async def read(client: Client) -> list[Any]:
    """All nodes at once: values, source times (ns), statuses; how long it took, s."""
    began = time.monotonic()
    results = await client.read_attributes([client.get_node(node_id(name)) for name in NAMES])
    took = time.monotonic() - began
    values = {
        name: result.Value.Value if result.Value else None
        for name, result in zip(NAMES, results, strict=True)
    }
    times = {
        int(each.SourceTimestamp.timestamp()) * 10**9 + each.SourceTimestamp.microsecond * 1000
        for each in results
    }
    return [values, sorted(times), sorted({each.StatusCode.name for each in results}), took]


async def attempt(reading: Any, limit: float = PATIENCE) -> Any:
    """What a read brings, or the name of the error that it ends with."""
    found: list[Any] = []

    async def keep() -> None:
        found.extend(await reading)

    trouble = await refusal(keep(), limit)
    return trouble or found


async def read_anew(folder: Path, timeout: float = PATIENCE) -> list[Any]:
    async with await secured(folder, "client", timeout=timeout) as client:
        return await read(client)


async def until_seen(status: str, handler: Handler, since: int) -> None:
    end = time.monotonic() + PATIENCE
    while status not in handler.seen[since:] and time.monotonic() < end:
        await asyncio.sleep(0.01)


async def main(fault: DeviceFault, folder: Path, device: DeviceClient) -> dict[str, Any]:
    found: dict[str, Any] = {}
    handler = Handler()
    client = await secured(folder, "client", timeout=PATIENCE, watchdog=PATIENCE)
    timeout = IN_VAIN if isinstance(fault, Junk) or fault == Gone() else PATIENCE
    await client.connect()
    try:
        subscription = await client.create_subscription(50, handler)
        await subscription.subscribe_data_change(client.get_node(node_id("sequence")))
        found["before"] = await read(client)
        before = len(handler.seen)
        status = await asyncio.to_thread(device.set_fault, fault, Deadline.after(TRIES_ITSELF))
        found["status"] = status.model_dump(mode="json")
        client.uaclient.protocol.timeout = timeout
        found["standing"] = await attempt(read(client), 4 * timeout)
        found["anew"] = await attempt(read_anew(folder, timeout), 4 * timeout)
        if isinstance(fault, Exceptions):
            await until_seen("BadDeviceFailure", handler, before)
        found["subscribed"] = sorted(set(handler.seen[before:]))
        later = await asyncio.to_thread(device.status, Deadline.after(TRIES_ITSELF))
        found["status later"] = later.model_dump(mode="json")
        during = len(handler.seen)
        found["well"] = (await asyncio.to_thread(device.set_fault, None)).model_dump(mode="json")
        if client.uaclient.protocol is not None:
            client.uaclient.protocol.timeout = PATIENCE
        lasts = isinstance(fault, Exceptions | Slow | Split)
        found["standing after"] = await attempt(read(client), PATIENCE if lasts else 4 * IN_VAIN)
        if isinstance(fault, Exceptions):
            await until_seen("Good", handler, during)
        found["subscribed after"] = sorted(set(handler.seen[during:]))
        found["anew after"] = await attempt(read_anew(folder))
    finally:
        # A farewell to a device that does not answer would take its time.
        standing = isinstance(found.get("standing after"), list)
        await refusal(client.disconnect()) if standing else client.disconnect_socket()
    return found


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    words = sys.argv[1:]
    asked = DEVICE_FAULT.validate_json(words[0])
    print(json.dumps(asyncio.run(main(asked, Path(words[1]), PatientClient(Path(words[2]))))))
