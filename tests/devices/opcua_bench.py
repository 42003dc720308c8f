"""A server with the device's services and a few nodes on loopback, and raw requests to it.

asyncua's client publishes by itself and hides what a server answers; `ask` does not.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.ua_binary import struct_from_binary

from edge_lab.core.ports import choose_ports
from edge_lab.devices.access import Trust, Users
from edge_lab.devices.opcua_server import GuardedServer
from edge_lab.pki import Authority, KeyKind
from tests.devices.plant_site import certificate, store

T = TypeVar("T")
NAMESPACE = 2
SERVER_URI = "urn:edge-lab:device:bench"
URI = "urn:edge-lab:bench:{name}"
NODES = {
    "level": ua.Variant(0.0, ua.VariantType.Double),
    "other": ua.Variant(0, ua.VariantType.Int32),
    "scaled": ua.Variant(0.0, ua.VariantType.Double),
    "several": ua.Variant([0.0, 0.0], ua.VariantType.Double),
    "text": ua.Variant("", ua.VariantType.String),
    "switch": ua.Variant(False, ua.VariantType.Boolean),
}
CLIENTS = ("client", "rival")
"""Whose certificates are trusted."""


def node_id(name: str) -> ua.NodeId:
    return ua.NodeId(name, NAMESPACE)


class Bench:
    """The server runs in a thread of its own, and so do the clients: see `run`."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        self._folder = folder
        self._authority = authority or Authority.create("bench CA", KeyKind.RSA)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        (port,) = choose_ports(1)
        self.url = f"opc.tcp://127.0.0.1:{port}"
        self.server: Any = None

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            self.run(self._start())
            try:
                yield
            finally:
                self.run(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, scenario: Coroutine[Any, Any, T], seconds: float = 120) -> T:
        return asyncio.run_coroutine_threadsafe(scenario, self._loop).result(seconds)

    async def _start(self) -> None:
        authority = self._authority
        store(self._folder, "server", authority.issue(certificate("bench", SERVER_URI, both=True)))
        for name in CLIENTS:
            store(self._folder, name, authority.issue(certificate(name, URI.format(name=name))))
        trusted = self._folder / "trust"
        trusted.mkdir()
        (trusted / "ca.crt").write_bytes(authority.certificate_pem)
        trust = Trust(trusted)
        trust.read()
        users = Users(trust, {"operator": "secret", "guest": "secret"})
        server = self.server = GuardedServer(trust, users)
        await server.init()
        server.set_endpoint(self.url)
        await server.set_application_uri(SERVER_URI)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_Sign])
        await server.load_certificate((self._folder / "server.crt").read_bytes(), "pem")
        await server.load_private_key((self._folder / "server.key").read_bytes(), format="pem")
        objects = server.nodes.objects
        for name, value in NODES.items():
            qualified = ua.QualifiedName(name, NAMESPACE)
            await objects.add_variable(node_id(name), qualified, value.Value, value.VariantType)
        node = server.get_node(node_id("scaled"))
        await node.add_property(
            node_id("scaled.range"), ua.QualifiedName("EURange", 0), ua.Range(0.0, 200.0)
        )
        await server.start()

    async def _stop(self) -> None:
        await self.server.stop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:  # of clients whose connections tests have cut
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def write(self, name: str, *values: Any) -> None:
        """Has a node take these values, one after the other."""
        for value in values:
            await self.server.get_node(node_id(name)).write_value(
                ua.Variant(value, NODES[name].VariantType)
            )

    async def reset(self) -> None:
        """Gives all nodes the values that they had when the server started."""
        for name, value in NODES.items():
            await self.server.get_node(node_id(name)).write_value(value)

    async def client(self, name: str = "client", user: str | None = None) -> Client:
        client = Client(self.url, timeout=20, watchdog_intervall=20)
        client.application_uri = URI.format(name=name)
        if user:
            client.set_user(user)
            client.set_password("secret")
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=CertProperties((self._folder / f"{name}.crt").read_bytes(), "pem"),
            private_key=CertProperties((self._folder / f"{name}.key").read_bytes(), "pem"),
            server_certificate=CertProperties((self._folder / "server.crt").read_bytes(), "pem"),
            mode=ua.MessageSecurityMode.Sign,
        )
        return client

    @asynccontextmanager
    async def connected(
        self, name: str = "client", user: str | None = None
    ) -> AsyncIterator[Client]:
        async with await self.client(name, user) as client:
            yield client


