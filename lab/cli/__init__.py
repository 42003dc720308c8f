"""The `lab` command."""

from __future__ import annotations

import errno
import os
import sys

from edge_lab.cli.app import app
from edge_lab.cli.common import err
from edge_lab.core.errors import EdgeLabError, LabError
from edge_lab.core.interrupts import end_as_by_interrupt


def main() -> None:
    """Runs the command; an error of the lab is printed as a message, with its own exit code."""
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
        try:
            app()
        finally:
            sys.stdout.flush()
    except EdgeLabError as trouble:
        _tell(trouble)
        sys.exit(trouble.exit_code)
    except OSError as trouble:  # of the host: no space, no permission, standard output is full
        # What could not be written is not tried again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(trouble, BrokenPipeError):  # a reader that has enough is no trouble
            _tell(LabError(str(trouble)))
        sys.exit(LabError.exit_code)
    except KeyboardInterrupt:
        err.print(
            "interrupted; run `lab down` to remove a lab that was only partly started",
            highlight=False,
        )
        sys.exit(130)


def _print_to_nobody() -> None:
    """Else Python fails once more when it flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _tell(trouble: EdgeLabError) -> None:
    err.print(f"[bold red]error:[/] {_escaped(trouble.message)}", highlight=False, soft_wrap=True)
    if trouble.remedy:
        err.print(f"[yellow]→[/] {_escaped(trouble.remedy)}", highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
