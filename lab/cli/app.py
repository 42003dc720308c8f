"""The commands of `lab`: a thin layer over `edge_lab.bringup` and `edge_lab.handle`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from edge_lab.cli import reach, render
from edge_lab.cli.bench import bench
from edge_lab.cli.cache import cache
from edge_lab.cli.capture import capture
from edge_lab.cli.chaos import chaos
from edge_lab.cli.common import (
    DEFAULT_TOPOLOGY,
    AsJson,
    LabName,
    NodeName,
    chosen,
    err,
    out,
    print_json,
    topology_file,
)
from edge_lab.cli.compare import compare
from edge_lab.cli.completion import LabGroup
from edge_lab.cli.faults import fault
from edge_lab.cli.flaky import flaky
from edge_lab.cli.matrix import matrix
from edge_lab.cli.outputs import STDOUT, check_file, write_file
from edge_lab.cli.progress import showing_steps
from edge_lab.cli.trace import trace
from edge_lab.cli.ui import ui
from edge_lab.cli.watch import watch
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError

app = typer.Typer(
    cls=LabGroup,
    help="A hardware-in-the-loop test lab for edge Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        out.print(f"edge-lab {version('edge-lab')}", highlight=False)
        raise typer.Exit


@app.callback()
def lab_(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """A hardware-in-the-loop test lab for edge Kubernetes."""


class Schema(StrEnum):
    TOPOLOGY = "topology"
    PLAN = "plan"
    MATRIX = "matrix"


# -- Life cycle ------------------------------------------------------------------------------


@app.command()
def up(
    topology: Annotated[
        Path, typer.Argument(help="The topology file.", dir_okay=False)
    ] = DEFAULT_TOPOLOGY,
    stack: Annotated[
        str | None, typer.Option(help="Use this stack, for example kubernetes+kubelet.")
    ] = None,
    cold: Annotated[
        bool, typer.Option("--cold", help="Boot the machines; do not use a checkpoint.")
    ] = False,
    save: Annotated[
        bool, typer.Option(help="After a cold start, save a checkpoint for the next one.")
    ] = True,
    api_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Loopback port of the API server (default: a free one)."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the lab (default: from the topology).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start a lab: build missing components, boot the machines, wait until the stack is ready."""
    from edge_lab.addons import load_topology
    from edge_lab.bringup.lifecycle import UpOptions, bring_up

    options = UpOptions(stack=stack, cold=cold, save=save, api_port=api_port)
    wanted = load_topology(topology_file(topology), name=name, here=True)
    with showing_steps(err):
        lab = bring_up(wanted, options)
    if as_json:
        print_json(lab.status().model_dump(mode="json"))
        return
    out.print(render.status_table(lab.status()))
    out.print(render.next_steps(lab.run, lab.state))


@app.command()
def down(lab: LabName = None) -> None:
    """Stop a lab and remove everything except the cache."""
    from edge_lab.bringup.lifecycle import take_down

    name = chosen(lab)
    with showing_steps(err):
        gone = take_down(name, Deadline.scaled(30))
    out.print(
        f"lab {name}: stopped {gone.processes} processes"
        + (f"; logs kept in {gone.evidence}" if gone.evidence else ""),
        highlight=False,
        soft_wrap=True,
    )
    for node in gone.given_back:
        (err if node.trouble else out).print(
            str(node), highlight=False, markup=False, soft_wrap=True
        )
    if any(node.trouble for node in gone.given_back):
        raise typer.Exit(LabError.exit_code)