async def ask(client: Client, name: str, **parameters: Any) -> Any:
    """A service's whole response; a fault is raised."""
    request = getattr(ua, f"{name}Request")()
    for parameter, value in parameters.items():
        assert hasattr(request.Parameters, parameter), parameter
        setattr(request.Parameters, parameter, value)
    data = await client.uaclient.protocol.send_request(request, 20)
    return struct_from_binary(getattr(ua, f"{name}Response"), data)


async def settled(client: Client) -> None:
    """All that was asked for before has been looked at: requests are served in their order."""
    await asyncio.sleep(0)  # what was put into a task is sent now
    await client.get_node(ua.ObjectIds.Server_ServiceLevel).read_value()


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    loop = asyncio.get_running_loop()
    latest = loop.time() + seconds
    while not holds():
        assert loop.time() < latest
        await asyncio.sleep(0.01)


async def fault(attempt: Coroutine[Any, Any, Any]) -> str:
    """The status that a request as a whole is refused with; empty if it is not."""
    try:
        await attempt
    except ua.UaStatusCodeError as refusal:
        return str(ua.StatusCode(refusal.code).name)
    return ""


def names(codes: list[Any]) -> list[str]:
    return [code.name for code in codes]


async def subscribe(client: Client, **parameters: Any) -> int:
    """The number of a subscription that publishes fast."""
    asked = {
        "RequestedPublishingInterval": 20.0,
        "RequestedLifetimeCount": 3000,
        "RequestedMaxKeepAliveCount": 1000,
        "PublishingEnabled": True,
        **parameters,
    }
    created = await ask(client, "CreateSubscription", **asked)
    return int(created.Parameters.SubscriptionId)


def item(
    name: str | ua.NodeId,
    *,
    attribute: int = ua.AttributeIds.Value,
    mode: int = ua.MonitoringMode.Reporting,
    handle: int = 0,
    interval: float = 0.0,
    **parameters: Any,
) -> ua.MonitoredItemCreateRequest:
    node = node_id(name) if isinstance(name, str) else name
    return ua.MonitoredItemCreateRequest(
        ua.ReadValueId(NodeId=node, AttributeId=attribute),
        mode,
        ua.MonitoringParameters(ClientHandle=handle, SamplingInterval=interval, **parameters),
    )


async def watch(
    client: Client,
    subscription: int,
    *items: ua.MonitoredItemCreateRequest,
    stamps: int = ua.TimestampsToReturn.Both,
) -> list[Any]:
    created = await ask(
        client,
        "CreateMonitoredItems",
        SubscriptionId=subscription,
        TimestampsToReturn=stamps,
        ItemsToCreate=list(items),
    )
    return list(created.Results)


async def publish(client: Client, *acknowledged: tuple[int, int]) -> Any:
    """What is published next; the acknowledgements are subscription and sequence number."""
    acknowledgements = [ua.SubscriptionAcknowledgement(*each) for each in acknowledged]
    response = await ask(client, "Publish", SubscriptionAcknowledgements=acknowledgements)
    return response.Parameters


def changes(result: Any) -> list[Any]:
    """The MonitoredItemNotifications of what was published."""
    return [
        notification
        for data in result.NotificationMessage.NotificationData
        if isinstance(data, ua.DataChangeNotification)
        for notification in data.MonitoredItems
    ]


def values(result: Any) -> list[Any]:
    return [change.Value.Value.Value for change in changes(result)]


def status_change(result: Any) -> str:
    """The status that a subscription tells of; empty if it tells of none."""
    (data,) = result.NotificationMessage.NotificationData or [None]
    return data.Status.name if isinstance(data, ua.StatusChangeNotification) else ""


def change_filter(
    kind: int = ua.DeadbandType.None_,
    value: float = 0.0,
    trigger: int = ua.DataChangeTrigger.StatusValue,
) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(trigger, kind, value)


class Number(int):
    """A number in the place of a member of an enumeration, as any client may send it."""

    @property
    def value(self) -> int:
        return int(self)
