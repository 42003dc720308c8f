"""Whether a node's memory is flat over a day, and whether anything was killed or restarted beyond
what the plan explains.

The readings of a node are averaged over equal stretches of time, so that what comes and goes in
between does not count, and the oracle of leaks fits a line through each part. A boot begins anew:
only what follows the last one is judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_lab.core.errors import LabError
from edge_lab.evidence.leaks import LeakEvidence, LeakRound
from edge_lab.evidence.memory import MemoryPart, NodeMemorySeen, NodeMoment
from edge_lab.measuring.measures import COUNT, Better, Measure
from edge_lab.oracles.memory.leaks import FOLLOWED, Slope, slopes_of
from edge_lab.oracles.spans import NANOSECONDS, Span
from edge_lab.oracles.verdict import Verdict
from suites.plantday.evidence import RestartEvidence, boots_of

STRETCHES = 16
"""Stretches of time whose averages are compared."""
GROWTH_MIB, GROWTH_SHARE = 4.0, 0.1
"""Growth that matters: both in MiB and as a share of the part. Working sizes change with what
happens on a day, and what happens is not the same in each stretch."""
LATE_SHARE = 0.25
"""Of the growth that matters, this share must be in the second half of the day: what fills once and
stays does not leak."""
ALL = "all in use"
SHOWN = 10


def judge_node_memory(node: RestartEvidence) -> Verdict:
    """Whether no part grows, nothing was killed for lack of memory, and only the plan restarted
    units."""
    slopes, late, missing, problems = _slopes(node)
    problems += [
        f"grows: {slope.told('min')}" for slope in slopes if grows(slope, late.get(slope.part))
    ]
    kills = out_of_memory(node)
    if kills:
        problems.append(f"the kernel has killed {kills} processes for lack of memory")
    problems += unexplained(node)
    least = min((seen.available_mib for seen in node.readings), default=None)
    total = next((slope for slope in slopes if slope.part == ALL), None)
    measures = (
        _measure("memory available", least, "MiB", node.node, "least", Better.HIGHER),
        _measure("memory growth", total.growth_mib if total else None, "MiB", node.node, ALL),
        _measure("processes killed for lack of memory", kills, COUNT, node.node, ""),
    )
    lines = [slope.told("min") for slope in slopes[:SHOWN]]
    if missing:
        lines.append(f"not judged, since they come and go: {', '.join(missing)}")
    return Verdict(node.node, node.runtime, tuple(problems), measures, tuple(lines))


def grows(slope: Slope, late: Slope | None) -> bool:
    """Whether the growth is significant, large enough to matter, and goes on in the second half,
    `late`."""
    matters = max(GROWTH_MIB, GROWTH_SHARE * slope.least)
    goes_on = late is not None and late.low > 0 and late.growth_mib >= LATE_SHARE * matters
    return slope.low > 0 and slope.growth_mib >= matters and goes_on


def _slopes(
    node: RestartEvidence,
) -> tuple[tuple[Slope, ...], dict[str, Slope], tuple[str, ...], list[str]]:
    """The slopes of all parts in MiB per minute, those of the second half by part, the parts that
    come and go, and why there are none."""
    evidence = leak_evidence(node)
    half = evidence.altered(rounds=evidence.rounds[len(evidence.rounds) // 2 :])
    try:
        slopes, missing = slopes_of(evidence)
        late, _ = slopes_of(half)
    except LabError as trouble:
        return (), {}, (), [trouble.message]
    return slopes, {slope.part: slope for slope in late}, missing, []


def leak_evidence(node: RestartEvidence) -> LeakEvidence:
    """The averages of equal stretches since the last boot, as rounds for the oracle of leaks."""
    ended = round(node.ended * NANOSECONDS)
    since = max(
        (boot.end for boot in boots_of(node.faults, node.node, ended)),
        default=round(node.began * NANOSECONDS),
    )
    length = max(1, (ended - since) // STRETCHES)
    rounds = []
    for number in range(STRETCHES):
        span = Span(since + number * length, since + (number + 1) * length)
        inside = [seen for seen in node.readings if span.start <= seen.time < span.end]
        if inside:
            minutes = (number + 1) * length / NANOSECONDS / 60
            rounds.append(LeakRound(done=minutes, seen=average(inside)))
    return LeakEvidence(node=node.node, runtime=node.runtime, unit="min", rounds=tuple(rounds))


def average(readings: Sequence[NodeMemorySeen]) -> NodeMemorySeen:
    """The mean size of each part that is in all of the readings, and the sum of all parts."""
    sizes: list[dict[tuple[str, str], float]] = [
        {(part.group.value, part.name): part.mib for part in seen.parts} for seen in readings
    ]
    groups = {(part.group.value, part.name): part.group for part in readings[0].parts}
    everywhere = set(sizes[0]).intersection(*sizes[1:])
    parts = [
        MemoryPart(
            group=groups[key], name=key[1], mib=sum(size[key] for size in sizes) / len(sizes)
        )
        for key in sorted(everywhere)
    ]
    used = [sum(part.mib for part in seen.parts if part.group in FOLLOWED) for seen in readings]
    group = next((part.group for part in parts if part.group in FOLLOWED), None)
    if group is not None:
        parts.append(MemoryPart(group=group, name=ALL, mib=sum(used) / len(used)))
    return readings[-1].model_copy(update={"parts": tuple(parts)})


# -- kills and restarts ----------------------------------------------------------------------------


def out_of_memory(node: RestartEvidence) -> int:
    """Processes that the kernel killed for lack of memory: by its counter, which a boot sets to 0,
    or by those of control groups while they were watched."""
    same = node.before.boot == node.after.boot
    counted = node.after.kills - (node.before.kills if same else 0)
    highest: dict[str, int] = {}
    lowest: dict[str, int] = {}
    for seen in node.readings:
        for part in seen.parts:
            if part.oom_kills is not None:
                highest[part.name] = max(highest.get(part.name, 0), part.oom_kills)
                lowest.setdefault(part.name, part.oom_kills)
    watched = sum(highest[name] - lowest[name] for name in highest)
    return max(counted, watched)


def unexplained(node: RestartEvidence) -> list[str]:
    """Units that were restarted, and boots, without a fault that explains it. While a node boots,
    units are restarted until what they need is there: they are counted from when it had settled."""
    boots = boots_of(node.faults, node.node, round(node.ended * NANOSECONDS))
    seen = max(node.boots_seen, int(node.before.boot != node.after.boot))
    if seen > len(boots):
        return [f"it has booted {seen} times; the plan has reset it {len(boots)} times"]
    base, since = node.before, node.began
    if boots:
        if node.settled is None:
            return ["no evidence: its units were not looked at after its boot"]
        base, since = node.settled, node.settled_at
    problems = []
    for unit, found in sorted(_restarts(base, node.after).items()):
        kills = sum(
            getattr(record.fault, "service", "") == unit
            for record in node.faults
            if record.fault.fault == "kill" and node.node in record.fault.scope.nodes
            # A kill that was in progress may be counted by either of the two looks.
            if record.healed is None or record.healed >= since * NANOSECONDS
        )
        if found > kills:
            problems.append(
                f"{unit} was restarted {found} times; the plan has killed it {kills} times"
            )
    return problems


def _restarts(before: NodeMoment, after: NodeMoment) -> dict[str, int]:
    """By unit, its restarts by systemd between two moments; since the boot, if there was one. A
    process that changed without one was started by somebody else."""
    same = before.boot == after.boot
    found: dict[str, int] = {}
    for unit, word in after.units.items():
        pid, _, restarts = word.partition("/")
        old_pid, _, old = before.units.get(unit, "/").partition("/")
        count = _number(restarts) - (_number(old) if same else 0)
        if same and not count and pid != old_pid and _number(old_pid):
            count = 1
        found[unit] = count
    return found


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _measure(
    heading: str,
    value: float | None,
    unit: str,
    node: str,
    label: str,
    better: Better = Better.LOWER,
) -> Measure:
    return Measure.of(
        heading,
        None if value is None else round(value, 1),
        unit,
        node,
        label=label,
        reason="too few readings",
        better=better,
        evidence="cgroup v2, /proc/meminfo and /proc/vmstat over a day",
    )
