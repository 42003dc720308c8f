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
from edge_lab.cli.outputs import STDOUT, check_file, write_file
from edge_lab.cli.progress import showing_steps
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
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Its version.")
    ] = False,
) -> None:
    """A hardware-in-the-loop test lab for edge Kubernetes."""


class Schema(StrEnum):
    TOPOLOGY = "topology"
    PLAN = "plan"


# -- life cycle ------------------------------------------------------------------------------


@app.command()
def up(
    topology: Annotated[
        Path, typer.Argument(help="The topology file.", dir_okay=False)
    ] = DEFAULT_TOPOLOGY,
    stack: Annotated[
        str | None, typer.Option(help="Pin the stack, as control-plane+edge-runtime.")
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="Boot; use no checkpoint.")] = False,
    save: Annotated[
        bool, typer.Option(help="After a cold start, save a checkpoint for the next one.")
    ] = True,
    api_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Loopback port of the API server (default: a free one)."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Call the lab so, not as its file says.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a lab up: build what is missing, boot, start the stack, wait until all is ready."""
    from edge_lab.addons import load_topology
    from edge_lab.bringup.lifecycle import UpOptions, bring_up

    options = UpOptions(stack=stack, cold=cold, save=save, api_port=api_port)
    wanted = load_topology(topology_file(topology), name=name)
    with showing_steps(err):
        lab = bring_up(wanted, options)
    if as_json:
        print_json(lab.status().model_dump(mode="json"))
        return
    out.print(render.status_table(lab.status()))
    out.print(render.next_steps(lab.run, lab.state))


@app.command()
def down(lab: LabName = None) -> None:
    """Take a lab down; leave nothing but the cache."""
    from edge_lab.bringup.lifecycle import take_down

    name = chosen(lab)
    gone = take_down(name, Deadline.scaled(30))
    out.print(
        f"lab {name}: {gone.processes} processes ended"
        + (f"; logs kept in {gone.evidence}" if gone.evidence else ""),
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def status(lab: LabName = None, as_json: AsJson = False) -> None:
    """Nodes, links and devices of a lab as they are now."""
    from edge_lab.bringup.attach import attach

    found = attach(chosen(lab)).status()
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        out.print(render.status_table(found))


@app.command()
def save(lab: LabName = None) -> None:
    """Save the whole lab as a checkpoint: machines, wires and devices together."""
    from edge_lab.bringup.lifecycle import save_lab

    with showing_steps(err):
        key = save_lab(chosen(lab))
    out.print(f"checkpoint {key[:16]} saved", highlight=False)


@app.command()
def restore(lab: LabName = None) -> None:
    """Put a running lab back to its checkpoint."""
    from edge_lab.bringup.lifecycle import restore_lab

    with showing_steps(err):
        restored = restore_lab(chosen(lab))
    out.print(render.status_table(restored.status()))


@app.command()
def doctor(
    topology: Annotated[Path, typer.Argument(help="The topology file.")] = DEFAULT_TOPOLOGY,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every cached artifact in full first.")
    ] = False,
    lock: Annotated[
        bool, typer.Option("--lock", help="Pin catalogue and Go modules as they are now.")
    ] = False,
    of: Annotated[
        str,
        typer.Option(
            "--of", metavar="NAME", help="Pin the components of another distribution, with --lock."
        ),
    ] = "edge-lab",
    as_json: AsJson = False,
) -> None:
    """What this machine has and lacks: tools, accelerator, and where each component comes from."""
    from edge_lab.addons import load_topology
    from edge_lab.artifacts import ArtifactStore
    from edge_lab.doctor import doctor as examine
    from edge_lab.doctor import render_doctor

    store = ArtifactStore.default()
    if lock:
        for change in store.update_lock(of) or ("the lock file fits already",):
            err.print(change, highlight=False, markup=False)
    if verify:
        for damaged in store.verify():
            err.print(f"damaged, and removed: {damaged}", highlight=False, markup=False)
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
    what: Annotated[Schema, typer.Argument(help="Of which kind of file.")] = Schema.TOPOLOGY,
) -> None:
    """The JSON schema of topology or plan files, for editors."""
    from edge_lab.faults.plan import plan_schema
    from edge_lab.topology import topology_schema

    print_json(topology_schema() if what is Schema.TOPOLOGY else plan_schema())


# -- reaching in -----------------------------------------------------------------------------


@app.command()
def console(
    node: NodeName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lab: LabName = None,
) -> None:
    """What a node has written to its serial console since it was first switched on."""
    from edge_lab.bringup.attach import attach

    path = attach(chosen(lab)).console_path(node)
    if follow:
        os.execvp("tail", ["tail", "-n", "+1", "-F", str(path)])  # noqa: S606
    sys.stdout.write(path.read_text(encoding="utf-8", errors="replace"))


@app.command()
def logs(
    what: Annotated[str, typer.Argument(help="A node, or a log of the lab (see `lab logs`).")] = "",
    unit: Annotated[str, typer.Option("--unit", "-u", help="Only this systemd unit.")] = "",
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, help="At most so many lines.")
    ] = 200,
    lab: LabName = None,
) -> None:
    """The journal of a node, or a log of the lab's own processes."""
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
            f"there is no log {what!r}", remedy=f"Known are: {', '.join((*found.machines, *own))}."
        )
    text = own[what].read_text(encoding="utf-8", errors="replace")
    sys.stdout.write("".join(text.splitlines(keepends=True)[-lines:]))


@app.command()
def graph(
    topology: Annotated[
        Path | None, typer.Argument(help="Draw this topology file, not the lab that is up.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="SVG file; - is standard output.")
    ] = None,
    lab: LabName = None,
) -> None:
    """A picture of the lab, as SVG: with live state where it is up."""
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
    """Per device and edge node: values written by the device, sampled, arrived."""
    from edge_lab.bringup.attach import attach
    from edge_lab.observe.samples import samples_of

    rows = samples_of(attach(chosen(lab)))
    if not rows:
        raise LabError("the lab has no devices, so there are no samples")
    if as_json:
        print_json([row.model_dump(mode="json") for row in rows])
    else:
        out.print(render.samples_table(rows))


reach.register(app)
app.command()(capture)
app.command()(chaos)
app.command()(compare)
app.add_typer(fault, name="fault")
