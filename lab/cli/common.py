"""Shared by all commands of `lab`: consoles, options, and the selection of a lab."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.markup import escape

from edge_lab.core.errors import InputError
from edge_lab.core.home import RunDir
from edge_lab.data import LABS
from edge_lab.handle.state import known_labs

NO_LIMIT = 10_000
"""Columns without a terminal, so that nothing is cut or wrapped."""


def _open_what_is_closed() -> None:
    """Opens /dev/null for standard streams that were closed when the command started.

    Otherwise Python has None there, and the next opened file becomes standard output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - it stays open


def _console(stream: TextIO, *, stderr: bool) -> Console:
    return Console(stderr=stderr, width=None if stream.isatty() else NO_LIMIT)


_open_what_is_closed()
out = _console(sys.stdout, stderr=False)
err = _console(sys.stderr, stderr=True)

DEFAULT_TOPOLOGY = Path("labs/default.yaml")


def topology_file(given: Path) -> Path:
    """The file to read; if the default file is missing, the one shipped with edge-lab."""
    if given == DEFAULT_TOPOLOGY and not os.path.lexists(given):
        shipped = LABS / given.name
        err.print(f"{given} not found; using {escape(str(shipped))}", style="dim", highlight=False)
        return shipped
    return given


def _labs(incomplete: str) -> Iterator[str]:
    yield from (name for name in known_labs() if name.startswith(incomplete))


def _complete_from(which: str, incomplete: str) -> Iterator[str]:
    from edge_lab.bringup.attach import attach
    from edge_lab.core.errors import EdgeLabError

    try:
        topology = attach(chosen(None)).topology
    except EdgeLabError:
        return
    names = [part.name for part in getattr(topology, which)]
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
        help="Name of the lab; not needed if only one exists.",
        autocompletion=_labs,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE", autocompletion=_nodes)]
LinkName = Annotated[str, typer.Argument(metavar="LINK", autocompletion=_links)]


def chosen(lab: str | None) -> str:
    """The selected lab: the one named, otherwise the only one, otherwise the default.

    Raises:
        InputError: the name is not valid, or there are several labs and none was named.
    """
    if lab is not None:
        return RunDir(lab).lab  # raises InputError for an invalid name
    known = known_labs()
    if len(known) > 1 and "default" not in known:
        raise InputError(
            f"there are {len(known)} labs: {', '.join(known)}", remedy="Select one with --lab NAME."
        )
    return known[0] if len(known) == 1 else "default"


def print_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
