"""Verdicts on Thanos' object storage and partial responses; pure functions of evidence."""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.addons.metrics.archive import Block
from edge_lab.measuring.measures import Measure
from edge_lab.oracles.verdict import Verdict
from suites.metrics.evidence import Line


def judge_warnings(line: Line, sidecar: str, healed: tuple[str, ...]) -> Verdict:
    """Whether a response without a node's sidecar, at the address `sidecar`, says so; `healed` are
    the warnings afterwards, when nothing is missing."""
    problems = []
    if not any(sidecar in warning for warning in line.warnings):
        problems.append(f"no warning names {sidecar}, which did not answer")
    if healed:
        problems.append(f"warnings although all sidecars answer: {'; '.join(healed)}")
    said = f"warnings: {'; '.join(line.warnings) or 'none'}"
    return Verdict(line.node, line.runtime, tuple(problems), (), (said,))


def judge_upload(
    half: Mapping[str, Block], blocks: Mapping[str, Block], node: str, runtime: str
) -> Verdict:
    """Whether the blocks that were half uploaded are whole in the end, and all others of `node`."""
    ours = {name: block for name, block in blocks.items() if block.node in (node, "")}
    interrupted = [name for name in half if name not in blocks or name in ours]
    problems = []
    if not interrupted:
        problems.append("no evidence: no upload was interrupted")
    problems += [f"block {name} is gone" for name in half if name not in blocks]
    problems += [
        f"block {name} is incomplete: {block.problem}"
        for name, block in ours.items()
        if block.problem
    ]
    whole = [block for block in ours.values() if not block.problem and block.samples]
    measures: tuple[Measure, ...] = ()
    if whole:
        measure = Measure.of(
            "uplink bytes per sample",
            sum(block.size for block in whole) / sum(block.samples for block in whole),
            "B",
            node,
            label="thanos",
            evidence=f"{len(whole)} blocks",
        )
        measures = (measure,)
    head = f"{len(ours)} blocks of {node}; incomplete at the kill: {', '.join(half) or 'none'}"
    return Verdict(node, runtime, tuple(problems), measures, (head,))
