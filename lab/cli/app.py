"""The commands of `lab`, a thin skin over `lab.lifecycle` and `lab.running`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from lab.cli import render
from lab.cli.progress import showing_steps
from lab.deadline import Deadline
from lab.errors import InputError, LabError
from lab.state import known_labs

app = typer.Typer(
    help="A hardware-in-the-loop test lab for edge Kubernetes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out = Console()
err = Console(stderr=True)

DEFAULT_TOPOLOGY = Path("labs/default.yaml")


def _labs(incomplete: str) -> Iterator[str]:
    yield from (name for name in known_labs() if name.startswith(incomplete))


def _complete_from(which: str, incomplete: str) -> Iterator[str]:
    from lab.errors import EdgeLabError
    from lab.running import attach

    try:
        topology = attach(_chosen(None)).topology
    except EdgeLabError:
        return
    names = [each.name for each in getattr(topology, which)]
    yield from (name for name in names if name.startswith(incomplete))


def _nodes(incomplete: str) -> Iterator[str]:
    yield from _complete_from("nodes", incomplete)


def _links(incomplete: str) -> Iterator[str]:
    yield from _complete_from("links", incomplete)


LabName = Annotated[
    str | None,
    typer.Option(
        "--lab",
        "-l",
        envvar="EDGE_LAB",
        help="Which lab; may be left out where there is only one.",
        autocompletion=_labs,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE", autocompletion=_nodes)]
LinkName = Annotated[str, typer.Argument(metavar="LINK", autocompletion=_links)]


def _chosen(lab: str | None) -> str:
    """The lab meant: the one named, else the only one, else the default."""
    if lab:
        return lab
    known = known_labs()
    if len(known) > 1 and "default" not in known:
        raise InputError(
            f"there are {len(known)} labs: {', '.join(known)}", remedy="Say which with --lab NAME."
        )
    return known[0] if len(known) == 1 else "default"


def _print_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")


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
        int | None, typer.Option(help="Loopback port of the API server (default: a free one).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Call the lab so, not as its file says.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring a lab up: build what is missing, boot, start the stack, wait until all is ready."""
    from lab.lifecycle import UpOptions, bring_up
    from lab.topology import load_topology

    options = UpOptions(stack=stack, cold=cold, save=save, api_port=api_port)
    wanted = load_topology(topology, name=name)
    with showing_steps(err):
        lab = bring_up(wanted, options)
    if as_json:
        _print_json(lab.status().model_dump(mode="json"))
        return
    out.print(render.status_table(lab.status()))
    out.print(render.next_steps(lab.run, lab.state))


@app.command()
def down(lab: LabName = None) -> None:
    """Take a lab down; leave nothing but the cache."""
    from lab.lifecycle import take_down

    name = _chosen(lab)
    gone = take_down(name, Deadline.after(30))
    out.print(
        f"lab {name}: {gone.processes} processes ended"
        + (f"; logs kept in {gone.evidence}" if gone.evidence else ""),
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def status(lab: LabName = None, as_json: AsJson = False) -> None:
    """Nodes, links and devices of a lab as they are now."""
    from lab.running import attach

    found = attach(_chosen(lab)).status()
    if as_json:
        _print_json(found.model_dump(mode="json"))
    else:
        out.print(render.status_table(found))


@app.command()
def save(lab: LabName = None) -> None:
    """Save the whole lab as a checkpoint: machines, wires and devices together."""
    from lab.lifecycle import save_lab

    with showing_steps(err):
        key = save_lab(_chosen(lab))
    out.print(f"checkpoint {key[:16]} saved", highlight=False)


@app.command()
def restore(lab: LabName = None) -> None:
    """Put a running lab back to its checkpoint."""
    from lab.lifecycle import restore_lab

    with showing_steps(err):
        restored = restore_lab(_chosen(lab))
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
    as_json: AsJson = False,
) -> None:
    """What this machine has and lacks: tools, accelerator, and where each component comes from."""
    from lab.artifacts import ArtifactStore
    from lab.doctor import doctor as examine
    from lab.doctor import render_doctor
    from lab.topology import load_topology

    store = ArtifactStore.default()
    if lock:
        for change in store.update_lock() or ("the lock file fits already",):
            err.print(change, highlight=False, markup=False)
    if verify:
        for damaged in store.verify():
            err.print(f"damaged, and removed: {damaged}", highlight=False, markup=False)
    with showing_steps(err):
        report = examine(load_topology(topology))
    if as_json:
        _print_json(report.model_dump(mode="json"))
    else:
        out.print(render_doctor(report))
    if not report.ok:
        raise typer.Exit(3)


