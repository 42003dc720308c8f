"""Tables for the terminal; `--json` prints the same data for programs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from edge_lab.bringup.overview import Overview
from edge_lab.cli.common import out
from edge_lab.core.home import RunDir
from edge_lab.handle.linkstate import LinkState
from edge_lab.handle.state import LabState
from edge_lab.handle.status import (
    DeviceSamples,
    DeviceStatus,
    LabStatus,
    LinkStatus,
    NodeStatus,
)

WIDE_ENOUGH = 80
"""Width of a terminal in which names need not be wrapped."""

GOOD, BAD = "[green]●[/]", "[red]●[/]"


def plain_table(title: str, *columns: str) -> Table:
    """A table without truncation: in a narrow terminal, long cells are wrapped."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    for column in columns:
        whole = column in ("name", "id", "endpoint", "network") and out.width >= WIDE_ENOUGH
        table.add_column(column, no_wrap=whole, overflow="fold")
    return table


def wrapped(table: Table) -> Table:
    """Long cells are shown in full, on several lines."""
    for column in table.columns[1:]:
        column.no_wrap = False
        column.overflow = "fold"
    return table


def _mark(good: bool, yes: str, no: str) -> str:
    return f"{GOOD} {yes}" if good else f"{BAD} {no}"


def overview_table(found: Overview) -> RenderableType:
    """All labs, with the resources that they use and the limits."""
    table = plain_table("labs", "name", "condition", "stack", "nodes", "memory", "CPUs")
    for row in found.labs:
        condition = f"{row.condition}: {row.stage}" if row.stage else row.condition
        memory = f"{row.memory_mib} MiB" if row.memory_mib else "–"
        numbers = (str(row.nodes or "–"), memory, str(row.cpus or "–"))
        table.add_row(row.lab, escape(condition), escape(row.stack), *numbers)
    memory = f"{found.memory_mib}{_of(found.memory_limit_mib)} MiB"
    sums = f"in use: {memory} of memory, {found.cpus}{_of(found.cpu_limit)} guest CPUs"
    return Group(table, Text(sums)) if found.labs else Text(f"no labs are running; {sums}")


def _of(limit: int | None) -> str:
    return "" if limit is None else f" of {limit}"


def status_table(status: LabStatus) -> RenderableType:
    head = Text.from_markup(
        f"lab [bold]{escape(status.lab)}[/]  stack [bold]{escape(status.stack)}[/]"
        f"  add-ons [bold]{escape(', '.join(status.addons) or 'none')}[/]"
        f"  {'from checkpoint' if status.restored else 'cold start'}"
    )
    parts: list[RenderableType] = [head, nodes_table(status.nodes), links_table(status.links)]
    if status.devices:
        parts.append(devices_table(status.devices))
    if status.faults:
        faults = plain_table("active faults", "id", "fault")
        for fault in status.faults:
            faults.add_row(str(fault.id), f"{BAD} {escape(fault.title)}")
        parts.append(faults)
    return Group(*parts)


def nodes_table(nodes: Sequence[NodeStatus]) -> Table:
    table = plain_table("nodes", "name", "arch", "memory", "ready", "runtime", "accelerator")
    for node in nodes:
        table.add_row(
            node.name,
            node.arch,
            f"{node.memory_mib} MiB",
            _mark(node.ready, "Ready", "NotReady"),
            node.runtime,
            node.accelerator + (f", booted {node.reboots + 1} times" if node.reboots else ""),
        )
    return table


def links_table(links: Sequence[LinkStatus]) -> Table:
    table = plain_table("links", "name", "endpoint", "network", "state", "frames tx / rx")
    for link in links:
        table.add_row(
            link.name,
            link.endpoint,
            link.network,
            _mark(link.state is LinkState.UP, link.state, link.state),
            f"{link.frames_tx} / {link.frames_rx}",
        )
    return table


def devices_table(devices: Sequence[DeviceStatus]) -> Table:
    table = plain_table("devices", "name", "protocol", "address", "reachable", "values")
    for device in devices:
        table.add_row(
            device.name,
            device.protocol,
            device.address,
            _mark(device.reachable, "yes", "no"),
            str(device.sequence),
        )
    return table


def samples_table(rows: Sequence[DeviceSamples]) -> RenderableType:
    table = plain_table(
        "samples",
        *("device", "node", "written", "sampled", "arrived"),
        *("waiting", "missed", "lost", "repeated", "wrong"),
    )
    for row in rows:
        table.add_row(
            row.device,
            row.node,
            str(row.written),
            str(row.sampled),
            str(row.arrived),
            str(row.waiting),
            str(row.missed),
            *(f"[red]{bad}[/]" if bad else "0" for bad in (row.lost, row.repeated, row.wrong)),
        )
    return table


def next_steps(run: RunDir, state: LabState) -> RenderableType:
    """Suggested next commands."""
    return Text.from_markup(
        "\n".join(
            (
                "",
                f"export KUBECONFIG={escape(str(run.kubeconfig))}",
                f"{escape(str(state.kubectl))} get pods -A -o wide",
                *([f"trace of the start: {escape(str(run.trace))}"] if run.trace.is_file() else ()),
                "lab ssh NODE · lab samples · lab graph -o lab.svg · make test · lab down",
            )
        ),
        style="dim",
    )
