"""OPC UA monitored items: filters, queues, sampling and triggering, item by item."""

from __future__ import annotations

import math
from typing import Any

import pytest
from asyncua import ua

from tests.devices.opcua_bench import (
    Bench,
    Number,
    ask,
    change_filter,
    changes,
    fault,
    item,
    names,
    publish,
    subscribe,
    values,
    watch,
)

pytestmark = pytest.mark.slow(reason="an OPC UA server, and clients' sessions with it")

UNKNOWN = 4_000_000
OVERFLOW = 0x480
SERVER = ua.NodeId(ua.ObjectIds.Server)
ABSOLUTE = ua.DeadbandType.Absolute


def event_filter(*fields: str, where: ua.ContentFilter | None = None) -> ua.EventFilter:
    clauses = [
        ua.SimpleAttributeOperand(
            ua.NodeId(ua.ObjectIds.BaseEventType),
            [ua.QualifiedName(field)],
            ua.AttributeIds.Value,
        )
        for field in fields
    ]
    return ua.EventFilter(clauses, where or ua.ContentFilter())


# -- one bad item among good ones --------------------------------------------------------


def test_each_item_that_cannot_be_had_has_its_own_status(bench: Bench) -> None:
    asked: list[tuple[str, ua.MonitoredItemCreateRequest]] = [
        ("Good", item("level")),
        ("BadNodeIdUnknown", item("nothing")),
        ("BadAttributeIdInvalid", item("level", attribute=99)),
        ("BadAttributeIdInvalid", item("level", attribute=ua.AttributeIds.EventNotifier)),
        ("BadNodeIdUnknown", item("nothing", attribute=ua.AttributeIds.EventNotifier)),
        ("BadMonitoringModeInvalid", item("level", mode=ua.MonitoringMode.Reporting)),
        ("BadMonitoredItemFilterUnsupported", item("level", Filter=ua.AggregateFilter())),
        ("BadFilterNotAllowed", item("level", Filter=event_filter("Message"))),
        (
            "BadFilterNotAllowed",
            item("level", attribute=ua.AttributeIds.DisplayName, Filter=change_filter()),
        ),
        ("Good", item("level", attribute=ua.AttributeIds.DisplayName)),
        (
            "BadMonitoredItemFilterInvalid",
            item(SERVER, attribute=ua.AttributeIds.EventNotifier),
        ),
        (
            "BadFilterNotAllowed",
            item(SERVER, attribute=ua.AttributeIds.EventNotifier, Filter=change_filter()),
        ),
        (
            "BadEventFilterInvalid",
            item(SERVER, attribute=ua.AttributeIds.EventNotifier, Filter=event_filter()),
        ),
        (
            "BadNotSupported",
            item(
                ua.NodeId(ua.ObjectIds.ObjectsFolder),
                attribute=ua.AttributeIds.EventNotifier,
                Filter=event_filter("Message"),
            ),
        ),
        (
            "Good",
            item(SERVER, attribute=ua.AttributeIds.EventNotifier, Filter=event_filter("Message")),
        ),
        ("BadIndexRangeInvalid", _of_range("several", "nonsense")),
        ("Good", _of_range("several", "1")),
        ("Good", item("other")),
    ]
    asked[5][1].MonitoringMode = Number(9)

    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            results = await watch(client, number, *(request for _, request in asked))
            assert names([result.StatusCode for result in results]) == [code for code, _ in asked]
            good = [result.MonitoredItemId for result in results if result.StatusCode.is_good()]
            assert len(set(good)) == len(good)
            found = values(await publish(client))
            assert [value for value in found if isinstance(value, list)] == [[0.0]]
            assert len(found) == 4

    bench.run(scenario())


def _of_range(name: str, part: str) -> ua.MonitoredItemCreateRequest:
    request = item(name)
    request.ItemToMonitor.IndexRange = part
    return request