@app.command()
def schema() -> None:
    """The JSON schema of topology files, for editors."""
    from lab.topology import topology_schema

    _print_json(topology_schema())


# -- reaching in -----------------------------------------------------------------------------


@app.command()
def ssh(node: NodeName, lab: LabName = None) -> None:
    """A shell on a node, over the management path."""
    from lab.running import attach

    found = attach(_chosen(lab))
    found.machine(node)
    os.execvp("ssh", ["ssh", "-F", str(found.run.ssh_config), node])  # noqa: S606


@app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(
    node: NodeName,
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
    lab: LabName = None,
    timeout: Annotated[float, typer.Option(help="Seconds.")] = 600.0,
) -> None:
    """Run a command on a node as root; its output and exit code are passed on."""
    import shlex

    from lab.running import attach

    machine = attach(_chosen(lab)).machine(node)
    line = command[0] if len(command) == 1 else shlex.join(command)
    result = machine.run(line, Deadline.after(timeout), check=False)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    raise typer.Exit(result.returncode)


@app.command()
def console(
    node: NodeName,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    lab: LabName = None,
) -> None:
    """What a node has written to its serial console since it was first switched on."""
    from lab.running import attach

    path = attach(_chosen(lab)).console_path(node)
    if follow:
        os.execvp("tail", ["tail", "-n", "+1", "-F", str(path)])  # noqa: S606
    sys.stdout.write(path.read_text(encoding="utf-8", errors="replace"))


@app.command()
def logs(
    what: Annotated[str, typer.Argument(help="A node, or a log of the lab (see `lab logs`).")] = "",
    unit: Annotated[str, typer.Option("--unit", "-u", help="Only this systemd unit.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", help="At most so many lines.")] = 200,
    lab: LabName = None,
) -> None:
    """The journal of a node, or a log of the lab's own processes."""
    from lab.running import attach

    found = attach(_chosen(lab))
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
    output: Annotated[Path | None, typer.Option("--output", "-o", help="SVG file.")] = None,
    lab: LabName = None,
) -> None:
    """A picture of the lab, as SVG: with live state where it is up."""
    from lab.graph import lab_svg
    from lab.running import attach
    from lab.topology import load_topology

    svg = lab_svg(load_topology(topology)) if topology else attach(_chosen(lab)).svg()
    if output is None:
        sys.stdout.write(svg + "\n")
        return
    output.write_text(svg, encoding="utf-8")
    out.print(f"wrote {escape(str(output))}", highlight=False)


@app.command()
def capture(
    link: LinkName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="pcapng file (default: in the lab).")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long.")] = 10.0,
    lab: LabName = None,
) -> None:
    """Capture the frames of a link, both directions, as pcapng."""
    from lab.running import attach

    found = attach(_chosen(lab))
    path = (output or found.run.captures / f"{link}.pcapng").absolute()
    before = found.fabric.link(link).counters
    with found.capturing(link, path), contextlib.suppress(KeyboardInterrupt):
        # Not to wait for something, but because so many seconds of traffic were asked for.
        time.sleep(seconds)
    after = found.fabric.link(link).counters
    frames = after.tx.frames - before.tx.frames + after.rx.frames - before.rx.frames
    out.print(f"{frames} frames in {escape(str(path))}", highlight=False, soft_wrap=True)


@app.command()
def samples(lab: LabName = None, as_json: AsJson = False) -> None:
    """Per device and edge node: values written by the device, sampled, arrived."""
    from lab.running import attach

    rows = attach(_chosen(lab)).samples()
    if not rows:
        raise LabError("the lab has no devices, so there are no samples")
    if as_json:
        _print_json([row.model_dump(mode="json") for row in rows])
    else:
        out.print(render.samples_table(rows))
