"""OPC UA subscriptions and sessions: what a client gets that asks for the unusual."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from asyncua import ua

from tests.devices.opcua_bench import (
    Bench,
    ask,
    changes,
    fault,
    item,
    names,
    publish,
    settled,
    status_change,
    subscribe,
    until,
    values,
    watch,
)

pytestmark = pytest.mark.slow(reason="an OPC UA server, and clients' sessions with it")

NO_SUBSCRIPTION = 4_000_000


# -- republish ---------------------------------------------------------------------------


def test_what_is_not_acknowledged_is_published_again_and_all_else_refused(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            await watch(client, number, item("level", QueueSize=5))
            first = await publish(client)
            sequence = first.NotificationMessage.SequenceNumber

            async def republish(subscription: int, wanted: int) -> Any:
                response = await ask(
                    client,
                    "Republish",
                    SubscriptionId=subscription,
                    RetransmitSequenceNumber=wanted,
                )
                return response.NotificationMessage

            for _ in range(2):  # it stays until it is acknowledged
                again = await republish(number, sequence)
                assert again == first.NotificationMessage
            assert await fault(republish(number, sequence + 1)) == "BadMessageNotAvailable"
            assert await fault(republish(number, 0)) == "BadMessageNotAvailable"
            assert await fault(republish(NO_SUBSCRIPTION, 1)) == "BadSubscriptionIdInvalid"
            await bench.write("level", 1.0)
            second = await publish(client, (number, sequence))
            assert second.Results[0].is_good()
            assert second.NotificationMessage.SequenceNumber == sequence + 1
            assert second.AvailableSequenceNumbers == [sequence + 1]
            assert await fault(republish(number, sequence)) == "BadMessageNotAvailable"

    bench.run(scenario())


def test_each_acknowledgement_has_its_own_result(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            await watch(client, number, item("level"))
            sequence = (await publish(client)).NotificationMessage.SequenceNumber
            await bench.write("level", 2.0)
            result = await publish(
                client,
                (NO_SUBSCRIPTION, 1),
                (number, sequence + 7),
                (number, sequence),
                (number, sequence),
            )
            assert names(result.Results) == [
                "BadSubscriptionIdInvalid",
                "BadSequenceNumberUnknown",
                "Good",
                "BadSequenceNumberUnknown",
            ]

    bench.run(scenario())


# -- unknown subscriptions, and others' --------------------------------------------------


async def uses(client: Any, number: int) -> dict[str, str]:
    """What comes of each service that names a subscription, as a whole or for its item."""

    async def status(name: str, **parameters: Any) -> str:
        try:
            found = await ask(client, name, **parameters)
        except ua.UaStatusCodeError as refusal:
            return str(ua.StatusCode(refusal.code).name)
        inner = getattr(found, "Parameters", found)
        results = getattr(found, "Results", None) or getattr(inner, "Results", None)
        first = results[0] if results else ua.StatusCode()
        return str(getattr(first, "StatusCode", first).name)

    both = ua.TimestampsToReturn.Both
    calls: dict[str, dict[str, Any]] = {
        "ModifySubscription": {"RequestedPublishingInterval": 50.0},
        "CreateMonitoredItems": {"TimestampsToReturn": both, "ItemsToCreate": [item("level")]},
        "ModifyMonitoredItems": {
            "TimestampsToReturn": both,
            "ItemsToModify": [ua.MonitoredItemModifyRequest(1)],
        },
        "SetMonitoringMode": {
            "MonitoringMode": ua.MonitoringMode.Sampling,
            "MonitoredItemIds": [1],
        },
        "SetTriggering": {"TriggeringItemId": 1, "LinksToAdd": [1]},
        "DeleteMonitoredItems": {"MonitoredItemIds": [1]},
        "Republish": {"RetransmitSequenceNumber": 1},
    }
    found = {
        name: await status(name, SubscriptionId=number, **parameters)
        for name, parameters in calls.items()
    }
    found["SetPublishingMode"] = await status(
        "SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[number]
    )
    found["DeleteSubscriptions"] = await status("DeleteSubscriptions", SubscriptionIds=[number])
    return found


def test_a_subscription_is_nobody_elses(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as owner, bench.connected() as other:
            number = await subscribe(owner)
            await watch(owner, number, item("level"))
            assert set((await uses(other, number)).values()) == {"BadSubscriptionIdInvalid"}
            assert set((await uses(owner, NO_SUBSCRIPTION)).values()) == {
                "BadSubscriptionIdInvalid"
            }
            await publish(owner)
            own = await uses(owner, number)
            assert set(own.values()) == {"Good"}, own

    bench.run(scenario())


def test_one_unknown_subscription_does_not_hide_its_neighbours(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            asked = [NO_SUBSCRIPTION, number, 0]
            set_mode = await ask(
                client, "SetPublishingMode", PublishingEnabled=False, SubscriptionIds=asked
            )
            wanted = ["BadSubscriptionIdInvalid", "Good", "BadSubscriptionIdInvalid"]
            assert names(set_mode.Parameters.Results) == wanted
            deleted = await ask(client, "DeleteSubscriptions", SubscriptionIds=[*asked, number])
            assert names(deleted.Results) == [*wanted, "BadSubscriptionIdInvalid"]

    bench.run(scenario())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("DeleteSubscriptions", {"SubscriptionIds": []}),
        ("SetPublishingMode", {"SubscriptionIds": []}),
        ("TransferSubscriptions", {"SubscriptionIds": []}),
        ("CreateMonitoredItems", {"ItemsToCreate": []}),
        ("ModifyMonitoredItems", {"ItemsToModify": []}),
        ("SetMonitoringMode", {"MonitoredItemIds": []}),
        ("DeleteMonitoredItems", {"MonitoredItemIds": []}),
    ],
)
def test_a_request_for_nothing_is_refused(
    bench: Bench, name: str, parameters: dict[str, Any]
) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            of_one = (
                {} if "Subscription" in name or "Publishing" in name else {"SubscriptionId": number}
            )
            refused = await fault(ask(client, name, **of_one, **parameters))
            assert refused == "BadNothingToDo"

    bench.run(scenario())


# -- publishing --------------------------------------------------------------------------


def test_there_is_nothing_to_publish_without_a_subscription(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            assert await fault(publish(client)) == "BadNoSubscription"
            number = await subscribe(client)
            assert (await publish(client)).SubscriptionId == number
            waiting = asyncio.ensure_future(publish(client))
            await settled(client)
            await ask(client, "DeleteSubscriptions", SubscriptionIds=[number])
            assert await fault(asyncio.wait_for(waiting, 60)) == "BadNoSubscription"

    bench.run(scenario())


def test_of_too_many_requests_the_oldest_is_refused(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            await publish(client)
            waiting = [asyncio.ensure_future(publish(client)) for _ in range(13)]
            refused = [await fault(asyncio.wait_for(each, 60)) for each in waiting[:2]]
            assert refused == ["BadTooManyPublishRequests"] * 2
            await watch(client, number, item("level"))
            assert (await waiting[2]).SubscriptionId == number
            for each in waiting[3:]:
                assert not each.done()
                each.cancel()

    bench.run(scenario())


def test_nothing_is_published_to_a_request_that_the_client_has_given_up(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            first = (await publish(client)).NotificationMessage.SequenceNumber
            with pytest.raises(asyncio.TimeoutError):
                await client.uaclient.protocol.send_request(ua.PublishRequest(), 0.2)
            await watch(client, number, item("level"))
            result = await publish(client)
            assert len(changes(result)) == 1
            assert result.NotificationMessage.SequenceNumber == first

    bench.run(scenario())


def test_the_subscription_of_the_highest_priority_is_published_first(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            numbers = [await subscribe(client, Priority=priority) for priority in (1, 9, 5)]
            service = bench.server.iserver.subscription_service
            await until(lambda: all(service.subscriptions[number].late for number in numbers))
            found = [(await publish(client)).SubscriptionId for _ in numbers]
            assert found == [numbers[1], numbers[2], numbers[0]]

    bench.run(scenario())


def test_a_silent_subscription_says_that_it_is_alive_and_one_that_is_off_too(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client, RequestedMaxKeepAliveCount=3)
            loop = asyncio.get_running_loop()
            began = loop.time()
            first = await publish(client)
            assert (first.NotificationMessage.SequenceNumber, changes(first)) == (1, [])
            second = await publish(client)
            assert loop.time() - began >= 2 * 0.02
            # It takes no number from a message with something in it.
            assert (second.NotificationMessage.SequenceNumber, changes(second)) == (1, [])
            await ask(
                client, "SetPublishingMode", PublishingEnabled=False, SubscriptionIds=[number]
            )
            await watch(client, number, item("level"))
            assert changes(await publish(client)) == []
            await ask(client, "SetPublishingMode", PublishingEnabled=True, SubscriptionIds=[number])
            third = await publish(client)
            assert (third.NotificationMessage.SequenceNumber, len(changes(third))) == (1, 1)

    bench.run(scenario())


def test_a_subscription_ends_with_its_lifetime_and_the_client_hears_of_it(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            kept = await subscribe(client)
            number = await subscribe(client, RequestedLifetimeCount=5, RequestedMaxKeepAliveCount=1)
            service = bench.server.iserver.subscription_service
            await until(lambda: number not in service.subscriptions)
            last = await publish(client)
            assert (last.SubscriptionId, status_change(last)) == (number, "BadTimeout")
            assert (await publish(client)).SubscriptionId == kept
            gone = await ask(client, "DeleteSubscriptions", SubscriptionIds=[number, kept])
            assert names(gone.Results) == ["BadSubscriptionIdInvalid", "Good"]

    bench.run(scenario())


def test_no_more_is_published_at_once_than_the_client_asks_for(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client, MaxNotificationsPerPublish=2)
            await bench.write("level", 0.0)
            await watch(client, number, item("level", QueueSize=10))
            await bench.write("level", 1.0, 2.0, 3.0, 4.0)
            results = [await publish(client) for _ in range(3)]
            assert [values(result) for result in results] == [[0.0, 1.0], [2.0, 3.0], [4.0]]
            assert [result.MoreNotifications for result in results] == [True, True, False]

    bench.run(scenario())


@pytest.mark.parametrize(
    ("interval", "revised"),
    [
        (0.0, 10.0),
        (-5.0, 10.0),
        (math.nan, 10.0),
        (-math.inf, 10.0),
        (math.inf, 3_600_000.0),
        (250.0, 250.0),
    ],
)
def test_what_cannot_be_had_is_revised_to_what_is_done(
    bench: Bench, interval: float, revised: float
) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            asked = {
                "RequestedPublishingInterval": interval,
                "RequestedLifetimeCount": 0,
                "RequestedMaxKeepAliveCount": 0,
            }
            created = (await ask(client, "CreateSubscription", **asked)).Parameters
            assert created.RevisedPublishingInterval == revised
            assert created.RevisedLifetimeCount >= 3 * created.RevisedMaxKeepAliveCount > 0
            modified = (
                await ask(
                    client,
                    "ModifySubscription",
                    SubscriptionId=created.SubscriptionId,
                    RequestedPublishingInterval=interval,
                    RequestedLifetimeCount=10,
                    RequestedMaxKeepAliveCount=2**32 - 1,
                )
            ).Parameters
            assert modified.RevisedPublishingInterval == revised
            assert modified.RevisedLifetimeCount >= 3 * modified.RevisedMaxKeepAliveCount

    bench.run(scenario())


def test_a_modified_interval_is_kept_to(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client, RequestedPublishingInterval=3_600_000.0)
            waiting = asyncio.ensure_future(publish(client))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await ask(
                client,
                "ModifySubscription",
                SubscriptionId=number,
                RequestedPublishingInterval=20.0,
                RequestedLifetimeCount=100,
                RequestedMaxKeepAliveCount=10,
            )
            assert (await asyncio.wait_for(waiting, 60)).SubscriptionId == number

    bench.run(scenario())
