"""`lab cache`: lists, exports, imports and prunes the cache."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from edge_lab.cli.common import AsJson, err, out, print_json
from edge_lab.cli.outputs import check_file
from edge_lab.cli.progress import showing_steps
from edge_lab.cli.render import plain_table
from edge_lab.core.deadline import Deadline
from edge_lab.core.durations import parse_duration
from edge_lab.core.errors import InputError
from edge_lab.core.home import cache_home
from edge_lab.core.sizes import parse_size, show_size

if TYPE_CHECKING:
    from edge_lab.upkeep.contents import Entry

SECONDS = 3600.0
"""Time limit of an export or import in seconds, on the reference machine."""
_DAY = 86400.0
_DAYS = re.compile(r"(\d+(?:\.\d+)?)(d|w)")

cache = typer.Typer(
    help="List, export, import and prune the cache: artifacts, root disks, checkpoints, logs.",
    no_args_is_help=True,
)


@cache.command("list")
def list_(
    entries: Annotated[
        bool, typer.Option("--entries", help="Show each entry instead of one line for each kind.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is in the cache: sizes, and when it was last used."""
    from edge_lab.upkeep.contents import all_entries

    home = cache_home()
    found, now = all_entries(home), time.time()
    if as_json:
        print_json({"cache": str(home), "entries": [_row(entry) for entry in found]})
        return
    if entries:
        table = plain_table(f"cache {escape(str(home))}", "kind", "entry", "size", "last used")
        for entry in found:
            name = escape(str(entry.path.relative_to(home)))
            table.add_row(entry.kind.name, name, show_size(entry.size), _ago(entry, now))
    else:
        table = plain_table(
            f"cache {escape(str(home))}", "kind", "what", "entries", "size", "last used", "oldest"
        )
        for kind in dict.fromkeys(entry.kind for entry in found):
            of_kind = [entry for entry in found if entry.kind == kind]
            by_use = sorted(of_kind, key=lambda entry: entry.used)
            size = show_size(sum(entry.size for entry in of_kind))
            ages = (_ago(by_use[-1], now), _ago(by_use[0], now))
            table.add_row(kind.name, kind.what, str(len(of_kind)), size, *ages)
    out.print(table)
    out.print(f"{show_size(sum(entry.size for entry in found))} in total", highlight=False)


@cache.command()
def export(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="The tar to write.")],
    checkpoints: Annotated[
        bool,
        typer.Option(
            "--checkpoints", help="Include checkpoints. They hold the private keys of their lab."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write artifacts and root disks into one tar, with a manifest of their digests."""
    from edge_lab.upkeep.export import chosen_entries
    from edge_lab.upkeep.export import export as write
    from edge_lab.upkeep.uses import uses_of

    check_file(archive, "FILE")
    home = cache_home()
    chosen = chosen_entries(home, uses_of(home), checkpoints=checkpoints)
    with showing_steps(err):
        manifest = write(home, chosen, archive, Deadline.scaled(SECONDS))
    size = archive.stat().st_size
    if as_json:
        print_json({"file": str(archive), "size": size, "entries": len(manifest.entries)})
    else:
        out.print(
            f"wrote {escape(str(archive))}: {len(manifest.entries)} entries, {show_size(size)}",
            highlight=False,
            soft_wrap=True,
        )


@cache.command("import")
def import_(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="A tar of `lab cache export`.")],
    as_json: AsJson = False,
) -> None:
    """Verify an exported tar and add what the cache lacks. A damaged tar changes nothing."""
    from edge_lab.upkeep.importing import import_archive

    with showing_steps(err):
        done = import_archive(cache_home(), archive, Deadline.scaled(SECONDS))
    if as_json:
        print_json(
            {
                "added": [entry.place for entry in done.added],
                "present": [entry.place for entry in done.present],
                "unfit": {entry.place: why for entry, why in done.unfit},
            }
        )
        return
    for entry, why in done.unfit:
        out.print(f"left out {escape(entry.place)}: {escape(why)}", style="yellow", highlight=False)
    out.print(
        f"added {len(done.added)} entries; {len(done.present)} were there before", highlight=False
    )


@cache.command()
def prune(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Remove entries unused for this long: 14d, 2w, 36h."),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Remove the least recently used entries down to this size: 10G."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Remove only entries of this kind; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove old entries from the cache, but nothing that a lab uses."""
    from edge_lab.upkeep.contents import all_entries, kinds_named
    from edge_lab.upkeep.prune import Limits, plan_pruning, remove
    from edge_lab.upkeep.uses import require_quiet, uses_of

    if older_than is None and max_size is None:
        raise InputError(
            "there is no limit to prune by", remedy="Give --older-than AGE or --max-size SIZE."
        )
    limits = Limits(
        older_than=None if older_than is None else parse_age(older_than),
        max_size=None if max_size is None else parse_size(max_size),
        kinds=kinds_named(kind) if kind else None,
    )
    home = cache_home()
    require_quiet(home)
    pruning = plan_pruning(all_entries(home), uses_of(home), limits, time.time())
    gone: Sequence[Entry] = pruning.removed
    if not dry_run:
        gone = remove(gone, Deadline.scaled(SECONDS))
    freed = sum(entry.size for entry in gone)
    left = pruning.left + pruning.freed - freed
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "removed": [_row(entry) for entry in gone],
                "kept": [{**_row(entry), "used_by": who} for entry, who in pruning.kept],
                "freed": freed,
                "left": left,
            }
        )
        return
    did = "would remove" if dry_run else "removed"
    for entry in gone:
        _say(f"{did} {entry.path.relative_to(home)} ({show_size(entry.size)})")
    for entry, who in pruning.kept:
        _say(f"kept {entry.path.relative_to(home)}: {who} uses it")
    over = limits.max_size is not None and left > limits.max_size
    _say(
        f"{did} {len(gone)} entries, {show_size(freed)}; {show_size(left)} are left"
        + (f", which is more than {max_size}: the rest is in use or never pruned" if over else "")
    )


def parse_age(text: str) -> float:
    """Seconds of an age such as 14d or 2w, or of a duration such as 36h; InputError otherwise."""
    if found := _DAYS.fullmatch(text.strip()):
        return float(found[1]) * _DAY * (7 if found[2] == "w" else 1)
    try:
        return parse_duration(text)
    except ValueError as trouble:
        raise InputError(
            f"{text!r} is not an age", remedy="Write it as 14d, 2w or 36h."
        ) from trouble


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind.name,
        "name": entry.name,
        "path": str(entry.path),
        "size": entry.size,
        "used": round(entry.used),
    }


def _ago(entry: Entry, now: float) -> str:
    seconds = max(0.0, now - entry.used)
    for unit, length in (("days", _DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit} ago"
    return "just now"


def _say(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
