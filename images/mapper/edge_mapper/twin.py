"""One device and its twin: reads in cycles, writes desired values, reports changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from .fields import MALFORMED
from .lines import Declined, Gone, Line, Refusal, Silent, Unusable
from .objects import Device, Property, checked
from .outbox import OFFLINE, ONLINE, Outbox, Report, Twin
from .troubles import Troubles
from .values import Refused, Value

log = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
"""Between two calls to a device that is gone, at least."""
WRITE_TRIES = 3
"""A device that answers reads and never a write, so often, has refused it."""


class DeviceTwin:
    """Serves one Device until it is cancelled.

    Desired values are written once for each change, and again for as long as the device is
    gone; then they are read back, and only what was read is reported.  What is refused, here
    or by the device, is logged and reported as an error of its property: values stay as they are.
    """

    def __init__(self, device: Device, line: Line, outbox: Outbox) -> None:
        self._line = line
        self._outbox = outbox
        self._wake = asyncio.Event()
        self._state = ""
        self._due: dict[str, float] = {}
        self._told: dict[str, tuple[tuple[str, str], float]] = {}
        """By property: what was reported last, and when it was read (monotonic s)."""
        self._handled: dict[str, str] = {}
        """By property: the desired value that was written or refused."""
        self._observed: dict[str, str] = {}
        self._unanswered: dict[str, int] = {}
        """By property, how often what is desired of it was written and not answered."""
        self._troubles = Troubles("/".join(device.key))
        self._device = self._fit(device)

    def _fit(self, device: Device) -> Device:
        """The device without the properties that the line cannot place."""
        properties, broken = {}, dict(device.broken)
        for name, each in device.properties.items():
            try:
                self._line.check(each)
            except MALFORMED as trouble:
                broken[name] = str(trouble) or type(trouble).__name__
            else:
                properties[name] = each
        return replace(device, properties=properties, broken=broken)

    def update(self, device: Device) -> None:
        """Goes on with what has changed in the Device, at once."""
        for name, text in self._device.desired.items():
            if device.desired.get(name) != text:
                self._troubles.desired_anew(name)
                self._unanswered.pop(name, None)
        removed = self._handled.keys() - device.desired.keys()
        for name in removed:
            del self._handled[name]
        self._device = self._fit(device)
        self._wake.set()

    async def run(self) -> None:
        """Never returns."""
        while True:
            self._wake.clear()
            self._troubles.broken(self._device.broken, self._device.properties)
            self._tell_troubles()
            now = time.monotonic()
            try:
                await self._write_desired(self._unanswered.keys())
                if await self._collect(now):
                    await self._write_unanswered()
                pause = self._until_next()
            except Gone as trouble:
                if isinstance(trouble, Unusable):
                    self._tell(self._device.properties.values(), Refusal(str(trouble)))
                self._tell_state(OFFLINE, str(trouble))
                pause = max(RETRY_SECONDS, self._shortest_cycle())
            try:
                await asyncio.wait_for(self._wake.wait(), pause)
            except asyncio.TimeoutError:  # noqa: UP041 - another class before Python 3.11
                continue

    def stumbled(self, trouble: Exception) -> None:
        """`run` has ended by what nobody foresaw; until it runs again, the device is offline."""
        self._tell_state(OFFLINE, f"{type(trouble).__name__} {trouble}".strip())

    # -- reading ---------------------------------------------------------------------------

    async def _collect(self, now: float) -> bool:
        """Reads what is due; whether anything was."""
        due = [
            each
            for name, each in self._device.properties.items()
            if self._due.get(name, 0.0) <= now
        ]
        if not due:
            return False
        # The next is counted from when this one was due: cycles do not drift.
        for each in due:
            cycle = each.collect_ms / 1000
            planned = self._due.get(each.name, now) + cycle
            self._due[each.name] = planned if planned > now else now + cycle
        await self._read(due)
        return True

    async def _read(self, properties: Iterable[Property]) -> None:
        """Reads and reports. A device that answers with an error is there all the same."""
        wanted = list(properties)
        try:
            values: Mapping[str, Value | Refusal] | Refusal = await self._line.read(wanted)
        except Declined as trouble:
            values = Refusal(str(trouble))
        self._tell_state(ONLINE)
        self._tell(wanted, values)

    def _tell(
        self, properties: Iterable[Property], values: Mapping[str, Value | Refusal] | Refusal
    ) -> None:
        """Reports what was read, or why it could not be; one refusal for all if it is but one."""
        at, wall = time.monotonic(), time.time_ns() // 1_000_000
        news: dict[str, Twin] = {}
        answers: dict[str, Refusal | None] = {}
        for each in properties:
            if not isinstance(values, Refusal) and each.name not in values:
                continue
            value = values if isinstance(values, Refusal) else values[each.name]
            text = value if isinstance(value, Refusal) else self._text(each, value)
            if isinstance(text, Refusal):
                answers[each.name] = text
                continue
            answers[each.name] = None
            twin = Twin(text, wall, self._observed.get(each.name, ""))
            said, when = self._told.get(each.name, (None, 0.0))
            confirmed = said is not None and said[1] != twin.observed
            # Half a cycle of grace: a report cycle is seldom met to the millisecond.
            early = at - when < (each.report_ms - each.collect_ms / 2) / 1000
            if said == twin.says or (said is not None and early and not confirmed):
                continue
            self._told[each.name] = (twin.says, at)
            news[each.name] = twin
        self._troubles.read(answers)
        self._tell_troubles(news)

    def _text(self, of: Property, value: Value) -> str | Refusal:
        try:
            return self._line.text(of, value)
        except MALFORMED as trouble:
            return Refusal(f"it cannot be told: {type(trouble).__name__} {trouble}".strip())

    def _tell_troubles(self, twins: Mapping[str, Twin] | None = None) -> None:
        errors = self._troubles.news(twins or ())
        if twins or errors:
            self._outbox.put(Report(self._device.key, twins or {}, errors=errors))

    def _tell_state(self, state: str, why: str = "") -> None:
        if state == self._state:
            return
        self._state = state
        log.info("%s: %s%s", self._name, state, f" ({why})" if why else "")
        self._outbox.put(Report(self._device.key, state=state))

    # -- writing ---------------------------------------------------------------------------

    async def _write_unanswered(self) -> None:
        """What was not answered before, now that the device is seen to answer reads."""
        for name in list(self._unanswered):
            try:
                await self._write_desired(self._device.desired.keys() - {name})
            except Silent as trouble:
                if self._unanswered.get(name, 0) < WRITE_TRIES:
                    raise
                text = self._device.desired.get(name, "")
                self._handle(name, text)
                self._refuse(name, text, Declined(f"no answer: {trouble}"))
            self._unanswered.pop(name, None)

    async def _write_desired(self, leave_out: Collection[str]) -> None:
        device = self._device
        for name, text in device.desired.items():
            if self._device is not device:
                return  # what is desired by now is written in the next pass, which is due
            if self._handled.get(name) == text or name in leave_out:
                continue
            try:
                value = checked(device, name)
                await self._line.write(device.properties[name], value)
            except Silent:
                self._unanswered[name] = self._unanswered.get(name, 0) + 1
                raise
            except (Refused, Declined, *MALFORMED) as trouble:
                self._handle(name, text)
                self._refuse(name, text, trouble)
                continue
            self._handle(name, text)
            self._troubles.desired_anew(name)
            self._observed[name] = text
            log.info("%s: wrote %s=%s", self._name, name, text)
            await self._read([device.properties[name]])

    def _refuse(self, name: str, text: str, trouble: Exception) -> None:
        why = str(trouble)
        if not isinstance(trouble, Refused | Declined):
            why = f"{type(trouble).__name__} {trouble}".strip()
        who = "the device has" if isinstance(trouble, Declined) else "the mapper has"
        log.warning("%s: %s refused %s=%s: %s", self._name, who, name, text, why)
        if self._device.desired.get(name) == text:
            self._troubles.refused(name, f"{text}: {why}")
            self._tell_troubles()

    def _handle(self, name: str, text: str) -> None:
        """That was written or refused; it counts if it is what is desired still."""
        if self._device.desired.get(name) == text:
            self._handled[name] = text

    # -- the rest --------------------------------------------------------------------------

    def _until_next(self) -> float:
        times = [self._due[name] for name in self._device.properties if name in self._due]
        return max(0.0, min(times) - time.monotonic()) if times else 3600.0

    def _shortest_cycle(self) -> float:
        cycles = [each.collect_ms for each in self._device.properties.values()]
        return min(cycles, default=0) / 1000

    @property
    def _name(self) -> str:
        return "/".join(self._device.key)
