"""Tables of `lab matrix`: its plan, and the outcome of its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape

from edge_lab.cli.render import plain_table
from edge_lab.core.durations import show_duration
from edge_lab.report.runs import ExitCode

if TYPE_CHECKING:
    from edge_lab.matrix.plan import Plan
    from edge_lab.matrix.verdict import Results, ShardResult

_OUTCOMES = {
    int(ExitCode.PASSED): "passed",
    int(ExitCode.FAILED): "a test failed",
    2: "interrupted, or tests cannot be collected",
    3: "an error of pytest",
    int(ExitCode.WRONG_INPUT): "wrong input",
    int(ExitCode.NOTHING_RAN): "nothing ran",
    int(ExitCode.LAB_BROKE): "the lab broke",
    int(ExitCode.LAB_BROKE_AND_FAILED): "a test failed, and the lab broke",
}
_GREEN, _YELLOW = (int(ExitCode.PASSED),), (int(ExitCode.LAB_BROKE), int(ExitCode.NOTHING_RAN))


def outcome(code: int) -> str:
    """An exit code in words."""
    return f"{_OUTCOMES.get(code, 'unknown')} (exit code {code})"


def plan_table(plan: Plan) -> RenderableType:
    table = plain_table(
        f"matrix {escape(plan.name)}",
        "shard",
        "topology",
        "stack",
        "memory",
        "CPUs",
        "takes",
        "files",
    )
    for shard in plan.shards:
        files = "\n".join(
            f"{escape(each.path)} [dim]{_time(each.seconds)} {each.source}[/]"
            for each in shard.files
        )
        table.add_row(
            str(shard.index),
            escape(shard.lab),
            escape(shard.stack),
            f"{shard.memory_mib} MiB",
            str(shard.cpus),
            _time(shard.seconds),
            files,
            end_section=True,
        )
    alone = sum(shard.seconds for shard in plan.shards)
    longest = max(shard.seconds for shard in plan.shards)
    return Group(
        table,
        f"{len(plan.shards)} shards: {_time(alone)} one after the other, {_time(longest)} together",
    )


def results_table(results: Results) -> RenderableType:
    table = plain_table(
        "shards", "shard", "topology", "stack", "outcome", "attempts", "took", "files"
    )
    for shard in results.shards:
        colour = "green" if shard.code in _GREEN else "yellow" if shard.code in _YELLOW else "red"
        record = shard.judged.record if shard.judged else None
        table.add_row(
            str(shard.index),
            *((escape(record.shard.lab), escape(record.shard.stack)) if record else ("", "")),
            f"[{colour}]● {_said(shard)}[/]",
            str(len(shard.attempts)),
            _time(record.seconds) if record else "",
            "\n".join(escape(each.path) for each in record.shard.files) if record else "",
        )
    return table


def _said(shard: ShardResult) -> str:
    if shard.judged:
        return outcome(shard.code)
    return f"no result; {outcome(shard.code)}"


def _time(seconds: float) -> str:
    return show_duration(round(seconds))
