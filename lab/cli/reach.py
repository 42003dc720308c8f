"""The commands that access nodes: `lab ssh`, `lab exec` and `lab cp`."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from edge_lab.cli.common import LabName, NodeName, chosen, err
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, named

if TYPE_CHECKING:
    from edge_lab.core.home import RunDir
    from edge_lab.machines.ssh import SshClient

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    app.command()(ssh)
    # Everything after the node belongs to the command, including options.
    app.command("exec", context_settings={"allow_interspersed_args": False})(execute)
    app.command()(cp)


def ssh(node: NodeName, lab: LabName = None) -> None:
    """Open a shell on a node over SSH."""
    run, clients = _nodes(lab)
    named("node", node, clients)
    os.execvp("ssh", ["ssh", "-F", str(run.ssh_config), node])  # noqa: S606


def execute(
    node: NodeName,
    command: Annotated[
        list[str],
        typer.Argument(
            help="The command and its arguments; a single argument is run by the shell."
        ),
    ],
    lab: LabName = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Time limit in seconds (default: none).")
    ] = None,
    tty: Annotated[
        bool | None,
        typer.Option(
            "--tty/--no-tty",
            "-t/-T",
            help="Allocate a terminal, or do not (default: if standard input and output are one).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a command on a node as root; input, output and exit code are passed through.

    Options of `lab exec` go before NODE. The command is stopped when `lab exec` ends.
    """
    from edge_lab.machines.attended import run_attended

    words = _words(command)
    _, clients = _nodes(lab)
    client = named("node", node, clients)
    line = words[0] if len(words) == 1 else shlex.join(words)
    limit = None if timeout is None else Deadline.after(timeout)
    if tty is None:
        tty = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        code = run_attended(client, line, tty=tty, limit=limit)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(code)


def cp(
    source: Annotated[str, typer.Argument(metavar="SRC", help="NODE:PATH or a local path.")],
    target: Annotated[str, typer.Argument(metavar="DST", help="NODE:PATH or a local path.")],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Copy a folder with its contents.")
    ] = False,
    lab: LabName = None,
) -> None:
    """Copy files or folders to, from or between nodes; file modes are preserved."""
    from edge_lab.cli.copying import copy, is_on_node, parse_place

    if not any(map(is_on_node, (source, target))):
        raise InputError(
            "neither path is on a node",
            remedy="Write one of them as NODE:PATH, for example: lab cp file NODE:/root/.",
        )
    _, clients = _nodes(lab)
    first, second = (parse_place(text, clients) for text in (source, target))
    try:
        warning = copy(first, second, recursive=recursive)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if warning:
        err.print(warning, highlight=False, markup=False, soft_wrap=True)


def _words(command: list[str]) -> list[str]:
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise InputError("no command given", remedy="Run `lab ssh NODE` to open a shell.")
    if words is command and words[0].startswith("-"):
        raise InputError(
            f"{words[0]!r} is not a command",
            remedy="Put options of `lab exec` before NODE; the command follows NODE.",
        )
    return words


def _nodes(lab: str | None) -> tuple[RunDir, dict[str, SshClient]]:
    """The running lab, and how each node is reached, without libvirt."""
    from edge_lab.bringup.attach import require_up
    from edge_lab.bringup.processes import ssh_clients
    from edge_lab.core.home import RunDir

    run = RunDir(chosen(lab))
    state = require_up(run)
    return run, ssh_clients(run, state)
