"""The operations of a device's control socket that concern its serial line.

{"op": "serial"} returns its status; with "states", it sets them first. {"op": "serial-ask"} reads
the device over the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_lab.devices.control import Answer
from edge_lab.devices.serial.faults import LineStates, SerialAnswer, SerialStatus
from edge_lab.devices.serial.line import SerialLine

ANSWER_SECONDS = 1.0
"""Time limit of a client for an answer, in seconds; the default of mbpoll."""


def line_operations(line: SerialLine) -> Mapping[str, Answer]:
    """By name."""

    async def status(request: Mapping[str, Any]) -> SerialStatus:
        if "states" in request:
            line.set(LineStates.model_validate(request["states"]))
        return line.status

    async def ask(request: Mapping[str, Any]) -> SerialAnswer:
        return await line.ask(min(ANSWER_SECONDS, float(request.get("within", "inf"))))

    return {"serial": status, "serial-ask": ask}
