"""`lab bench`: compares two checkouts, stacks, topologies or settings on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edge_lab.cli.common import AsJson, err, out, print_json
from edge_lab.cli.outputs import check_file, write_file
from edge_lab.cli.progress import showing_steps
from edge_lab.core.errors import InputError, LabError

OVER_GATE = 1
"""Exit code: B is slower than the gate allows, with confidence."""


def _list(asked: bool) -> None:
    if not asked:
        return
    from edge_lab.bench.ab.benchmarks import BENCHMARKS

    table = Table(box=SIMPLE_HEAD, show_edge=False, header_style="dim")
    for name in ("benchmark", "measures", "needs", "in the gate"):
        table.add_column(name)
    for benchmark in BENCHMARKS.values():
        gate = "yes" if benchmark.hot_path else ""
        table.add_row(benchmark.name, benchmark.what, benchmark.needs.value, gate)
    out.print(table)
    raise typer.Exit


def bench(
    a: Annotated[str, typer.Argument(metavar="A", help="The side that B is compared with.")],
    b: Annotated[
        str,
        typer.Argument(metavar="B", help="The other side, for example . for the current folder."),
    ],
    of: Annotated[
        list[str] | None,
        typer.Option(
            "--of", metavar="NAME", help="A benchmark, or hot-paths; may be repeated. See --list."
        ),
    ] = None,
    blocks: Annotated[
        int, typer.Option(min=2, max=1000, help="Blocks to measure; A and B run twice in each.")
    ] = 6,
    gate: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="Exit with 1 if B is more than this many times as slow, with confidence, twice.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write JSON to this file.")
    ] = None,
    as_json: AsJson = False,
    _listed: Annotated[
        bool,
        typer.Option("--list", callback=_list, is_eager=True, help="List the benchmarks and exit."),
    ] = False,
) -> None:
    """Compare two checkouts, stacks, topologies or settings by benchmarks that alternate.

    A and B are each a commit, the folder of a checkout, a topology file, a stack, a variable
    NAME=VALUE, or several of them, joined by commas.

    Exit codes: 0 measured, 1 over the gate, 2 wrong arguments, 3 B cannot be measured, or with
    --gate nothing can.
    """
    from edge_lab.bench.ab.benchmarks import Needs, chosen
    from edge_lab.bench.ab.comparing import as_data, compare
    from edge_lab.bench.ab.sides import parse_side
    from edge_lab.bench.ab.table import comparison_table

    if output is not None:
        check_file(output, "--output")
    sides = (parse_side(a), parse_side(b))
    benchmarks = chosen(of or ())
    if benchmarks[0].needs is not Needs.LAB and any(side.of_labs for side in sides):
        raise InputError(
            "a topology or a stack makes no difference to benchmarks without a lab",
            remedy="Ask for one of labs, such as --of cold-start.",
        )
    with showing_steps(err):
        found = compare(sides, benchmarks, blocks, gate)
    data = as_data(found, gate)
    if output is not None:
        write_file(output, json.dumps(data, indent=2) + "\n", "--output")
    if as_json:
        print_json(data)
    else:
        out.print(comparison_table(found, gate))
    if gate is not None and (reasons := found.reasons):
        raise LabError(f"nothing was measured that a gate could judge: {'; '.join(reasons)}")
    if data["exceeds_gate"]:
        raise typer.Exit(OVER_GATE)
