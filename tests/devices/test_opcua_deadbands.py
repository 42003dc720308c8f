"""OPC UA data change filters: deadbands and triggers that are kept to or refused."""

from __future__ import annotations

import asyncio
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
    item,
    names,
    node_id,
    publish,
    subscribe,
    values,
    watch,
)

UNKNOWN = 4_000_000
ABSOLUTE, PERCENT = ua.DeadbandType.Absolute, ua.DeadbandType.Percent


@pytest.mark.parametrize(
    ("variable", "asked", "status"),
    [
        ("level", change_filter(ABSOLUTE, 2.5), "Good"),
        ("several", change_filter(ABSOLUTE, 2.5), "Good"),
        ("other", change_filter(ABSOLUTE, 0.0), "Good"),
        ("level", change_filter(ABSOLUTE, -1.0), "BadDeadbandFilterInvalid"),
        ("level", change_filter(ABSOLUTE, math.nan), "BadDeadbandFilterInvalid"),
        ("level", change_filter(ABSOLUTE, math.inf), "BadDeadbandFilterInvalid"),
        ("level", change_filter(7, 1.0), "BadDeadbandFilterInvalid"),
        ("text", change_filter(ABSOLUTE, 1.0), "BadFilterNotAllowed"),
        ("switch", change_filter(ABSOLUTE, 1.0), "BadFilterNotAllowed"),
        ("text", change_filter(), "Good"),
        ("level", change_filter(PERCENT, 10.0), "BadFilterNotAllowed"),
        ("text", change_filter(PERCENT, 10.0), "BadFilterNotAllowed"),
        ("scaled", change_filter(PERCENT, 10.0), "Good"),
        ("scaled", change_filter(PERCENT, 100.5), "BadDeadbandFilterInvalid"),
        ("scaled", change_filter(PERCENT, -1.0), "BadDeadbandFilterInvalid"),
        ("level", change_filter(trigger=Number(5)), "BadMonitoredItemFilterInvalid"),
    ],
)
def test_a_filter_is_kept_to_or_refused_in_both_services(
    bench: Bench, variable: str, asked: ua.DataChangeFilter, status: str
) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            beside, result, _ = await watch(
                client, number, item("level"), item(variable, Filter=asked), item(variable)
            )
            assert names([beside.StatusCode, result.StatusCode]) == ["Good", status]
            modified = await ask(
                client,
                "ModifyMonitoredItems",
                SubscriptionId=number,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToModify=[
                    ua.MonitoredItemModifyRequest(3, ua.MonitoringParameters(Filter=asked)),
                    ua.MonitoredItemModifyRequest(UNKNOWN),
                    ua.MonitoredItemModifyRequest(1, ua.MonitoringParameters(QueueSize=4)),
                ],
            )
            found = [each.StatusCode for each in modified.Results]
            assert names(found) == [status, "BadMonitoredItemIdInvalid", "Good"]
            assert modified.Results[2].RevisedQueueSize == 4

    bench.run(scenario())


@pytest.mark.parametrize(
    ("variable", "asked", "written", "reported"),
    [
        ("level", change_filter(ABSOLUTE, 2.5), range(1, 11), [0, 3, 6, 9]),
        ("level", change_filter(ABSOLUTE, 0.0), [1, 1, 2], [0, 1, 2]),
        ("level", change_filter(ABSOLUTE, 2.5), [2.5, -2.5, -3, 0], [0, -3, 0]),
        ("level", change_filter(ABSOLUTE, 2.5), [math.inf, math.inf, 0], [0, math.inf, 0]),
        ("scaled", change_filter(PERCENT, 10.0), [20, 21, 41, 42], [0, 21, 42]),
        ("level", None, [1, 1, 2], [0, 1, 2]),
        ("several", change_filter(ABSOLUTE, 1.0), [[1, 1], [0, 1.5]], [[0, 0], [0, 1.5]]),
        ("level", change_filter(trigger=ua.DataChangeTrigger.Status), [1, 2], [0]),
        (
            "level",
            change_filter(trigger=ua.DataChangeTrigger.StatusValueTimestamp),
            [1, 1, 2],
            [0, 1, 1, 2],
        ),
        (
            "level",
            change_filter(ABSOLUTE, 1.5, ua.DataChangeTrigger.StatusValueTimestamp),
            [1, 1, 2],
            [0, 2],
        ),
    ],
)
def test_a_value_is_compared_with_the_last_one_that_was_reported(
    bench: Bench, variable: str, asked: Any, written: list[Any], reported: list[Any]
) -> None:
    async def scenario() -> None:
        first = [0.0, 0.0] if variable == "several" else 0.0
        await bench.write(variable, first)
        async with bench.connected() as client:
            number = await subscribe(client)
            filtered = {} if asked is None else {"Filter": asked}
            await watch(client, number, item(variable, QueueSize=100, **filtered))
            for value in written:
                await asyncio.sleep(0.002)  # so that the time is another one
                await bench.write(variable, _doubles(value))
            assert values(await publish(client)) == [_doubles(value) for value in reported]

    bench.run(scenario())


def _doubles(value: Any) -> Any:
    return [float(each) for each in value] if isinstance(value, list) else float(value)


def test_a_status_is_reported_whatever_the_deadband(bench: Bench) -> None:
    async def scenario() -> None:
        await bench.write("level", 0.0)
        async with bench.connected() as client:
            number = await subscribe(client)
            asked = change_filter(ABSOLUTE, 100.0)
            await watch(client, number, item("level", QueueSize=10, Filter=asked))
            bad = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadDeviceFailure))
            await bench.server.get_node(node_id("level")).write_value(bad)
            await bench.write("level", 1.0, 2.0)
            found = [change.Value.StatusCode.name for change in changes(await publish(client))]
            assert found == ["Good", "BadDeviceFailure", "Good"]

    bench.run(scenario())
