"""`lab ui`: a page on loopback to watch a lab and to inject faults by click."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer
from rich.markup import escape

from edge_lab.cli.common import LabName, chosen, err, out
from edge_lab.core.errors import InputError

EXTRA = ("starlette", "uvicorn")
"""The packages of the extra `ui`."""


def ui(
    lab: LabName = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="TCP port of the page; 0 for any free one.")
    ] = 0,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Show only: no fault can be injected or healed.")
    ] = False,
    bind: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS", help="Listen on this address; other than loopback needs --read-only."
        ),
    ] = "127.0.0.1",
) -> None:
    """Serve a page with the live state of a lab, to inject faults by click, until Ctrl-C.

    The printed address contains a token: whoever has it can inject and heal faults as you can.
    """
    if missing := [name for name in EXTRA if importlib.util.find_spec(name) is None]:
        raise InputError(
            f"the page needs {' and '.join(missing)}",
            remedy="Install them: pip install 'edge-lab[ui]'. `lab watch` needs none of them.",
        )
    from edge_lab.live.lab import LiveLab
    from edge_lab.live.place import RunningLab
    from edge_lab.ui.serve import bound, serve

    name = chosen(lab)
    listener = bound(bind, port, read_only=read_only)

    def told(address: str) -> None:
        out.print(escape(address), highlight=False, soft_wrap=True)
        err.print("Ctrl-C ends the page; active faults stay", style="dim", highlight=False)

    def waits(running: int) -> None:
        err.print(
            f"waiting until {running} fault{'s are' if running > 1 else ' is'} seen or healed",
            highlight=False,
        )

    serve(LiveLab(name, RunningLab(name), read_only=read_only), listener, told, waits=waits)
