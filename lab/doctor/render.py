"""The report of `lab doctor` for a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_lab.artifacts import Availability
from edge_lab.doctor.model import DoctorReport, HostCheck


def render_doctor(report: DoctorReport) -> RenderableType:
    """The report for a terminal."""
    host = Table(box=None, pad_edge=False, title_justify="left")
    for heading in ("", "this machine", "found", "needed for"):
        host.add_column(heading, header_style="bold", overflow="fold")
    for check in report.checks:
        host.add_row(_sign(check), check.name, check.found, Text(check.needed_for, style="dim"))
        if check.remedy:
            host.add_row("", "", Text(f"→ {check.remedy}", style="yellow"), "")
    speed = report.accelerator
    host.add_row(Text("·", style="dim"), "accelerator", f"{speed.name}: {speed.reason}", "")

    artifacts = Table(box=None, pad_edge=False)
    for heading in ("", "component", "version", "for", "state", "source"):
        artifacts.add_column(heading, header_style="bold", overflow="fold")
    for row in report.artifacts:
        sign = Text("✗", style="bold red") if row.state is Availability.MISSING else _GOOD
        told = Text(f"→ {row.remedy}", style="yellow") if row.remedy else Text(row.source)
        artifacts.add_row(sign, row.component, row.version, row.arch.value, row.state.value, told)

    stacks = Table.grid(padding=(0, 1))
    for stack in report.stacks:
        verdict = "available"
        if stack.chosen:
            verdict = "available; used by `lab up`"
        elif stack.missing:
            verdict = f"not available: missing {', '.join(stack.missing)}"
        stacks.add_row(_GOOD if stack.ok else Text("✗", style="bold red"), stack.name, verdict)
    return Group(host, "", artifacts, "", stacks, "", _conclusion(report))


_GOOD = Text("✓", style="green")


def _sign(check: HostCheck) -> Text:
    if check.ok:
        return _GOOD
    return Text("✗", style="bold red") if check.required else Text("!", style="bold yellow")


def _conclusion(report: DoctorReport) -> Text:
    bad = [check for check in report.checks if not check.ok and check.required]
    lines = []
    if bad:
        lines.append(f"A lab cannot run on this machine: {', '.join(check.name for check in bad)}.")
    if not any(stack.ok for stack in report.stacks):
        lines.append("None of the topology's stacks is available.")
    if any(check.needs_root for check in report.checks):
        named = ", ".join(check.name for check in report.checks if check.needs_root)
        lines.append(f"Root is required to fix: {named}.")
    if report.ok:
        having = f" with {', '.join(report.addons)}" if report.addons else ""
        lines.insert(0, f"A lab of {report.topology!r}{having} can run on this machine.")
    return Text("\n".join(lines), style="green" if report.ok else "bold red")
