"""The verdict on a run of critest: each spec of the core passed, and each spec that was left out
has a reason that is declared here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox.counts import counted
from edge_lab.oracles.verdict import Verdict

_ALL = "[k8s.io]"
_BASIC = (
    f"{_ALL} Container runtime should support basic operations on container runtime should support"
)
_VOLUME = (
    f"{_ALL} Container runtime should support adding volume and device runtime should support "
    "starting container with volume"
)
_LOG = f"{_ALL} Container runtime should support log runtime should support"
_POD = (
    f"{_ALL} PodSandbox runtime should support basic operations on PodSandbox "
    "runtime should support"
)
_AGAIN = f"{_ALL} Idempotence"
_INFO = f"{_ALL} Runtime info runtime should support returning runtime info runtime should return"

START = f"{_BASIC} starting container [Conformance]"
STOP = f"{_BASIC} stopping container [Conformance]"
EXEC = f"{_BASIC} execSync [Conformance]"
LOG = f"{_LOG} starting container with log [Conformance]"
STOP_POD = f"{_POD} stopping PodSandbox [Conformance]"

CORE: tuple[str, ...] = (
    f"{_BASIC} creating container [Conformance]",
    START,
    STOP,
    f"{_BASIC} removing created container [Conformance]",
    f"{_BASIC} removing running container [Conformance]",
    f"{_BASIC} removing stopped container [Conformance]",
    EXEC,
    f"{_BASIC} execSync with timeout [Conformance]",
    f"{_BASIC} listing container stats [Conformance]",
    f"{_BASIC} listing stats for started containers [Conformance]",
    f"{_BASIC} listing stats for started containers when filter is nil [Conformance]",
    f"{_BASIC} listing stats for three created containers when filter is nil. [Conformance]",
    f"{_BASIC} listing stats for containers filtered by labels [Conformance]",
    f"{_VOLUME} [Conformance]",
    f"{_VOLUME} when host path is a symlink [Conformance]",
    LOG,
    f"{_LOG} reopening container log [Conformance]",
    f"{_POD} running PodSandbox [Conformance]",
    STOP_POD,
    f"{_POD} removing PodSandbox [Conformance]",
    f"{_AGAIN} StopPodSandbox should not return an error if not found",
    f"{_AGAIN} StopPodSandbox should not return an error if already stopped",
    f"{_AGAIN} RemovePodSandbox should not return an error if not found",
    f"{_AGAIN} StopContainer should not return an error if not found",
    f"{_AGAIN} StopContainer should not return an error if already stopped",
    f"{_AGAIN} RemoveContainer should not return an error if not found",
    f"{_ALL} Streaming runtime should support streaming interfaces runtime should support "
    "exec with tty=false and stdin=false [Conformance]",
    f"{_ALL} Networking runtime should support networking runtime should support set hostname "
    "[Conformance]",
    f"{_INFO} version info [Conformance]",
    f"{_INFO} runtime conditions [Conformance]",
)
"""The specs that are run: life cycle of pods and containers, exec, logs, stats, idempotence."""

CORE_ON_A_BROKEN_RUNTIME = (START, LOG)
"""Specs that runsc behind the shim for runc does not pass; each takes minutes to fail."""

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "Image Manager": "pulls images from registries, which nodes of a lab cannot reach",
        "Idempotence RemoveImage": "images are on nodes before they boot, and are not removed",
        "Multiple Containers": "its web server image is in a registry",
        "Networking runtime should support networking runtime should support DNS": (
            "needs its own servers and names; covered by suites/services"
        ),
        "runtime should support port mapping": "its web server image is in a registry",
        "runtime should support portforward": "its web server image is in a registry",
        "exec with tty=true": "needs a terminal, which no program of a lab has",
        "runtime should support attach": "attaches to a terminal, which no program of a lab has",
        "AppArmor": "loads profiles with sudo; nodes run without AppArmor",
        "Container Mount Propagation": "no pod of a lab asks for it, and a sandbox has none",
        "Container Mount Readonly": "no pod of a lab asks for recursive read-only mounts",
        "Container OOM": "covered by test_bombs",
        "PodSandbox runtime should support sysctls": "no pod of a lab sets sysctls",
        "Security Context": "covered by test_attempts",
        "benchmark": "a benchmark without a verdict",
    }
)
"""Parts of names of specs that are not run, with the reason. A spec that is neither here nor in
`CORE` is a problem: a newer suite may have more."""

MAY_FAIL: Mapping[str, Mapping[str, str]] = MappingProxyType({"runc": {}, "runsc": {}})
"""By runtime handler, specs of `CORE` that need not pass, with the reason. Specs that the suite
itself skips must be here, too."""


_SUITES = TypeAdapter(list[dict[str, Any]])


class Came(StrEnum):
    """The result of a spec."""

    PASSED = "passed"
    FAILED = "failed"
    EXCUSED = "failed, for a declared reason"
    NOT_RUN = "not run"


class SpecRecord(BaseModel):
    """The relevant part of one spec in a report."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: str
    """Ginkgo's state: passed, failed, skipped, timedout, interrupted, panicked, …"""
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class CritestVerdict(Verdict):
    """The verdict on one runtime handler of one node."""

    handler: str = ""
    specs: tuple[tuple[SpecRecord, Came], ...] = ()
    """The specs that were to run."""

    def of(self, came: Came) -> frozenset[str]:
        """The names of the specs with this result."""
        return frozenset(record.name for record, found in self.specs if found is came)


