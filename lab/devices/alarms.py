"""Limits on the values of a plant, and their states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from edge_lab.devices.points import Value
from edge_lab.topology import Alarm


class AlarmState(StrEnum):
    NORMAL = "normal"
    HIGH = "high"
    LOW = "low"


def state_of(alarm: Alarm, value: Value) -> AlarmState:
    """The state of a value, in the point's unit; a value on a limit is normal."""
    if alarm.high is not None and value > alarm.high:
        return AlarmState.HIGH
    if alarm.low is not None and value < alarm.low:
        return AlarmState.LOW
    return AlarmState.NORMAL


def states_of(alarms: Sequence[Alarm], values: Mapping[str, Value]) -> dict[str, AlarmState]:
    """The state of each alarm by its point, for values as served."""
    return {alarm.point: state_of(alarm, values[alarm.point]) for alarm in alarms}
