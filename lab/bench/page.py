"""The performance page: what was measured, on what, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from edge_lab.bench import growth
from edge_lab.bench.figures import Figure
from edge_lab.bench.lifecycle import Times
from edge_lab.bench.looks import LookTimes
from edge_lab.bench.proofs import ProofTimes
from edge_lab.bench.tables import table

_HEAD = """\
# Performance

Written by `make bench`. Absolute times are valid only for the machine below with its load at that
time; ratios were measured side by side in one run. No test asserts any of these figures.
"""


def performance_page(
    machine: Mapping[str, object],
    times: Sequence[Times],
    figures: Sequence[Figure],
    sizes: Sequence[growth.Size] = (),
) -> str:
    """The complete docs/performance.md."""
    parts = [_HEAD, _machine(machine)]
    parts += [_lifecycle(lifecycle) for lifecycle in times]
    if sizes:
        parts.append(growth.section(sizes))
    if figures:
        parts.append(_fabric(figures))
    return "\n".join(parts)


def _machine(machine: Mapping[str, object]) -> str:
    rows = [(key, value) for key, value in machine.items()]
    return table(("machine", ""), [("measured", f"{datetime.now(UTC):%Y-%m-%d}"), *rows])


def _lifecycle(times: Times) -> str:
    rows = [(stage, f"{seconds:g}") for stage, seconds in times.stages.items()]
    boots = ", ".join(f"{node} {seconds:g} s" for node, seconds in times.boots.items())
    return (
        f"\n## Up and down: `{times.topology}`, {times.stack}, {times.accelerator}\n\n"
        "Artifacts and images were in the cache.\n\n"
        + table(("stage", "seconds"), rows)
        + f"\nFrom power-on to SSH in the cold start, all nodes at the same time: {boots}. "
        f"Repeated boots: {times.reboots}. The checkpoint has {times.checkpoint_mib} MiB.\n"
        + _looks(times.looks)
        + _proofs(times.proofs)
    )


def _looks(looks: LookTimes | None) -> str:
    if looks is None:
        return ""
    ratio = statistics.median(looks.kubectl) / statistics.median(looks.client)
    rows = [
        ("the lab's client", *_middle(looks.client, 3), ""),
        ("a kubectl process", *_middle(looks.kubectl, 3), f"{ratio:.1f}"),
    ]
    return (
        "\n### Looks at the nodes\n\n"
        "Reading the state of the nodes, as the wait for nodes does; alternating in one lab, "
        f"{len(looks.client)} times each. Method: the docstring of `lab/bench/looks.py`.\n\n"
        + table(("read by", "median, s", "range, s", "kubectl / client"), rows)
    )


def _proofs(proofs: Sequence[ProofTimes]) -> str:
    if not proofs:
        return ""
    rows = [(proof.title, *_middle(proof.seen), *_middle(proof.healed)) for proof in proofs]
    head = ("fault", "seen, median s", "range, s", "healed, median s", "range, s")
    return (
        "\n### Faults that prove themselves\n\n"
        "From the command until the effect, and from the heal until the recovery, was seen on the "
        f"node; {len(proofs[0].seen)} times each in this lab. Method: the docstring of "
        "`lab/bench/proofs.py`.\n\n" + table(head, rows)
    )


def _middle(seconds: Sequence[float], digits: int = 1) -> tuple[str, str]:
    middle, least, most = statistics.median(seconds), min(seconds), max(seconds)
    return f"{middle:.{digits}f}", f"{least:.{digits}f} to {most:.{digits}f}"


def _fabric(figures: Sequence[Figure]) -> str:
    rows: list[tuple[object, ...]] = []
    for what in dict.fromkeys(figure.what for figure in figures):
        same = [figure for figure in figures if figure.what == what]
        ours = same[0]
        for figure in same:
            ratio = "" if figure is ours else _ratio(ours, figure)
            spread = f"{min(figure.values):,.0f} to {max(figure.values):,.0f}"
            shown = f"{figure.median:,.0f} {figure.unit}"
            rows.append((what if figure is ours else "", figure.contender, shown, spread, ratio))
    return (
        "\n## Fabric beside VDE\n\n"
        f"The same frames, alternating in one run; medians of {_rounds(figures)}. Method: the "
        "docstring of `lab/bench/fabric.py`.\n\n"
        + table(("what", "contender", "median", "range", "fabric / contender"), rows)
    )


def _rounds(figures: Sequence[Figure]) -> str:
    counts = sorted({len(figure.values) for figure in figures})
    least, most = counts[0], counts[-1]
    number = f"{least}" if least == most else f"{least} to {most}"
    return f"{number} {'round' if most == 1 else 'rounds'}"


def _ratio(ours: Figure, other: Figure) -> str:
    below = statistics.median(other.values)
    return f"{ours.median / below:.2f}" if below else "∞"