def focus(specs: Sequence[str]) -> str:
    """A Ginkgo filter for exactly these specs; in RE2 syntax, which accepts Python's escapes."""
    return "|".join(f"{re.escape(name)}$" for name in specs)


def parse_report(text: str) -> tuple[SpecRecord, ...]:
    """The specs of Ginkgo's JSON report.

    Raises:
        LabError: it is not such a report.
    """
    try:
        suites = _SUITES.validate_json(text)
        return tuple(
            _record(spec)
            for suite in suites
            for spec in suite["SpecReports"] or ()
            if spec["LeafNodeType"] == "It"
        )
    except (ValueError, LookupError, TypeError, AttributeError, ValidationError) as trouble:
        raise LabError(f"critest left no valid Ginkgo report: {trouble!r}") from trouble


def _record(spec: Mapping[str, Any]) -> SpecRecord:
    words = [*(spec["ContainerHierarchyTexts"] or ()), spec["LeafNodeText"]]
    failure = spec.get("Failure") or {}
    return SpecRecord(
        name=" ".join(words),
        state=spec["State"],
        message=str(failure.get("Message", "")),
        seconds=spec.get("RunTime", 0) / 1e9,
    )


def judge_critest(
    node: str,
    runtime: str,
    handler: str,
    records: Sequence[SpecRecord],
    wanted: Sequence[str] = CORE,
) -> CritestVerdict:
    """The verdict on a run in which `wanted` was to be run."""
    by_name = {record.name: record for record in records}
    excused = MAY_FAIL.get(handler, {})
    judged = []
    problems = []
    for name in wanted:
        record = by_name.get(name, SpecRecord(name=name, state="absent"))
        came = _came(record, name in excused)
        judged.append((record, came))
        if came in (Came.FAILED, Came.NOT_RUN):
            problems.append(f"{name}: {record.state}: {record.message or 'no message'}")
    problems += [
        f"no reason is declared for leaving it out: {name}"
        for name in by_name
        if name not in CORE and not any(part in name for part in LEFT_OUT)
    ]
    ran = sum(record.state != "skipped" for record in records)
    if len(records) <= len(wanted):
        problems.append(f"no evidence: the report has {len(records)} specs")
    measures = counted(
        [came for _, came in judged],
        Came.PASSED,
        what=f"critest specs with {handler}",
        node=node,
        evidence=f"Ginkgo's report: {ran} of {len(records)} specs were run",
    )
    evidence = (
        f"handler {handler}: {ran} of {len(records)} specs of critest",
        *(
            f"{record.name}: {came}: {excused.get(record.name, '')}"
            for record, came in judged
            if came is Came.EXCUSED
        ),
    )
    return CritestVerdict(
        node, runtime, tuple(problems), measures, evidence, handler, tuple(judged)
    )


def _came(record: SpecRecord, excused: bool) -> Came:
    if record.state == "passed":
        return Came.PASSED
    if excused:
        return Came.EXCUSED
    return Came.NOT_RUN if record.state in ("skipped", "pending", "absent") else Came.FAILED
