"""Whether a twin reports what the device has shown.

A report is judged when a watch on the API server sees it.  By then the value has some age: the
mapper reads once in a collect cycle, and the report takes time.  So each value, when it is first
seen,

    must have been shown by the device at all                         (else: wrong)
    must not have been replaced on the device before the previously
    reported value appeared there, nor be empty after a value         (else: it went back)
    must still have been shown no longer than `late_after` seconds
    beyond the collect cycle before it was seen                       (else: late)

and while the device shows new values, new ones must be seen: `silent_after` seconds beyond the
collect cycle without one, the twin is silent; a property whose last value is older than that at
the end is stuck.
A value reported before the watch began may have any age: it must only be followed by a newer
one.  Missing evidence is a failure.

Values are compared as numbers; in a twin they are text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import ClassVar

from edge_lab.addons.twins.status import TwinStatus
from edge_lab.devices.points import REQUESTED_SETPOINT, SEQUENCE, Point
from edge_lab.devices.truth import TruthStep
from edge_lab.oracles.spans import NANOSECONDS, Held, Span, held
from edge_lab.oracles.verdict import Judged


@dataclass(frozen=True)
class TwinSighting:
    """An observed DeviceStatus. `time` is ns since 1970, by the host's clock."""

    time: int
    status: TwinStatus


@dataclass(frozen=True)
class TwinObservation:
    """What was recorded of one twin. Take the truth after the last sighting."""

    twin: str
    began: int
    """Start and end of the watch; ns."""
    ended: int
    sightings: Sequence[TwinSighting]
    truth: Sequence[TruthStep]
    points: Mapping[str, Point]
    """By property, what the twin must report."""
    raw: bool
    """Whether the truth holds raw numbers, as for Modbus devices, or converted values."""
    collect_s: float
    known: Mapping[str, str] = field(default_factory=dict)
    """By property, what was reported when the watch began."""


@dataclass(frozen=True)
class JudgedValue:
    """One value of one property, when it was first seen."""

    property: str
    value: str
    time: int
    age: float | None
    """Seconds since the device had last shown it, 0 while it still did; None if it never had."""
    is_back: bool = False
    """Whether a newer one had been reported before."""


@dataclass(frozen=True)
class TwinVerdict(Judged):
    """The verdict on one twin. `problems` says why it has not passed."""

    separator: ClassVar[str] = "\n  "

    twin: str
    judged: int
    """Values."""
    wrong: tuple[JudgedValue, ...]
    back: tuple[JudgedValue, ...]
    """Older than one that had been reported before: a report was undone."""
    late: tuple[JudgedValue, ...]
    missing: tuple[str, ...]
    """Properties that were never reported."""
    stuck: tuple[JudgedValue, ...]
    """The last value of each property that the device has long replaced; at the end."""
    oldest: float
    """The greatest age of a value, s."""
    silence: float
    """The longest time without a new value, s."""
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        return (
            f"{self.twin}: {self.judged} values judged, {len(self.wrong)} wrong, "
            f"{len(self.back)} went back, {len(self.late)} late, {len(self.missing)} missing, "
            f"{len(self.stuck)} stuck, "
            f"oldest {self.oldest:.1f} s, longest silence {self.silence:.1f} s"
        )


def judge_twin(
    observation: TwinObservation,
    *,
    late_after: float,
    silent_after: float,
    may_go_back: bool = False,
) -> TwinVerdict:
    """The verdict on one observation.

    Args:
        observation: What was recorded.
        late_after: Seconds that a value may be older than the collect cycle when it is seen.
        silent_after: Seconds beyond the collect cycle for which no new value need be seen.
        may_go_back: Whether values that went back are reported without being a problem.
    """
    shown = _shown(observation)
    judged = list(_judged(observation, shown))
    onward = [value for value in judged if not value.is_back]
    ages = [value.age for value in onward if value.age is not None]
    most = observation.collect_s + late_after
    stale = observation.collect_s + silent_after
    seen = {value.property for value in judged} | observation.known.keys()
    verdict = TwinVerdict(
        twin=observation.twin,
        judged=len(judged),
        wrong=tuple(value for value in onward if value.age is None),
        back=tuple(value for value in judged if value.is_back),
        late=tuple(value for value in onward if value.age is not None and value.age > most),
        missing=tuple(name for name in observation.points if name not in seen),
        stuck=tuple(_stuck(observation, shown, stale)),
        oldest=max(ages, default=0.0),
        silence=_silence(observation),
        problems=(),
    )
    return replace(verdict, problems=tuple(_problems(observation, verdict, stale, may_go_back)))


def is_current(status: TwinStatus, observation: TwinObservation) -> bool:
    """Whether all that a twin reports is what its device shows at the end of its ground truth."""
    shown = _shown(observation).held
    return bool(shown) and all(
        _raw(status.value(name) or "", point) == shown[name][-1].value
        for name, point in observation.points.items()
    )


@dataclass(frozen=True)
class _Shown:
    """By property, the raw numbers that the device showed, with their times."""

    points: Mapping[str, Point]
    held: Mapping[str, Sequence[Held[int]]]

    def span(self, name: str, value: str, time: int) -> Span | None:
        """The last time span of that value of a property that began by `time`."""
        raw = _raw(value, self.points.get(name))
        spans = [period.span for period in self.held.get(name, ()) if period.value == raw]
        return max((span for span in spans if span.start <= time), default=None)


