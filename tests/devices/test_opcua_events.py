"""OPC UA events: filters that are kept to or refused, queues that overflow, ConditionRefresh."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua

from tests.devices.opcua_bench import (
    Bench,
    ask,
    item,
    names,
    publish,
    subscribe,
    watch,
)

pytestmark = pytest.mark.slow(reason="an OPC UA server, and clients' sessions with it")

SERVER = ua.NodeId(ua.ObjectIds.Server)
BASE = ua.NodeId(ua.ObjectIds.BaseEventType)
SYSTEM = ua.NodeId(ua.ObjectIds.SystemEventType)
FAILURE = ua.NodeId(ua.ObjectIds.DeviceFailureEventType)
CONDITION = ua.NodeId(ua.ObjectIds.ConditionType)
Operator = ua.FilterOperator


def field(name: str) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(BASE, [ua.QualifiedName(name)], ua.AttributeIds.Value)


def literal(value: Any, kind: Any = None) -> ua.LiteralOperand:
    return ua.LiteralOperand(ua.Variant(value, kind))


def element(operator: int, *operands: Any) -> ua.ContentFilterElement:
    return ua.ContentFilterElement(operator, list(operands))


def events_of(*elements: ua.ContentFilterElement, **parameters: Any) -> Any:
    """An item for the messages and types of the server's events."""
    asked = ua.EventFilter([field("Message"), field("EventType")], ua.ContentFilter(list(elements)))
    return item(SERVER, attribute=ua.AttributeIds.EventNotifier, Filter=asked, **parameters)


def told(result: Any) -> list[str]:
    return [
        event.EventFields[0].Value.Text
        for data in result.NotificationMessage.NotificationData
        if isinstance(data, ua.EventNotificationList)
        for event in data.Events
    ]


async def tell(bench: Bench, kind: ua.NodeId, *messages: str, severity: int = 100) -> None:
    generator = await bench.server.get_event_generator(kind)
    generator.event.Severity = severity
    for message in messages:
        await generator.trigger(message=message)


@pytest.mark.parametrize(
    ("elements", "wanted"),
    [
        ([], ["base", "system", "failure"]),
        ([element(Operator.OfType, literal(BASE))], ["base", "system", "failure"]),
        ([element(Operator.OfType, literal(SYSTEM))], ["system", "failure"]),
        (
            [element(Operator.GreaterThan, field("Severity"), literal(100, ua.VariantType.UInt16))],
            ["system"],
        ),
        ([element(Operator.InList, field("EventType"), literal(BASE), literal(SYSTEM))], None),
        ([element(Operator.IsNull, field("Nothing"))], ["base", "system", "failure"]),
        ([element(Operator.GreaterThan, field("Nothing"), literal(1))], []),
        (
            [
                element(Operator.And, ua.ElementOperand(1), ua.ElementOperand(2)),
                element(Operator.OfType, literal(SYSTEM)),
                element(Operator.Not, ua.ElementOperand(3)),
                element(Operator.OfType, literal(FAILURE)),
            ],
            ["system"],
        ),
    ],
)
def test_a_client_hears_of_the_events_that_it_asks_for(
    bench: Bench, elements: list[Any], wanted: list[str] | None
) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            (result,) = await watch(client, number, events_of(*elements))
            assert result.StatusCode.is_good()
            await publish(client)
            await tell(bench, BASE, "base")
            await tell(bench, SYSTEM, "system", severity=500)
            await tell(bench, FAILURE, "failure")
            await bench.write("level", 5.0)
            found = []
            await watch(client, number, item("level"))
            while not _has_changes(result := await publish(client)):
                found += told(result)
            found += told(result)
            assert found == (["base", "system"] if wanted is None else wanted)

    bench.run(scenario())


