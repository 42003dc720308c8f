"""`lab capture`: the frames of a link, into a file, a ring of files, or a pipe."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from edge_lab.cli.common import LabName, LinkName, chosen, err, out
from edge_lab.core.errors import InputError
from edge_lab.core.interrupts import interrupts_noted
from edge_lab.core.sizes import parse_size

if TYPE_CHECKING:
    from edge_lab.fabric.capture import Captured

DEFAULT_SECONDS = 10.0


def capture(
    link: LinkName,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="pcapng file (default: in the run directory), named pipe, or - for standard "
            "output.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Duration in seconds (default: 10 for a file without --max-size, else until "
            "stopped)."
        ),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Stop at this size: 500K, 10M, 1G; with --files, size of each file.",
        ),
    ] = None,
    files: Annotated[
        int,
        typer.Option(
            min=1, help="Write numbered files of --max-size each; keep this many, the newest."
        ),
    ] = 1,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the running captures of the link.")
    ] = False,
    lab: LabName = None,
) -> None:
    """Capture the frames of a link, both directions, as pcapng.

    Live: lab capture LINK -o - | wireshark -k -i -
    """
    from edge_lab.bringup.attach import attach
    from edge_lab.fabric.capture import Capture
    from edge_lab.fabric.output import STANDARD_OUTPUT, Files, Limits

    limits = Limits(None if max_size is None else parse_size(max_size), files)
    if seconds is not None and not seconds > 0:
        raise InputError(f"--seconds must be greater than 0, not {seconds:g}")
    found = attach(chosen(lab))
    found.check_link(link)
    if stop:
        for file in found.fabric.capture_stop(link):
            out.print(f"stopped the capture to {escape(file)}", highlight=False, soft_wrap=True)
        return
    where = output
    if where is None:
        found.run.captures.mkdir(parents=True, exist_ok=True)
        where = str(found.run.captures / f"{link}.pcapng")
    if seconds is None and limits.max_bytes is None and _is_file(where):
        seconds = DEFAULT_SECONDS
    if where != STANDARD_OUTPUT and _is_pipe(Path(where)):
        err.print(f"waiting until a program reads {escape(where)}", highlight=False, soft_wrap=True)
    to = Files(where, limits)
    shown = to.output.is_shown
    begun: list[Capture] = []

    def finish() -> None:
        for running in begun:
            running.finish()

    with interrupts_noted(finish) as asked:
        running = Capture(found.fabric, link, to)
        begun.append(running)
        if asked.is_set():
            running.finish()
        # Not a wait for an event: the user requested that many seconds of traffic.
        running.wait(seconds)
        captured = running.end()
    (err if shown else out).print(escape(summary(captured)), highlight=False, soft_wrap=True)
    captured.check()


def summary(captured: Captured) -> str:
    """One line about the result of a capture."""
    where = captured.to
    if len(captured.files) > 1:
        where = f"{len(captured.files)} files, {captured.files[0]} to {captured.files[-1]}"
    text = f"{captured.frames} frames in {where}"
    if captured.dropped:
        text += f"; {captured.dropped} more were lost because they could not be written fast enough"
    return text


def _is_file(where: str) -> bool:
    """Whether it is a regular file, or would become one."""
    return where != "-" and (not Path(where).exists() or Path(where).is_file())


def _is_pipe(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISFIFO(path.stat().st_mode)
    return False
