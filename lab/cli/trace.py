"""`lab trace`: the steps of a start with their times, as table, picture, page or trace file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from edge_lab.cli.common import LabName, chosen, out
from edge_lab.cli.outputs import STDOUT, check_file, write_file
from edge_lab.cli.render import plain_table
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir

if TYPE_CHECKING:
    from edge_lab.evidence.trace import StartTrace

SHOWN = 20
"""Number of steps in the table on a terminal."""


def trace(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="TRACE",
            help="Show this trace file, for example of a failed start, not the running lab's.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="JSON file for Perfetto or chrome://tracing; - for standard output.",
        ),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="SVG file of the waterfall; - for standard output.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="HTML file with waterfall and tables; - for standard output."),
    ] = None,
    lab: LabName = None,
) -> None:
    """Show what the start of a lab spent its time on."""
    from edge_lab.evidence.chrometrace import read_trace, trace_json
    from edge_lab.report.tracepage import trace_html
    from edge_lab.report.tracewaterfall import waterfall_svg

    wanted = (
        ("--output", output, trace_json),
        ("--svg", svg, waterfall_svg),
        ("--html", html, trace_html),
    )
    for option, path, _ in wanted:
        if path is not None:
            check_file(path, option)
    source = file or _of_running(lab)
    found = read_trace(source)
    if not any(path for _, path, _ in wanted):
        out.print(_table(found))
        out.print(f"trace: {escape(str(source))}", style="dim", highlight=False, soft_wrap=True)
        return
    for option, path, made in wanted:
        if path is not None:
            write_file(path, made(found) + "\n", option)
            if path != STDOUT:
                out.print(f"wrote {escape(str(path))}", highlight=False, soft_wrap=True)


def _of_running(lab: str | None) -> Path:
    from edge_lab.bringup.attach import require_up

    run = RunDir(chosen(lab))
    require_up(run)
    if not run.trace.is_file():
        raise LabError(
            f"there is no trace of the start of lab {run.lab!r}",
            remedy="Start it again: lab down, lab up.",
        )
    return run.trace


def _table(trace: StartTrace) -> RenderableType:
    from edge_lab.evidence.steptimes import step_times
    from edge_lab.handle.hostprocesses import mib_text
    from edge_lab.report.tracepage import slowest
    from edge_lab.report.tracewaterfall import heading, seconds

    times = slowest(step_times(trace.steps))
    columns = ("name", "in", "on the critical path", "self", "total", "begins at")
    steps = plain_table("steps", *columns)
    for found in times[:SHOWN]:
        step = found.step
        steps.add_row(
            f"{'[red]✗[/] ' if step.failed else ''}{escape(step.title)}",
            escape(found.around),
            seconds(found.critical_length),
            seconds(found.own),
            seconds(step.length),
            seconds(step.begin),
        )
    parts: list[RenderableType] = [Text(heading(trace), style="bold"), steps]
    if len(times) > SHOWN:
        parts.append(Text(f"and {len(times) - SHOWN} shorter steps: --html, --svg", style="dim"))
    if trace.processes:
        processes = plain_table(
            "processes on the host", "name", "what", "host memory", "of it the guest's", "CPU time"
        )
        for process in trace.processes:
            processes.add_row(
                escape(process.name),
                process.role.value,
                mib_text(process.pss_mib),
                mib_text(process.guest_mib),
                "–" if process.cpu_seconds is None else f"{process.cpu_seconds:.1f} s",
            )
        parts.append(processes)
    return Group(*parts)
