"""Run in a peer's namespace: uses what an OPC UA device can be asked for, prints what it saw.

The words are what to do, and the folder with the certificates.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.security_policies import (
    SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)
from asyncua.crypto.uacrypto import CertProperties

from tests.devices.opcua_client import URI, URL, node_id, refusal

POLICIES = {
    "Basic256Sha256": SecurityPolicyBasic256Sha256,
    "Aes128Sha256RsaOaep": SecurityPolicyAes128Sha256RsaOaep,
    "Aes256Sha256RsaPss": SecurityPolicyAes256Sha256RsaPss,
}
NAMESPACE = 2
BEFORE, AFTER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def ns(when: datetime) -> int:
    return int(when.timestamp()) * 10**9 + when.microsecond * 1000


@asynccontextmanager
async def connected(
    folder: Path,
    policy: str = "Basic256Sha256",
    mode: str = "SignAndEncrypt",
    prepare: Callable[[Client], Any] = lambda client: None,
    login: tuple[str, str] | None = ("operator", "secret"),
) -> AsyncIterator[Client]:
    client = Client(URL, timeout=20, watchdog_intervall=20)
    client.application_uri = URI
    if login:
        client.set_user(login[0])
        client.set_password(login[1])
    await client.set_security(
        POLICIES[policy],
        certificate=CertProperties((folder / "client.crt").read_bytes(), "pem"),
        private_key=CertProperties((folder / "client.key").read_bytes(), "pem"),
        mode=ua.MessageSecurityMode[mode],
    )
    if (waited := prepare(client)) is not None:
        await waited
    async with client:
        yield client


async def logins(folder: Path) -> dict[str, str]:
    """Each policy and mode with a password; then each way to log in, and how it ends."""

    async def by_certificate(client: Client, name: str) -> None:
        await client.load_client_certificate(str(folder / f"{name}.crt"), "pem")
        await client.load_private_key(folder / f"{name}.key", extension="pem")

    async def get_in(**how: Any) -> None:
        async with connected(folder, **how) as client:
            assert await client.get_node(node_id("sequence")).read_value() > 0

    found = {
        f"{policy} {mode}": await refusal(get_in(policy=policy, mode=mode))
        for policy in POLICIES
        for mode in ("Sign", "SignAndEncrypt")
    }
    found["wrong password"] = await refusal(get_in(login=("operator", "guess")))
    found["no such user"] = await refusal(get_in(login=("nobody", "secret")))
    found["anonymous"] = await refusal(get_in(login=None))
    for name in ("user", "foreign", "expired"):
        found[f"{name} certificate"] = await refusal(
            get_in(login=None, prepare=lambda client, name=name: by_certificate(client, name))
        )
    return found


async def history(folder: Path) -> dict[str, Any]:
    """What HistoryRead gives of force, sequence and spike, whole, in parts and backwards."""
    found: dict[str, Any] = {}
    async with connected(folder) as client:
        node = client.get_node(node_id("force"))
        for name, id_ in (
            ("force", node.nodeid),
            ("sequence", ua.NodeId("press.sequence", NAMESPACE)),
            ("spike", ua.NodeId("signals.spike", NAMESPACE)),
        ):
            values = await client.get_node(id_).read_raw_history(BEFORE, AFTER, return_bounds=False)
            found[name] = [[ns(each.SourceTimestamp), each.Value.Value] for each in values]
        times = [datetime.fromtimestamp(time / 10**9) for time, _ in found["force"]]
        wanted = partial(node.read_raw_history, return_bounds=False)
        first, last = values[2].SourceTimestamp, values[7].SourceTimestamp
        found["between"] = [ns(each.SourceTimestamp) for each in await wanted(first, last)]
        found["backwards"] = [ns(each.SourceTimestamp) for each in await wanted(last, first)]
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=first,
            EndTime=last,
            NumValuesPerNode=4,
            ReturnBounds=False,
        )
        parts, more = [], None
        while True:
            result = await node.history_read(details, more)
            result.StatusCode.check()
            parts.append([ns(each.SourceTimestamp) for each in result.HistoryData.DataValues])
            more = result.ContinuationPoint
            if not more:
                break
        found["parts"] = parts
        assert len(times) > 8
    return found


async def events(folder: Path) -> list[dict[str, Any]]:
    """Three changes of an alarm, strokes of the press apart, as the Server object tells them."""
    seen: list[dict[str, Any]] = []

    class Handler:
        def event_notification(self, event: Any) -> None:
            seen.append(
                {
                    "source": event.SourceName,
                    "condition": event.ConditionName,
                    "active": getattr(event, "ActiveState/Id"),
                    "retain": event.Retain,
                    "severity": event.Severity,
                    "message": event.Message.Text,
                    "time": ns(event.Time),
                    "high": event.HighLimit,
                }
            )

    async with connected(folder) as client:
        subscription = await client.create_subscription(50, Handler())
        await subscription.subscribe_alarms_and_conditions(
            ua.ObjectIds.Server, ua.ObjectIds.ExclusiveLevelAlarmType
        )
        for _ in range(1200):
            await asyncio.sleep(0.05)
            if len(seen) >= 3:
                break
        await subscription.delete()
    return seen


async def nodes(folder: Path) -> dict[str, Any]:
    """Signals with each sequence number, the nodes that count, and what came from the nodeset."""
    names = ("spike", "dip", "rising", "falling")
    samples = []
    async with connected(folder) as client:
        wanted = [client.get_node(node_id("sequence"))] + [
            client.get_node(ua.NodeId(f"signals.{name}", NAMESPACE)) for name in names
        ]
        for _ in range(40):
            results = await client.read_attributes(wanted)
            samples.append([result.Value.Value for result in results])
            await asyncio.sleep(0.05)
        groups: dict[str, list[list[int]]] = {}
        for group in ("fast", "slow"):
            folder_node = client.get_node(ua.NodeId(group, NAMESPACE))
            children = await folder_node.get_children()
            first = [await child.read_value() for child in children]
            later = first
            for _ in range(1200 if group == "fast" else 10):
                await asyncio.sleep(0.05)
                later = [await child.read_value() for child in children]
                if min(later) > max(first):
                    break
            groups[group] = [first, later]
        index = await client.get_namespace_index("urn:edge-lab:tests:machine")
        speed = await client.get_node(ua.NodeId("machine.speed", index)).read_value()
    return {"samples": samples, "groups": groups, "speed": speed}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    does = {"logins": logins, "history": history, "events": events, "nodes": nodes}
    print(json.dumps(asyncio.run(does[sys.argv[1]](Path(sys.argv[2])))))
