"""What Pod Security Admission refuses at each level that a namespace enforces, and the verdict on
an API server's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from edge_lab.oracles.sandbox.counts import counted
from edge_lab.oracles.verdict import Verdict

FORBIDDEN = 403


class Level(StrEnum):
    """Levels of the Pod Security Standards; a namespace enforces one by its label."""

    PRIVILEGED = "privileged"
    """The level that admits everything: the control."""
    BASELINE = "baseline"
    RESTRICTED = "restricted"


@dataclass(frozen=True)
class AdmissionRow:
    """The reasons for which each level refuses a pod, in the API server's words."""

    title: str
    refusals: Mapping[Level, frozenset[str]]


def _row(title: str, baseline: str = "", restricted: str = "") -> AdmissionRow:
    found = {Level.BASELINE: baseline, Level.RESTRICTED: restricted}
    given = {level: frozenset(text.split(", ")) for level, text in found.items() if text}
    return AdmissionRow(title, MappingProxyType(given))


def _both(title: str, reason: str) -> AdmissionRow:
    return _row(title, reason, reason)


_ESCALATION, _CAPABILITIES = "allowPrivilegeEscalation != false", "unrestricted capabilities"
_NOTHING = f"{_ESCALATION}, {_CAPABILITIES}, runAsNonRoot != true, seccompProfile"

ADMISSION: Mapping[str, AdmissionRow] = MappingProxyType(
    {
        "as-restricted": _row("everything that `restricted` requires"),
        "default": _row("no security context", restricted=_NOTHING),
        "gvisor-default": _row(
            "no security context, in a sandbox: no exemption", restricted=_NOTHING
        ),
        "gvisor-privileged": _row(
            "privileged, in a sandbox: no exemption", "privileged", f"privileged, {_NOTHING}"
        ),
        "privileged": _row("privileged", "privileged", f"privileged, {_ESCALATION}"),
        "host-network": _both("hostNetwork", "host namespaces"),
        "host-pid": _both("hostPID", "host namespaces"),
        "host-ipc": _both("hostIPC", "host namespaces"),
        "host-path": _row("a folder of the node", "hostPath volumes", "restricted volume types"),
        "host-port": _both("a port of the node", "hostPort"),
        "net-admin": _row("CAP_NET_ADMIN", "non-default capabilities", _CAPABILITIES),
        "net-raw": _row(
            "CAP_NET_RAW, requested explicitly: runtimes grant it by default",
            "non-default capabilities",
            _CAPABILITIES,
        ),
        "default-capabilities": _row("the runtime's capabilities", restricted=_CAPABILITIES),
        "no-seccomp": _both("seccomp profile Unconfined", "seccompProfile"),
        "unset-seccomp": _row("no seccomp profile named", restricted="seccompProfile"),
        "root": _row("user 0", restricted="runAsUser=0"),
        "maybe-root": _row("the user of the image", restricted="runAsNonRoot != true"),
        "escalation": _row("privilege escalation, as by setuid", restricted=_ESCALATION),
        "sysctl": _both("an unsafe sysctl", "forbidden sysctls"),
    }
)
"""Except for those of whole settings, each pod satisfies `restricted` but for the one thing that
its title names, so the refusal is for that thing."""


@dataclass(frozen=True)
class Answer:
    """An API server's answer to a pod in a namespace of a level."""

    request: str
    level: Level
    code: int
    """HTTP status; 201 if it was admitted."""
    message: str = ""

    @property
    def policy(self) -> str:
        """The level that the refusal names; empty if Pod Security Admission did not refuse."""
        found = _VIOLATES.search(self.message)
        return found["level"] if found else ""

    @property
    def reasons(self) -> frozenset[str]:
        """The reasons of the refusal."""
        found = _VIOLATES.search(self.message)
        return frozenset(_REASON.findall(found["reasons"])) if found else frozenset()

    @property
    def shown(self) -> str:
        if self.code != FORBIDDEN:
            return "admitted" if self.code < 300 else f"HTTP {self.code}"
        return f"HTTP {self.code}: {', '.join(sorted(self.reasons)) or self.message}"


_VIOLATES = re.compile(r'violates PodSecurity "(?P<level>\w+):[^"]*": (?P<reasons>.*)', re.DOTALL)
_REASON = re.compile(r"(?:^|\), )([^()]+?) \(")
"""`reason (details), reason (details)` of k8s.io/pod-security-admission, policy/checks.go."""


class AdmissionFinding(StrEnum):
    PASS = "pass"  # noqa: S105 - no password
    ADMITTED = "admitted"
    """And should not have been."""
    REFUSED = "refused"
    """And should not have been."""
    WRONG_REASON = "wrong reason"
    """Refused by something else, or for another reason, than declared."""
    NO_EVIDENCE = "no evidence"


@dataclass(frozen=True)
class JudgedAdmission:
    """One pod in a namespace of one level."""

    request: str
    level: Level
    answer: Answer | None
    finding: AdmissionFinding

    def __str__(self) -> str:
        row = ADMISSION[self.request]
        expected = ", ".join(sorted(row.refusals.get(self.level, ()))) or "admitted"
        met = self.answer.shown if self.answer else "not tried"
        return f"{self.request} at level {self.level}: {met}; expected: {expected}: {self.finding}"


@dataclass(frozen=True)
class AdmissionVerdict(Verdict):
    """The verdict on all pods and levels."""

    judged: tuple[JudgedAdmission, ...] = ()


def judge_admission(node: str, runtime: str, answers: Sequence[Answer]) -> AdmissionVerdict:
    """The verdict on the answers of the API server of `node`; each pod needs one for each level."""
    given = {(answer.request, answer.level): answer for answer in answers}
    judged = tuple(
        JudgedAdmission(name, level, answer, _finding(row.refusals.get(level), answer))
        for name, row in ADMISSION.items()
        for level in Level
        for answer in (given.get((name, level)),)
    )
    problems = tuple(str(check) for check in judged if check.finding is not AdmissionFinding.PASS)
    measures = counted(
        [check.finding for check in judged],
        AdmissionFinding.PASS,
        what="pods at admission",
        node=node,
        evidence="the API server's responses, by status code and stated reasons",
    )
    return AdmissionVerdict(node, runtime, problems, measures, (), judged)


def _finding(refusals: frozenset[str] | None, answer: Answer | None) -> AdmissionFinding:
    if answer is None:
        return AdmissionFinding.NO_EVIDENCE
    if answer.code < 300:
        return AdmissionFinding.ADMITTED if refusals else AdmissionFinding.PASS
    if refusals is None:
        return AdmissionFinding.REFUSED
    as_declared = (
        answer.code == FORBIDDEN and answer.policy == answer.level and answer.reasons == refusals
    )
    return AdmissionFinding.PASS if as_declared else AdmissionFinding.WRONG_REASON
