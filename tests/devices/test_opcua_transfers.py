"""OPC UA subscriptions that go from one session to another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from asyncua import ua

from tests.devices.opcua_bench import (
    Bench,
    ask,
    fault,
    item,
    names,
    publish,
    settled,
    status_change,
    subscribe,
    values,
    watch,
)

pytestmark = pytest.mark.slow(reason="an OPC UA server, and clients' sessions with it")

NO_SUBSCRIPTION = 4_000_000


async def transfer(client: Any, *numbers: int, initial: bool = False) -> list[Any]:
    response = await ask(
        client, "TransferSubscriptions", SubscriptionIds=list(numbers), SendInitialValues=initial
    )
    return list(response.Parameters.Results)


@pytest.mark.parametrize("initial", [True, False])
def test_a_transferred_subscription_goes_on_in_the_new_session(bench: Bench, initial: bool) -> None:
    async def scenario() -> None:
        async with bench.connected() as old, bench.connected() as new:
            number = await subscribe(old)
            await bench.write("level", 1.0)
            await watch(old, number, item("level", QueueSize=5))
            before = await publish(old)
            waiting = [asyncio.ensure_future(publish(old)) for _ in range(2)]
            await settled(old)
            results = await transfer(new, NO_SUBSCRIPTION, number, initial=initial)
            assert names([each.StatusCode for each in results]) == [
                "BadSubscriptionIdInvalid",
                "Good",
            ]
            sequence = before.NotificationMessage.SequenceNumber
            assert results[1].AvailableSequenceNumbers == [sequence]
            last = await asyncio.wait_for(waiting[0], 60)
            assert last.SubscriptionId == number
            assert status_change(last) == "GoodSubscriptionTransferred"
            assert await fault(asyncio.wait_for(waiting[1], 60)) == "BadNoSubscription"
            again = await ask(
                new, "Republish", SubscriptionId=number, RetransmitSequenceNumber=sequence
            )
            assert again.NotificationMessage == before.NotificationMessage
            assert values(await publish(new)) == ([1.0] if initial else [])
            await bench.write("level", 2.0)
            result = await publish(new, (number, sequence))
            assert (values(result), names(result.Results)) == ([2.0], ["Good"])
            assert result.NotificationMessage.SequenceNumber == sequence + (2 if initial else 1)
            gone = await ask(old, "DeleteSubscriptions", SubscriptionIds=[number])
            assert names(gone.Results) == ["BadSubscriptionIdInvalid"]

    bench.run(scenario())


def test_a_subscription_outlives_a_session_that_is_closed_without_it(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as new:
            numbers = {}
            for kept in (True, False):
                old = await bench.client()
                await old.connect()
                numbers[kept] = await subscribe(old)
                await bench.write("level", 1.0)
                await watch(old, numbers[kept], item("level"))
                await old.uaclient.close_session(not kept)
                with suppress(ua.UaError, ConnectionError):
                    await old.disconnect()
            results = await transfer(new, numbers[True], numbers[False], initial=True)
            assert names([each.StatusCode for each in results]) == [
                "Good",
                "BadSubscriptionIdInvalid",
            ]
            assert values(await publish(new)) == [1.0]

    bench.run(scenario())


def test_only_the_same_user_gets_a_subscription(bench: Bench) -> None:
    async def scenario() -> None:
        async with (
            bench.connected(user="operator") as owner,
            bench.connected(user="guest") as guest,
            bench.connected() as anonymous,
            bench.connected("rival", user="operator") as colleague,
        ):
            number = await subscribe(owner)
            for other in (guest, anonymous):
                (refused,) = await transfer(other, number)
                assert refused.StatusCode.name == "BadUserAccessDenied"
            (own,) = await transfer(owner, number)
            assert own.StatusCode.name == "BadNothingToDo"
            assert (await publish(owner)).SubscriptionId == number
            (result,) = await transfer(colleague, number)
            assert result.StatusCode.name == "Good"

    bench.run(scenario())


def test_an_anonymous_subscription_goes_to_the_same_application_only(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as owner, bench.connected("rival") as rival:
            number = await subscribe(owner)
            (refused,) = await transfer(rival, number)
            assert refused.StatusCode.name == "BadUserAccessDenied"

    bench.run(scenario())
