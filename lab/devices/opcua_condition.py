"""The alarms of a device in OPC UA."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from asyncua import ua

from edge_lab.devices.alarms import AlarmState
from edge_lab.devices.points import OPCUA_NAMESPACE_INDEX, Value
from edge_lab.topology import Alarm


class Condition:
    """An alarm in OPC UA: an ExclusiveLevelAlarm that emits an event for each change of its state.

    asyncua delivers an event only to subscribers of the node that emits it, so it is emitted
    twice: by the plant's object, and by the Server object.
    """

    _SAYS: Mapping[AlarmState, str] = {
        AlarmState.HIGH: "High",
        AlarmState.LOW: "Low",
        AlarmState.NORMAL: "",
    }

    def __init__(self, session: Any, generator: Any, folder: Any, alarm: Alarm) -> None:
        self._session = session
        self._generator = generator
        self._folder = folder
        self._alarm = alarm
        self._state = AlarmState.NORMAL

    @classmethod
    async def make(cls, server: Any, folder: Any, node: Any, alarm: Alarm) -> Condition:
        generator = await server.get_event_generator(
            ua.NodeId(ua.ObjectIds.ExclusiveLevelAlarmType), ua.ObjectIds.Server
        )
        await folder.set_event_notifier([ua.EventNotifier.SubscribeToEvents])
        event = generator.event
        event.SourceNode = node.nodeid
        event.SourceName = alarm.point
        event.ConditionName = f"{alarm.point} limit"
        event.ConditionClassId = ua.NodeId(ua.ObjectIds.ProcessConditionClassType)
        event.ConditionClassName = ua.LocalizedText("ProcessConditionClassType")
        event.NodeId = ua.NodeId(f"{node.nodeid.Identifier}.alarm", OPCUA_NAMESPACE_INDEX)
        event.BranchId = ua.NodeId()
        event.InputNode = node.nodeid
        event.HighLimit, event.LowLimit = alarm.high, alarm.low
        text = ua.VariantType.LocalizedText
        event.add_property("LimitState/CurrentState", None, text)
        _set(event, "EnabledState", ua.LocalizedText("Enabled"), True)
        _set(event, "AckedState", ua.LocalizedText("Acknowledged"), True)
        return cls(server.iserver.isession, generator, folder, alarm)

    async def show(self, state: AlarmState, value: Value, when: datetime) -> None:
        """Emits an event if the state has changed."""
        if state is self._state:
            return
        self._state = state
        active = state is not AlarmState.NORMAL
        event = self._generator.event
        event.Severity = self._alarm.severity
        event.Retain = active
        event.Quality = ua.StatusCode(ua.StatusCodes.Good)
        said = "Active" if active else "Inactive"
        _set(event, "ActiveState", ua.LocalizedText(said), active)
        setattr(event, "LimitState/CurrentState", ua.LocalizedText(self._SAYS[state]))
        told = f"{state} at {value:g}" if active else f"normal again at {value:g}"
        event.emitting_node = self._folder.nodeid
        await self._generator.trigger(when, f"{self._alarm.point} is {told}")
        event.emitting_node = ua.NodeId(ua.ObjectIds.Server)
        await self._session.subscription_service.trigger_event(event)


def _set(event: Any, name: str, text: Any, holds: bool) -> None:
    """A two-state variable of an event."""
    setattr(event, name, text)
    setattr(event, f"{name}/Id", holds)
