"""Run in a peer's namespace: the mapper between real devices and a fake API server.

The words are a JSON file (the mapper's OPC UA configuration, models, devices, and wishes by
device), how many seconds to go on when all wishes are confirmed, and how many at most.  Prints
as JSON each status that was patched, with the time (ns), and whether all was confirmed.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import sys
import time
from pathlib import Path
from typing import Any

from images.mapper.edge_mapper.api import ApiTransport
from images.mapper.edge_mapper.config import ApiConfig, OpcUaConfig
from images.mapper.edge_mapper.lines import Lines
from images.mapper.edge_mapper.mapper import Mapper
from tests.mapper.fake_api import FakeApi


async def run(task: dict[str, Any], seconds: float, limit: float) -> dict[str, Any]:
    with FakeApi().serving() as api:
        for resource in ("devicemodels", "devices"):
            for document in task[resource]:
                api.put(resource, document)
        mapper = Mapper("edge-arm", Lines(OpcUaConfig(**task["opcua"])))
        transport = asyncio.ensure_future(
            ApiTransport(mapper, ApiConfig(api.url, "", "", "")).run()
        )
        seen: list[Any] = []
        names = [device["metadata"]["name"] for device in task["devices"]]
        end = time.monotonic() + limit
        confirmed_at = 0.0
        last: dict[str, Any] = {}
        while time.monotonic() < end:
            for name in names:
                status = api.status(name)
                if status and status != last.get(name):
                    last[name] = status
                    seen.append([time.time_ns(), name, status])
            done = all(
                api.observed(name).get(wish) == value
                for name, wishes in task["wishes"].items()
                for wish, value in wishes.items()
            ) and all(api.reported(name) for name in names)
            if done and not confirmed_at:
                confirmed_at = time.monotonic()
            if confirmed_at and time.monotonic() - confirmed_at > seconds:
                break
            await asyncio.sleep(0.01)
        transport.cancel()
        await asyncio.gather(transport, return_exceptions=True)
        await mapper.close()
        return {"seen": seen, "confirmed": bool(confirmed_at)}


if __name__ == "__main__":
    # What hangs shall say where, before whoever waits loses patience.
    faulthandler.dump_traceback_later(float(sys.argv[3]) + 15.0, exit=True)
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps(asyncio.run(run(given, float(sys.argv[2]), float(sys.argv[3])))))
