"""The `lab` command."""

from __future__ import annotations

import errno
import os
import sys

from rich.console import Console

from edge_lab.cli.app import app
from edge_lab.core.errors import EdgeLabError
from edge_lab.core.interrupts import end_as_by_interrupt


def main() -> None:
    """Runs the command; a trouble of ours is told in words, with its own exit code."""
    end_as_by_interrupt()
    try:
        _run()
    except OSError as trouble:
        if trouble.errno not in (errno.EPIPE, errno.EIO):
            raise
        # Whoever read what is printed is gone: its pipe, or its terminal.
        _print_to_nobody()
        sys.exit(1)


def _run() -> None:
    try:
        app()
    except EdgeLabError as trouble:
        console = Console(stderr=True)
        console.print(f"[bold red]error:[/] {_escaped(trouble.message)}", highlight=False)
        if trouble.remedy:
            console.print(f"[yellow]→[/] {_escaped(trouble.remedy)}", highlight=False)
        sys.exit(trouble.exit_code)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted; `lab down` clears what was begun", highlight=False)
        sys.exit(130)


def _print_to_nobody() -> None:
    """Else Python fails once more when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