@app.command()
def status(
    lab: LabName = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show all labs, and how much of the host they use.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the current state of nodes, links and devices, or all labs with --all."""
    from edge_lab.bringup.attach import attach
    from edge_lab.bringup.overview import overview

    if every:
        if as_json:
            print_json(overview().model_dump(mode="json"))
        else:
            out.print(render.overview_table(overview()))
        return
    found = attach(chosen(lab)).status()
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out.print(render.status_table(found))


@app.command()
def save(lab: LabName = None) -> None:
    """Save the whole lab as a checkpoint: machines, fabric and devices."""
    from edge_lab.bringup.lifecycle import save_lab

    with showing_steps(err):
        key = save_lab(chosen(lab))
    out.print(f"checkpoint {key[:16]} saved", highlight=False)


@app.command()
def restore(lab: LabName = None) -> None:
    """Restore a running lab from its checkpoint."""
    from edge_lab.bringup.lifecycle import restore_lab

    with showing_steps(err):
        restored = restore_lab(chosen(lab))
    out.print(render.status_table(restored.status()))


@app.command()
def doctor(
    topology: Annotated[Path, typer.Argument(help="The topology file.")] = DEFAULT_TOPOLOGY,
    verify: Annotated[
        bool, typer.Option("--verify", help="First verify the digest of every cached artifact.")
    ] = False,
    lock: Annotated[
        bool,
        typer.Option("--lock", help="Update the lock file from the catalog and the Go modules."),
    ] = False,
    of: Annotated[
        str,
        typer.Option(
            "--of", metavar="NAME", help="With --lock: pin the components of another distribution."
        ),
    ] = "edge-lab",
    as_json: AsJson = False,
) -> None:
    """Check this machine: tools, accelerator, and the source of each component."""
    from edge_lab.addons import load_topology
    from edge_lab.artifacts import ArtifactStore
    from edge_lab.doctor import doctor as examine
    from edge_lab.doctor import render_doctor

    store = ArtifactStore.default()
    if lock:
        for change in store.update_lock(of) or ("the lock file is up to date",):
            err.print(change, highlight=False, markup=False)
    if verify:
        for damaged in store.verify():
            err.print(f"removed a damaged artifact: {damaged}", highlight=False, markup=False)
    with showing_steps(err):
        report = examine(load_topology(topology_file(topology)))
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        out.print(render_doctor(report))
    if not report.ok:
        raise typer.Exit(3)


@app.command()
def schema(
    what: Annotated[Schema, typer.Argument(help="The kind of file.")] = Schema.TOPOLOGY,
) -> None:
    """Print the JSON schema of topology, plan or matrix files, for editors."""
    from edge_lab.faults.plan import plan_schema
    from edge_lab.matrix.load import matrix_schema
    from edge_lab.topology import topology_schema

    schemas = {
        Schema.TOPOLOGY: topology_schema,
        Schema.PLAN: plan_schema,
        Schema.MATRIX: matrix_schema,
    }
    print_json(schemas[what]())


# -- Nodes and logs --------------------------------------------------------------------------


@app.command()
def console(
    node: NodeName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the output.")] = False,
    lab: LabName = None,
) -> None:
    """Print the serial console of a node, from its first boot on."""
    from edge_lab.bringup.attach import attach

    path = attach(chosen(lab)).console_path(node)
    if follow:
        os.execvp("tail", ["tail", "-n", "+1", "-F", str(path)])  # noqa: S606
    sys.stdout.write(path.read_text(encoding="utf-8", errors="replace"))


@app.command()
def logs(
    what: Annotated[
        str, typer.Argument(help="A node or a log of the lab; omit it to list them.")
    ] = "",
    unit: Annotated[str, typer.Option("--unit", "-u", help="Show only this systemd unit.")] = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, help="Show at most this number of lines.")
    ] = 200,
    lab: LabName = None,
) -> None:
    """Print the journal of a node, or a log of the lab's own processes."""
    from edge_lab.bringup.attach import attach

    found = attach(chosen(lab))
    own = {path.stem: path for path in sorted(found.run.logs.glob("*.log"))}
    if not what:
        for name in (*found.machines, *own):
            out.print(name, highlight=False)
        return
    if what in found.machines:
        sys.stdout.write(found.machine(what).journal(unit or None, lines=lines) + "\n")
        return
    if what not in own:
        raise InputError(
            f"there is no log {what!r}", remedy=f"Available: {', '.join((*found.machines, *own))}."
        )
    text = own[what].read_text(encoding="utf-8", errors="replace")
    sys.stdout.write("".join(text.splitlines(keepends=True)[-lines:]))


@app.command()
def graph(
    topology: Annotated[
        Path | None, typer.Argument(help="Draw this topology file instead of the running lab.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="SVG file; - for standard output.")
    ] = None,
    lab: LabName = None,
) -> None:
    """Draw a lab as SVG; a running lab with its current state."""
    from edge_lab.addons import load_topology
    from edge_lab.bringup.attach import attach
    from edge_lab.handle.picture import lab_svg

    output = output or STDOUT
    check_file(output, "--output")
    drawn = load_topology(topology_file(topology)) if topology else None
    svg = lab_svg(drawn) if drawn else attach(chosen(lab)).svg()
    write_file(output, svg + "\n", "--output")
    if output != STDOUT:
        out.print(f"wrote {escape(str(output))}", highlight=False, soft_wrap=True)


@app.command()
def samples(lab: LabName = None, as_json: AsJson = False) -> None:
    """Show the values written, sampled and received, for each device and edge node."""
    from edge_lab.bringup.attach import attach
    from edge_lab.observe.samples import samples_of

    rows = samples_of(attach(chosen(lab)))
    if not rows:
        raise LabError("the lab has no devices and therefore no samples")
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
    else:
        out.print(render.samples_table(rows))


reach.register(app)
app.command()(bench)
app.command()(capture)
app.command()(chaos)
app.command()(compare)
app.command()(flaky)
app.command()(trace)
app.command()(ui)
app.command()(watch)
app.add_typer(cache, name="cache")
app.add_typer(fault, name="fault")
app.add_typer(matrix, name="matrix")
