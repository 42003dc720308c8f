"""The `lab` command."""

from __future__ import annotations

import signal
import sys

from rich.console import Console

from edge_lab.cli.app import app
from edge_lab.core.errors import EdgeLabError


def main() -> None:
    """Runs the command; a trouble of ours is told in words, with its own exit code."""
    # Asked to end, it clears up as after an exception.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
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


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
