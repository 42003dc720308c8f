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
from edge_lab.devices.faults import DEVICE_FAULT, DeviceFault
from tests.devices.opcua_client import NAMES, node_id, refusal, secured

TIMEOUT = 1.2
"""s for an answer."""
TOLD = 4.0
"""s for the device to be told and to say how it is. One that cannot be read tries itself for most
of it; what is left is for the device to be scheduled, on a host that may have much else to do."""


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


async def attempt(reading: Any) -> Any:
    """What a read brings, or the name of the error that it ends with."""
    found: list[Any] = []

    async def keep() -> None:
        found.extend(await reading)

    trouble = await refusal(keep())
    return trouble or found


async def read_anew(folder: Path) -> list[Any]:
    async with await secured(folder, "client", timeout=TIMEOUT) as client:
        return await read(client)


async def main(fault: DeviceFault, folder: Path, device: DeviceClient) -> dict[str, Any]:
    found: dict[str, Any] = {}
    handler = Handler()
    client = await secured(folder, "client", timeout=TIMEOUT)
    await client.connect()
    try:
        subscription = await client.create_subscription(50, handler)
        await subscription.subscribe_data_change(client.get_node(node_id("sequence")))
        found["before"] = await read(client)
        before = len(handler.seen)
        status = await asyncio.to_thread(device.set_fault, fault, Deadline.after(TOLD))
        found["status"] = status.model_dump(mode="json")
        found["standing"] = await attempt(read(client))
        found["anew"] = await attempt(read_anew(folder))
        found["subscribed"] = sorted(set(handler.seen[before:]))
        later = await asyncio.to_thread(device.status, Deadline.after(TOLD))
        found["status later"] = later.model_dump(mode="json")
        during = len(handler.seen)
        found["well"] = (await asyncio.to_thread(device.set_fault, None)).model_dump(mode="json")
        found["standing after"] = await attempt(read(client))
        await asyncio.sleep(0.3)
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
    print(json.dumps(asyncio.run(main(asked, Path(words[1]), DeviceClient(Path(words[2]))))))