def test_timestamps_are_those_that_are_asked_for(bench: Bench) -> None:
    both = ua.TimestampsToReturn
    wanted = {
        both.Source: (True, False),
        both.Server: (False, True),
        both.Both: (True, True),
        both.Neither: (False, False),
    }

    async def scenario() -> None:
        async with bench.connected() as client:
            for stamps, there in wanted.items():
                number = await subscribe(client)
                await watch(client, number, item("level"), stamps=stamps)
                (change,) = changes(await publish(client))
                found = (change.Value.SourceTimestamp, change.Value.ServerTimestamp)
                assert tuple(each is not None for each in found) == there
                await ask(client, "DeleteSubscriptions", SubscriptionIds=[number])
            number = await subscribe(client)
            refused = await fault(watch(client, number, item("level"), stamps=both.Invalid))
            assert refused == "BadTimestampsToReturnInvalid"

    bench.run(scenario())


# -- queues and sampling -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "revised", "discard_oldest", "found"),
    [
        (3, 3, True, [(8, OVERFLOW), (9, 0), (10, 0)]),
        (3, 3, False, [(0, 0), (1, 0), (10, OVERFLOW)]),
        (2, 2, True, [(9, OVERFLOW), (10, 0)]),
        (1, 1, True, [(10, 0)]),
        (1, 1, False, [(10, 0)]),
        (0, 1, True, [(10, 0)]),
        (11, 11, True, [(number, 0) for number in range(11)]),
        (2**32 - 1, 10_000, True, [(number, 0) for number in range(11)]),
    ],
)
def test_a_full_queue_loses_what_the_client_has_chosen_and_says_so(
    bench: Bench, size: int, revised: int, discard_oldest: bool, found: list[tuple[int, int]]
) -> None:
    async def scenario() -> None:
        await bench.write("level", 0.0)
        async with bench.connected() as client:
            number = await subscribe(client)
            asked = item("level", QueueSize=size, DiscardOldest=discard_oldest)
            (result,) = await watch(client, number, asked)
            assert result.RevisedQueueSize == revised
            await bench.write("level", *map(float, range(1, 11)))
            told = changes(await publish(client))
            assert [(each.Value.Value.Value, each.Value.StatusCode.value) for each in told] == found
            await bench.write("level", 11.0)  # what was lost is told once
            (after,) = changes(await publish(client))
            assert after.Value.StatusCode.value == 0

    bench.run(scenario())


@pytest.mark.parametrize(
    ("interval", "revised"),
    [(0.0, 0.0), (250.0, 250.0), (-1.0, 20.0), (math.nan, 20.0), (math.inf, 3_600_000.0)],
)
def test_the_sampling_interval_is_the_one_that_is_told(
    bench: Bench, interval: float, revised: float
) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            (result,) = await watch(client, number, item("level", interval=interval))
            assert result.RevisedSamplingInterval == revised

    bench.run(scenario())


def test_no_value_is_taken_faster_than_it_is_sampled_and_the_last_one_is_not_lost(
    bench: Bench,
) -> None:
    async def scenario() -> None:
        await bench.write("level", 0.0)
        async with bench.connected() as client:
            number = await subscribe(client)
            await watch(client, number, item("level", interval=300.0, QueueSize=100))
            await bench.write("level", 1.0, 2.0, 3.0)
            found = values(await publish(client))
            while found[-1] != 3.0:
                found += values(await publish(client))
            assert found == [0.0, 3.0]

    bench.run(scenario())


# -- modes, triggering, deletion ---------------------------------------------------------


async def set_mode(client: Any, number: int, mode: int, *items: int) -> list[str]:
    response = await ask(
        client,
        "SetMonitoringMode",
        SubscriptionId=number,
        MonitoringMode=mode,
        MonitoredItemIds=list(items),
    )
    return names(response.Parameters.Results)