def _judged(observation: TwinObservation, shown: _Shown) -> Iterator[JudgedValue]:
    """Each change of a reported value."""
    before = dict(observation.known)
    newest: dict[str, Span | None] = {
        name: shown.span(name, value, observation.began) for name, value in before.items()
    }
    for sighting in observation.sightings:
        for name, reported in sighting.status.properties.items():
            if not reported.is_reported and name not in before:
                continue  # nothing yet: it is missing if nothing follows
            if before.get(name) == reported.value:
                continue
            before[name] = reported.value
            if not reported.is_reported:  # all that had been reported of it is undone
                yield JudgedValue(name, "", sighting.time, None, is_back=True)
                continue
            last = newest.get(name)
            span = shown.span(name, reported.value, sighting.time)
            if span is not None and span == last:
                continue  # it had gone back, and is what it was: no first sight
            is_back = span is not None and last is not None and span.end <= last.start
            if not is_back:
                newest[name] = span or last
            age = _age(span, sighting.time)
            yield JudgedValue(name, reported.value, sighting.time, age, is_back)


def _stuck(
    observation: TwinObservation, shown: _Shown, stale_after: float
) -> Iterator[JudgedValue]:
    """The properties whose last value is older than so many seconds at the end of the watch."""
    last = dict(observation.known)
    for sighting in observation.sightings:
        last |= reported_values(sighting.status)
    for name, value in last.items():
        age = _age(shown.span(name, value, observation.ended), observation.ended)
        never = age is None and value == observation.known.get(name)  # else it is wrong
        if never or (age is not None and age > stale_after):
            yield JudgedValue(name, value, observation.ended, age)


def reported_values(status: TwinStatus) -> dict[str, str]:
    """The reported value of each property, without properties that have none yet."""
    return {
        name: reported.value for name, reported in status.properties.items() if reported.is_reported
    }


def _raw(text: str, point: Point | None) -> int | None:
    """The raw number of a twin's text; None if it has none."""
    if point is None:
        return None
    try:
        raw = Decimal(text).scaleb(point.digits)
    except InvalidOperation:
        return None
    return int(raw) if raw.is_finite() and raw == raw.to_integral_value() else None


def _shown(observation: TwinObservation) -> _Shown:
    steps = observation.truth
    if not steps:
        return _Shown(observation.points, {})
    # The last step is shown still.
    until = max(observation.ended, steps[-1].time + 1)
    found: dict[str, tuple[Held[int], ...]] = {}
    for name, point in observation.points.items():
        if name == SEQUENCE:
            found[name] = held(((step.time, step.seq) for step in steps), until)
        elif name == REQUESTED_SETPOINT:
            found[name] = _a_step_sooner(
                held(((step.time, step.requested) for step in steps), until), steps
            )
        else:
            values = ((step.time, step.values[name]) for step in steps)
            found[name] = held(
                (
                    (time, int(value) if observation.raw else point.raw(value))
                    for time, value in values
                ),
                until,
            )
    return _Shown(observation.points, found)


def _a_step_sooner(
    spans: tuple[Held[int], ...], steps: Sequence[TruthStep]
) -> tuple[Held[int], ...]:
    """A desired value can be read back at once; the truth shows it with the next step."""
    before = {b.time: a.time for a, b in pairwise(steps)}
    return tuple(
        Held(Span(before.get(period.span.start, period.span.start), period.span.end), period.value)
        for period in spans
    )


def _age(span: Span | None, time: int) -> float | None:
    """Seconds at `time` since the end of the span, 0 within it; None if there is no span."""
    return None if span is None else max(0, time - span.end) / NANOSECONDS


def _silence(observation: TwinObservation) -> float:
    times = [observation.began]
    last = observation.known.get(SEQUENCE, "")
    for sighting in observation.sightings:
        number = sighting.status.value(SEQUENCE)
        if number is not None and number != last:
            times.append(sighting.time)
            last = number
    times.append(observation.ended)
    return max(b - a for a, b in pairwise(times)) / NANOSECONDS


def _problems(
    observation: TwinObservation, verdict: TwinVerdict, stale: float, may_go_back: bool
) -> Iterator[str]:
    if not observation.truth:
        yield "no evidence: the device's ground truth is empty"
    if not verdict.judged:
        yield "no evidence: no value was seen"
    elif verdict.missing:
        yield f"never reported: {', '.join(verdict.missing)}"
    for value in verdict.wrong[:3]:
        yield f"wrong: {value.property} was reported as {value.value!r}, which was never shown"
    back = () if may_go_back else verdict.back
    for value in back[:3]:
        if value.value:
            yield (
                f"went back: {value.property} = {value.value} was {_last_shown(value)}, "
                "and a newer value had been reported"
            )
        else:
            yield f"went back: {value.property} has no value, and one had been reported"
    for value in verdict.late[:3]:
        yield f"late: {value.property} = {value.value} was {_last_shown(value)}"
    for kind, found in (
        ("wrong", verdict.wrong),
        ("back", back),
        ("late", verdict.late),
    ):
        if len(found) > 3:
            yield f"{len(found) - 3} more: {kind}"
    for value in verdict.stuck:
        yield f"stuck: {value.property} is still {value.value}, {_last_shown(value)}"
    if verdict.silence > stale:
        yield f"silent: {verdict.silence:.1f} s without a new value"


def _last_shown(value: JudgedValue) -> str:
    return "never shown" if value.age is None else f"last shown {value.age:.1f} s before"


__all__ = [
    "JudgedValue",
    "TwinObservation",
    "TwinSighting",
    "TwinVerdict",
    "is_current",
    "judge_twin",
    "reported_values",
]
