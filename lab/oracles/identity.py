"""The verdict on identity probes: whether each was admitted or refused for the expected reason.

A failure alone is never a pass. Neither is a refusal for another reason, and an endpoint that is
down is no evidence of anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.oracles.verdict import Verdict
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.expected import FROM_WIRE, Expected, Outcome
from edge_lab.probes.record import Direction, Ended, ProbeRecord

REFUSED_STATUSES = frozenset({400, 401, 403})
"""Statuses that refuse the peer. All others mean that the endpoint handles the request, except for
those below."""
BROKEN = frozenset(range(500, 600))
"""No decision was made."""


class Finding(StrEnum):
    """The finding of one record against the expectation."""

    PASS = "pass"  # noqa: S105 - no password
    WRONG_REASON = "wrong reason"
    """Refused, but not for the expected reason."""
    LET_IN = "let in"
    """Admitted, but should not have been."""
    SHUT_OUT = "shut out"
    """A peer that should be admitted was refused."""
    NO_EVIDENCE = "no evidence"


@dataclass(frozen=True)
class Judged:
    """One probe of one endpoint."""

    record: ProbeRecord
    expected: Expected
    finding: Finding

    @property
    def passed(self) -> bool:
        return self.finding is Finding.PASS

    def __str__(self) -> str:
        return f"{self.record}; expected: {self.expected}: {self.finding}"


def judge_probe(record: ProbeRecord, expected: Expected, *, up: bool = True) -> Judged:
    """`up` is whether the endpoint is known to serve some peer: without that, a missing answer
    proves nothing."""
    findings = [_finding(record, alternative, up) for alternative in _alternatives(expected)]
    passed = next((finding for finding in findings if finding is Finding.PASS), findings[0])
    return Judged(record, expected, passed)


def _alternatives(expected: Expected) -> Iterable[Expected]:
    alternative: Expected | None = expected
    while alternative is not None:
        yield alternative
        alternative = alternative.alternative


def _finding(record: ProbeRecord, expected: Expected, up: bool) -> Finding:
    if record.ended is Ended.NOT_CONNECTED:
        apart = expected.outcome is Outcome.UNREACHABLE and up
        return Finding.PASS if apart else Finding.NO_EVIDENCE
    if was_let_in(record):
        return _of_let_in(record, expected)
    if not _was_refused(record):
        return Finding.NO_EVIDENCE
    if expected.outcome is Outcome.LET_IN:
        return Finding.SHUT_OUT
    return Finding.PASS if _for_the_reason(record, expected) else Finding.WRONG_REASON


def was_let_in(record: ProbeRecord) -> bool:
    """Whether the endpoint handled the request, whatever its answer."""
    if record.ended is Ended.ACCEPTED:
        return True
    return (
        record.http is not None
        and record.http.status not in REFUSED_STATUSES
        and record.http.status not in BROKEN
    )


def _was_refused(record: ProbeRecord) -> bool:
    """Whether the endpoint refused: by a TLS alert, a status, or no TLS at all."""
    if record.http is not None:
        return record.http.status in REFUSED_STATUSES
    if record.ended in (Ended.NOT_TLS, Ended.REFUSED):
        return True
    return (
        record.ended is Ended.ALERT
        and record.alert is not None
        and record.alert.direction is Direction.RECEIVED
    )


def _of_let_in(record: ProbeRecord, expected: Expected) -> Finding:
    if expected.outcome is not Outcome.LET_IN:
        return Finding.LET_IN
    if expected.statuses and (record.http is None or record.http.status not in expected.statuses):
        return Finding.WRONG_REASON
    return Finding.PASS


def _for_the_reason(record: ProbeRecord, expected: Expected) -> bool:
    if expected.outcome is Outcome.ALERT:
        number = record.alert.number if record.alert is not None and record.http is None else None
        return number in expected.alerts_under(record.tls)
    if expected.outcome is Outcome.STATUS:
        return record.http is not None and record.http.status in expected.statuses
    if expected.outcome is Outcome.REFUSAL:
        return record.ended is Ended.REFUSED and record.refusal in expected.refusals
    return expected.outcome is Outcome.NO_TLS and record.ended is Ended.NOT_TLS


# -- an endpoint -----------------------------------------------------------------------------


@dataclass(frozen=True)
class IdentityVerdict(Verdict):
    """The verdict on all probes of some endpoints, from one node."""

    judged: tuple[Judged, ...] = ()


def judge_identity(
    node: str,
    runtime: str,
    records: Sequence[ProbeRecord],
    endpoints: Mapping[str, Endpoint],
) -> IdentityVerdict:
    """The verdict on `records` by what `endpoints`, by their ids, declare.

    A probe that an endpoint declares but that was not run is missing evidence.
    """
    judged: list[Judged] = []
    problems: list[str] = []
    for name, endpoint in endpoints.items():
        of_endpoint = [record for record in records if record.endpoint == name]
        up = any(was_let_in(record) and record.probe != FROM_WIRE for record in of_endpoint)
        for probe, expected in endpoint.policy.expects.items():
            found = [
                judge_probe(record, expected, up=up)
                for record in of_endpoint
                if record.probe == probe
            ]
            if not found:
                problems.append(f"no evidence: {probe} at {name} was not tried")
            judged += found
            problems += [str(check) for check in found if not check.passed]
    known = {
        (name, probe) for name, endpoint in endpoints.items() for probe in endpoint.policy.expects
    }
    problems += [
        f"no expectation is declared for {record}"
        for record in records
        if (record.endpoint, record.probe) not in known
    ]
    if not judged:
        problems.append("no evidence: nothing was probed")
    evidence = (f"{len(judged)} probes of {len(endpoints)} endpoints",)
    return IdentityVerdict(
        node, runtime, tuple(problems), _measures(node, judged), evidence, tuple(judged)
    )


_COUNTED = {
    Finding.PASS: Better.HIGHER,
    Finding.LET_IN: Better.LOWER,
    Finding.WRONG_REASON: Better.LOWER,
    Finding.SHUT_OUT: Better.LOWER,
    Finding.NO_EVIDENCE: Better.LOWER,
}
_LABELS = {
    Finding.PASS: "as expected",
    Finding.LET_IN: "let in wrongly",
    Finding.WRONG_REASON: "for the wrong reason",
    Finding.SHUT_OUT: "shut out wrongly",
    Finding.NO_EVIDENCE: "without evidence",
}


def _measures(node: str, judged: Sequence[Judged]) -> tuple[Measure, ...]:
    counts = [
        Measure(
            name=f"probes_{finding.name.lower()}",
            value=sum(check.finding is finding for check in judged),
            unit=COUNT,
            better=better,
            node=node,
            evidence="each probe's record, and what its endpoint declares",
            heading="probes as expected" if finding is Finding.PASS else "probes not as expected",
            label="" if finding is Finding.PASS else _LABELS[finding],
            minor=finding is not Finding.PASS,
        )
        for finding, better in _COUNTED.items()
    ]
    times = [check.record.seconds for check in judged]
    slowest = Measure(
        name="probe_seconds",
        value=max(times) if times else None,
        reason="" if times else "nothing was probed",
        unit="s",
        better=Better.NEITHER,
        node=node,
        evidence="from the connection's beginning to its end",
        heading="slowest probe",
    )
    return (*counts, slowest)
