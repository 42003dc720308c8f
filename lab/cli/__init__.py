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
        # The reader of standard output is gone: a closed pipe or terminal.
        _print_to_nobody()
        sys.exit(1)


def _run() -> None:
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except EdgeLabError as trouble:
        tell(trouble)
        sys.exit(trouble.exit_code)
    except OSError as trouble:  # a fault of the host, such as a full disk or a missing permission
        # Python must not try to write the rest again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(trouble, BrokenPipeError):  # readers may stop early
            tell(LabError(str(trouble)))
        sys.exit(LabError.exit_code)
    except KeyboardInterrupt:
        err.print(
            "interrupted; run `lab down` to remove a lab that was only partly started",
            highlight=False,
        )
        sys.exit(130)


def _print_to_nobody() -> None:
    """Otherwise Python fails again when it flushes at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def tell(trouble: EdgeLabError) -> None:
    """Prints it as the message of a command that failed."""
    err.print(f"[bold red]error:[/] {_escaped(trouble.message)}", highlight=False, soft_wrap=True)
    if trouble.remedy:
        err.print(f"[yellow]→[/] {_escaped(trouble.remedy)}", highlight=False, soft_wrap=True)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
