"""OPC UA sessions: which requests are served in which, and what becomes of those that end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from asyncua import Client, ua

from tests.devices.opcua_bench import (
    Bench,
    ask,
    fault,
    item,
    names,
    publish,
    settled,
    subscribe,
    until,
    values,
    watch,
)

pytestmark = pytest.mark.slow(reason="an OPC UA server, and clients' sessions with it")


def token(client: Client) -> ua.NodeId:
    return client.uaclient.protocol.authentication_token


def use_token(client: Client, name: ua.NodeId) -> None:
    client.uaclient.protocol.authentication_token = name


async def read(client: Client) -> str:
    """The status that a read of a node that is always there ends with."""
    nodes = [ua.ReadValueId(ua.NodeId(ua.ObjectIds.Server_ServiceLevel), ua.AttributeIds.Value)]
    stamps = ua.TimestampsToReturn.Neither
    return await fault(ask(client, "Read", NodesToRead=nodes, TimestampsToReturn=stamps))


async def reconnect(bench: Bench, old: ua.NodeId, name: str = "client") -> tuple[Client, str]:
    """A new connection on which a client goes on with a session, and how that ends."""
    client = await bench.client(name)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    use_token(client, old)
    policy = client.security_policy
    session = next(each for each in bench.server.iserver.sessions if each.auth_token == old)
    request = ua.ActivateSessionParameters()
    request.UserIdentityToken = ua.AnonymousIdentityToken(PolicyId="anonymous")
    request.ClientSignature.Algorithm = policy.AsymmetricSignatureURI
    request.ClientSignature.Signature = policy.asymmetric_cryptography.signature(
        policy.peer_certificate + session.nonce
    )
    return client, await fault(client.uaclient.activate_session(request))


def test_a_request_is_served_in_the_session_that_it_names(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as one, bench.connected() as other:
            own = token(one)
            assert own != token(other)
            assert await read(one) == ""
            use_token(one, ua.NodeId(1000))
            assert await read(one) == "BadSessionIdInvalid"
            use_token(one, token(other))
            assert await read(one) == "BadSecureChannelIdInvalid"
            use_token(one, own)
            assert await read(one) == ""

    bench.run(scenario())


def test_a_closed_session_is_not_served_any_more(bench: Bench) -> None:
    async def scenario() -> None:
        client = await bench.client()
        await client.connect()
        number = await subscribe(client)
        await publish(client)
        waiting = asyncio.ensure_future(publish(client))
        await settled(client)
        own = token(client)
        await ask_to_close(client)
        assert await fault(asyncio.wait_for(waiting, 60)) == "BadSessionClosed"
        use_token(client, own)
        assert await read(client) == "BadSessionIdInvalid"
        assert number not in bench.server.iserver.subscription_service.subscriptions
        client.disconnect_socket()

    async def ask_to_close(client: Client) -> None:
        request = ua.CloseSessionRequest()
        request.DeleteSubscriptions = True
        await client.uaclient.protocol.send_request(request, 20)

    bench.run(scenario())


def test_a_session_goes_on_over_another_channel_of_the_same_client(bench: Bench) -> None:
    async def scenario() -> None:
        old = await bench.client()
        await old.connect()
        number = await subscribe(old)
        await bench.write("level", 0.0)
        await watch(old, number, item("level", QueueSize=10))
        assert values(await publish(old)) == [0.0]
        rival, refused = await reconnect(bench, token(old), "rival")
        assert refused == "BadSecurityChecksFailed"
        assert await read(rival) == "BadSecureChannelIdInvalid"
        rival.disconnect_socket()
        waiting = asyncio.ensure_future(publish(old))
        await settled(old)
        new, refused = await reconnect(bench, token(old))
        assert refused == ""
        assert await fault(asyncio.wait_for(waiting, 60)) == "BadSecureChannelClosed"
        assert await read(new) == ""
        assert await read(old) == "BadSecureChannelIdInvalid"
        await hang_up(bench, old)
        await bench.write("level", 1.0)
        assert values(await asyncio.wait_for(publish(new), 60)) == [1.0]
        assert await read(new) == ""
        own = token(new)
        await hang_up(bench, new)
        await bench.write("level", 2.0)
        third, refused = await reconnect(bench, own)
        assert refused == ""
        assert values(await asyncio.wait_for(publish(third), 60)) == [2.0]
        await ask(third, "DeleteSubscriptions", SubscriptionIds=[number])
        third.disconnect_socket()

    bench.run(scenario())


def test_no_other_user_takes_a_session_to_another_channel(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected(user="operator") as client:
            anonymous, refused = await reconnect(bench, token(client))
            assert refused == "BadIdentityChangeNotSupported"
            assert await read(anonymous) == "BadSecureChannelIdInvalid"
            anonymous.disconnect_socket()
            assert await read(client) == ""

    bench.run(scenario())


async def hang_up(bench: Bench, client: Client) -> None:
    """Cuts a connection, and waits until the server has noticed."""
    before = len(bench.server.bserver.clients)
    client.disconnect_socket()
    await until(lambda: len(bench.server.bserver.clients) < before)
    await asyncio.gather(*bench.server.bserver.closing_tasks)


def test_closing_all_sessions_takes_their_subscriptions_too(bench: Bench) -> None:
    async def scenario() -> None:
        clients = [await bench.client() for _ in range(2)]
        numbers = []
        for client in clients:
            await client.connect()
            numbers.append(await subscribe(client))
        detached = await bench.client()
        await detached.connect()
        numbers.append(await subscribe(detached))
        await hang_up(bench, detached)
        await bench.server.close_sessions()
        assert not bench.server.iserver.sessions
        for client in clients:
            assert await read(client) == "BadSessionIdInvalid"
            client.disconnect_socket()
        async with bench.connected() as new:  # the device goes on
            response = await ask(
                new, "TransferSubscriptions", SubscriptionIds=numbers, SendInitialValues=False
            )
            found = names([each.StatusCode for each in response.Parameters.Results])
            assert found == ["BadSubscriptionIdInvalid"] * 3

    bench.run(scenario())


def test_an_idle_session_ends_and_its_subscription_can_be_transferred(bench: Bench) -> None:
    async def scenario() -> None:
        bench.server.iserver.min_session_timeout_ms = 300
        number = 0
        while not number:  # on a busy machine its time may be over before it is used
            old = await bench.client()
            old.session_timeout = 300
            with suppress(ua.UaStatusCodeError):
                await old.connect()
                number = await subscribe(old)
            old.disconnect_socket()
        await until(lambda: not bench.server.iserver.sessions)
        async with bench.connected() as new:
            response = await ask(
                new, "TransferSubscriptions", SubscriptionIds=[number], SendInitialValues=False
            )
            assert response.Parameters.Results[0].StatusCode.is_good()
            assert (await publish(new)).SubscriptionId == number

    bench.run(scenario())


def test_no_client_that_is_refused_leaves_a_session_behind(bench: Bench) -> None:
    async def scenario() -> None:
        before = len(bench.server.iserver.sessions)
        client = await bench.client("rival")
        client.application_uri = "urn:edge-lab:bench:somebody-else"
        refused: Any = ""
        try:
            await client.connect()
        except ua.UaStatusCodeError as trouble:
            refused = ua.StatusCode(trouble.code).name
        assert refused == "BadCertificateUriInvalid"
        assert len(bench.server.iserver.sessions) == before

    bench.run(scenario())