def _has_changes(result: Any) -> bool:
    return any(
        isinstance(data, ua.DataChangeNotification)
        for data in result.NotificationMessage.NotificationData
    )


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (element(Operator.Like, field("Message"), literal("%")), "BadFilterOperatorUnsupported"),
        (element(99, field("Message")), "BadFilterOperatorUnsupported"),
        (element(Operator.Equals, field("Message")), "BadFilterOperandCountMismatch"),
        (element(Operator.Not, ua.ElementOperand(0)), "BadFilterOperandInvalid"),
        (element(Operator.Not, ua.ElementOperand(7)), "BadFilterOperandInvalid"),
    ],
)
def test_a_filter_that_is_not_served_is_refused_with_what_is_wrong(
    bench: Bench, bad: Any, status: str
) -> None:
    async def scenario() -> None:
        async with bench.connected() as client:
            number = await subscribe(client)
            results = await watch(client, number, events_of(bad), events_of())
            assert names([each.StatusCode for each in results]) == ["BadEventFilterInvalid", "Good"]
            (found,) = results[0].FilterResult.WhereClauseResult.ElementResults
            assert found.StatusCode.name == status

    bad.FilterOperator = _Operator(bad.FilterOperator)
    bench.run(scenario())


class _Operator(int):
    """A number in the place of an operator, as any client may send it."""

    @property
    def value(self) -> int:
        return int(self)


def test_a_field_that_there_is_not_is_empty_and_said_to_be_wrong(bench: Bench) -> None:
    async def scenario() -> None:
        odd = ua.SimpleAttributeOperand(
            ua.NodeId("none", 2), [ua.QualifiedName("Message")], ua.AttributeIds.Value
        )
        index = ua.SimpleAttributeOperand(BASE, [], ua.AttributeIds.Value)
        asked = ua.EventFilter([field("Message"), odd, index, field("Nothing")])
        async with bench.connected() as client:
            number = await subscribe(client)
            request = item(SERVER, attribute=ua.AttributeIds.EventNotifier, Filter=asked)
            (result,) = await watch(client, number, request)
            assert names(result.FilterResult.SelectClauseResults) == [
                "Good",
                "BadTypeDefinitionInvalid",
                "BadAttributeIdInvalid",
                "Good",
            ]
            await publish(client)
            await tell(bench, BASE, "message")
            (data,) = (await publish(client)).NotificationMessage.NotificationData
            (event,) = data.Events
            assert event.EventFields[0].Value.Text == "message"
            assert [each.Value for each in event.EventFields[1:]] == [None] * 3

    bench.run(scenario())


@pytest.mark.parametrize(
    ("discard_oldest", "wanted"),
    [(True, ["events are lost", "3", "4"]), (False, ["1", "4", "events are lost"])],
)
def test_an_event_tells_of_events_that_are_lost(
    bench: Bench, discard_oldest: bool, wanted: list[str]
) -> None:
    async def scenario() -> None:
        only_system = element(Operator.OfType, literal(SYSTEM))
        async with bench.connected() as client:
            number = await subscribe(client)
            await publish(client)
            request = events_of(only_system, QueueSize=2, DiscardOldest=discard_oldest)
            await watch(client, number, request)
            await tell(bench, SYSTEM, "1", "2", "3", "4")
            assert told(await publish(client)) == wanted
            await tell(bench, SYSTEM, "5")
            assert told(await publish(client)) == ["5"]

    bench.run(scenario())


def test_conditions_that_hold_are_told_again_on_demand(bench: Bench) -> None:
    async def refresh(client: Any, number: int) -> str:
        call = ua.CallMethodRequest(
            CONDITION,
            ua.NodeId(ua.ObjectIds.ConditionType_ConditionRefresh),
            [ua.Variant(number, ua.VariantType.UInt32)],
        )
        (result,) = await client.uaclient.call([call])
        return str(result.StatusCode.name)

    async def scenario() -> None:
        generator = await bench.server.get_event_generator(
            ua.NodeId(ua.ObjectIds.ExclusiveLevelAlarmType)
        )
        generator.event.NodeId = ua.NodeId("alarm", 2)
        generator.event.Retain = True
        await generator.trigger(message="too high")
        async with bench.connected() as client:
            number = await subscribe(client)
            await watch(client, number, events_of())
            await publish(client)
            assert await refresh(client, 4_000_000) == "BadSubscriptionIdInvalid"
            assert await refresh(client, number) == "Good"
            found = await publish(client)
            assert told(found)[1] == "too high"
            types = [
                event.EventFields[1].Value
                for event in found.NotificationMessage.NotificationData[0].Events
            ]
            assert types[0] == ua.NodeId(ua.ObjectIds.RefreshStartEventType)
            assert types[-1] == ua.NodeId(ua.ObjectIds.RefreshEndEventType)
            await ask(client, "DeleteSubscriptions", SubscriptionIds=[number])

    bench.run(scenario())