def test_a_mode_is_set_for_each_item_that_there_is(bench: Bench) -> None:
    async def scenario() -> None:
        await bench.write("level", 0.0)
        async with bench.connected() as client:
            number = await subscribe(client, RequestedMaxKeepAliveCount=1)
            await watch(client, number, item("level", QueueSize=10))
            await publish(client)
            wanted = ["BadMonitoredItemIdInvalid", "Good"]
            sampling = ua.MonitoringMode.Sampling
            assert await set_mode(client, number, sampling, UNKNOWN, 1) == wanted
            await bench.write("level", 1.0, 2.0)
            assert values(await publish(client)) == []
            assert await set_mode(client, number, ua.MonitoringMode.Reporting, 1) == ["Good"]
            assert values(await publish(client)) == [1.0, 2.0]
            await set_mode(client, number, ua.MonitoringMode.Disabled, 1)
            await bench.write("level", 3.0)
            assert values(await publish(client)) == []
            await set_mode(client, number, ua.MonitoringMode.Reporting, 1)
            assert values(await publish(client)) == [3.0]
            refused = await fault(set_mode(client, number, Number(9), 1))
            assert refused == "BadMonitoringModeInvalid"

    bench.run(scenario())


def test_a_sampled_item_is_reported_when_another_one_triggers_it(bench: Bench) -> None:
    async def scenario() -> None:
        await bench.write("level", 0.0)
        async with bench.connected() as client:
            number = await subscribe(client, RequestedMaxKeepAliveCount=1)
            await watch(
                client,
                number,
                item("other", handle=1),
                item("level", handle=2, mode=ua.MonitoringMode.Sampling, QueueSize=10),
            )
            assert [change.ClientHandle for change in changes(await publish(client))] == [1]

            async def set_triggering(item_id: int, add: list[int], remove: list[int]) -> Any:
                response = await ask(
                    client,
                    "SetTriggering",
                    SubscriptionId=number,
                    TriggeringItemId=item_id,
                    LinksToAdd=add,
                    LinksToRemove=remove,
                )
                parameters = response.Parameters
                return names(parameters.AddResults), names(parameters.RemoveResults)

            unknown = "BadMonitoredItemIdInvalid"
            assert await set_triggering(1, [UNKNOWN, 2], [2]) == ([unknown, "Good"], [unknown])
            assert await fault(set_triggering(UNKNOWN, [2], [])) == unknown
            assert await fault(set_triggering(1, [], [])) == "BadNothingToDo"
            await bench.write("level", 1.0)
            assert changes(await publish(client)) == []
            await bench.write("other", 1)
            found = {change.ClientHandle for change in changes(await publish(client))}
            assert found == {1, 2}
            assert await set_triggering(1, [], [2]) == ([], ["Good"])
            await bench.write("level", 2.0)
            await bench.write("other", 2)
            assert [change.ClientHandle for change in changes(await publish(client))] == [1]

    bench.run(scenario())


def test_what_is_deleted_is_told_of_no_more_and_an_unknown_item_is_named(bench: Bench) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client, RequestedMaxKeepAliveCount=1)
            await watch(client, number, item("level", handle=1), item("other", handle=2))
            deleted = await ask(
                client,
                "DeleteMonitoredItems",
                SubscriptionId=number,
                MonitoredItemIds=[UNKNOWN, 1, 1],
            )
            unknown = "BadMonitoredItemIdInvalid"
            assert names(deleted.Results) == [unknown, "Good", unknown]
            assert [change.ClientHandle for change in changes(await publish(client))] == [2]
            await bench.write("level", 77.0)
            assert changes(await publish(client)) == []

    bench.run(scenario())


def test_a_modified_item_has_its_new_handle_queue_and_filter(bench: Bench) -> None:
    async def scenario() -> None:
        await bench.write("level", 0.0)
        async with bench.connected() as client:
            number = await subscribe(client)
            await watch(client, number, item("level", handle=1, QueueSize=10))
            await bench.write("level", 1.0, 2.0)
            asked = ua.MonitoringParameters(
                ClientHandle=5, QueueSize=2, Filter=change_filter(ABSOLUTE, 10.0)
            )
            await ask(
                client,
                "ModifyMonitoredItems",
                SubscriptionId=number,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToModify=[ua.MonitoredItemModifyRequest(1, asked)],
            )
            await bench.write("level", 3.0)
            told = changes(await publish(client))
            assert [(each.ClientHandle, each.Value.Value.Value) for each in told] == [
                (5, 1.0),
                (5, 2.0),
            ]
            assert told[0].Value.StatusCode.value == OVERFLOW

    bench.run(scenario())
