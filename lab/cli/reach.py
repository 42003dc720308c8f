"""The commands that reach into nodes: `lab ssh`, `lab exec` and `lab cp`."""

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
"""Exit code after Ctrl-C, as shells have it."""


def register(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    app.command()(ssh)
    # What follows the node is the command's: nothing of it is taken for an option of ours.
    app.command("exec", context_settings={"allow_interspersed_args": False})(execute)
    app.command()(cp)


def ssh(node: NodeName, lab: LabName = None) -> None:
    """A shell on a node, over the management path."""
    run, clients = _nodes(lab)
    named("node", node, clients)
    os.execvp("ssh", ["ssh", "-F", str(run.ssh_config), node])  # noqa: S606


def execute(
    node: NodeName,
    command: Annotated[
        list[str],
        typer.Argument(help="The command and its arguments; a single word is a shell command."),
    ],
    lab: LabName = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds; without it, as long as it takes.")
    ] = None,
    tty: Annotated[
        bool | None,
        typer.Option(
            "--tty/--no-tty",
            "-t/-T",
            help="Give it a terminal, or not; without either, if input and output are one.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run a command on a node as root: its input, its output as it comes, its exit code.

    Options of `lab exec` come before NODE. The command ends when `lab exec` ends.
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
    source: Annotated[str, typer.Argument(metavar="SRC", help="NODE:PATH, or a path here.")],
    target: Annotated[str, typer.Argument(metavar="DST", help="NODE:PATH, or a path here.")],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Copy a folder, with all in it.")
    ] = False,
    lab: LabName = None,
) -> None:
    """Copy a file or a folder to a node, from one, or between two; modes are kept."""
    from edge_lab.cli.copying import copy, is_on_node, parse_place

    if not any(map(is_on_node, (source, target))):
        raise InputError(
            "neither path is on a node", remedy="Write one as NODE:PATH: lab cp file NODE:/root/."
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
        raise InputError("there is no command to run", remedy="`lab ssh NODE` is a shell.")
    if words is command and words[0].startswith("-"):
        raise InputError(
            f"{words[0]!r} is no command",
            remedy="Options of `lab exec` come before NODE; what follows it is the command.",
        )
    return words


def _nodes(lab: str | None) -> tuple[RunDir, dict[str, SshClient]]:
    """The lab that is up, and how each node is reached; libvirt is not asked."""
    from edge_lab.bringup.attach import require_up
    from edge_lab.core.home import RunDir
    from edge_lab.machines.ssh import SshClient

    run = RunDir(chosen(lab))
    state = require_up(run)
    return run, {name: SshClient(run, name, port) for name, port in state.ports.ssh.items()}
