"""The outcome of shards, and of the whole matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_lab.core.errors import InputError
from edge_lab.matrix.record import FILE, Record, attempts, number_of, read_record
from edge_lab.report.runs import ExitCode

INTERRUPTED = 2
"""Of pytest: interrupted, or tests that cannot be collected."""
_WORST_FIRST = (ExitCode.FAILED, 3, INTERRUPTED, ExitCode.WRONG_INPUT)


@dataclass(frozen=True)
class Attempt:
    """A folder of results; its record is None if it did not end."""

    folder: Path
    record: Record | None


@dataclass(frozen=True)
class ShardResult:
    """All attempts of a shard, in order."""

    index: int
    attempts: tuple[Attempt, ...]
    code_of_pod: int | None = None
    """For a shard without a record, the exit code of its last pod on a cluster."""

    @property
    def judged(self) -> Attempt | None:
        """The attempt that counts: the first final one, or the last that has ended."""
        ended = [each for each in self.attempts if each.record is not None]
        final = [each for each in ended if each.record is not None and each.record.is_final]
        return next(iter(final or ended[-1:]), None)

    @property
    def code(self) -> int:
        """An attempt that did not end, or never began, is a lab that broke."""
        judged = self.judged
        if judged and judged.record:
            return judged.record.code
        wrong_input = self.code_of_pod == ExitCode.WRONG_INPUT
        return int(ExitCode.WRONG_INPUT if wrong_input else ExitCode.LAB_BROKE)


@dataclass(frozen=True)
class Results:
    """What was found of one plan."""

    plan: str
    shards: tuple[ShardResult, ...]
    """All of the plan, also those without any attempt."""

    @property
    def code(self) -> int:
        return whole_code([each.code for each in self.shards])

    def completed_by(self, codes: Mapping[int, int]) -> Results:
        """With the exit codes of pods, by shard."""
        shards = (replace(each, code_of_pod=codes.get(each.index)) for each in self.shards)
        return replace(self, shards=tuple(shards))


def whole_code(codes: Sequence[int]) -> int:
    """The exit code of a matrix, as of one run of pytest over all its shards."""
    broke = any(code in (ExitCode.LAB_BROKE, ExitCode.LAB_BROKE_AND_FAILED) for code in codes)
    if broke:
        failed = any(
            code not in (ExitCode.LAB_BROKE, ExitCode.PASSED, ExitCode.NOTHING_RAN)
            for code in codes
        )
        return int(ExitCode.LAB_BROKE_AND_FAILED if failed else ExitCode.LAB_BROKE)
    for worst in _WORST_FIRST:
        if worst in codes:
            return int(worst)
    others = [code for code in codes if code not in (ExitCode.PASSED, ExitCode.NOTHING_RAN)]
    if others:
        return int(ExitCode.FAILED)
    passed = ExitCode.PASSED in codes
    return int(ExitCode.PASSED if passed else ExitCode.NOTHING_RAN)


def read_results(*folders: Path) -> Results:
    """The results in these folders and below them, of one plan.

    Raises:
        InputError: there are none, they are of several plans or of several runs, or a record is
            damaged.
    """
    found: dict[int, list[Attempt]] = {}
    places: dict[int, Path] = {}
    known: dict[str, Record] = {}
    for folder in folders:
        for shard in sorted({file.parent.parent for file in folder.rglob(f"attempt-*/{FILE}")}):
            tried = [Attempt(each, read_record(each)) for each in attempts(shard)]
            for record in (each.record for each in tried if each.record):
                known[record.plan] = record
                index = record.shard.index
                if places.setdefault(index, shard).resolve() != shard.resolve():
                    raise InputError(
                        f"{places[index]} and {shard} are the same shard of two runs",
                        remedy="Merge the results of one run at a time.",
                    )
                found[index] = tried
    if not known:
        raise InputError(
            f"no results of shards in {', '.join(map(str, folders))}",
            remedy=f"Each attempt that has ended has a file {FILE}.",
        )
    if len(known) > 1:
        raise InputError(
            "these are results of different plans: "
            + ", ".join(f"{each.plan} ({len(found)} shards)" for each in known.values()),
            remedy="Merge the results of one plan at a time.",
        )
    ((plan, any_record),) = known.items()
    return Results(
        plan=plan,
        shards=tuple(
            ShardResult(
                index,
                tuple(sorted(found.get(index, ()), key=lambda each: number_of(each.folder))),
            )
            for index in range(any_record.shards)
        ),
    )
