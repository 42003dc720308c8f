"""Shows the steps of long work: a live tree on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from edge_lab.core.step import Phase, StepEvent, listening

DEEPEST_SHOWN = 2
"""Steps below this depth go to the log only."""

_NOBODY_READS = (OSError, SystemExit)
"""What printing raises when the terminal or the pipe is gone; rich ends a process then."""


@dataclass
class _Row:
    title: str
    depth: int
    parent: int | None
    phase: Phase = Phase.START
    detail: str = ""
    done: float | None = None
    seconds: float = 0.0
    children: list[int] = field(default_factory=list)


class StepTree:
    """The steps seen so far, as rows; pure bookkeeping, drawn by whoever holds it."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._lock = threading.Lock()

    def take(self, event: StepEvent) -> _Row:
        with self._lock:
            row = self._rows.get(event.id)
            if row is None:
                parent = self._rows.get(event.parent) if event.parent else None
                row = _Row(event.title, parent.depth + 1 if parent else 0, event.parent)
                self._rows[event.id] = row
                if parent:
                    parent.children.append(event.id)
            row.phase, row.seconds = event.phase, event.seconds
            if event.phase in (Phase.PROGRESS, Phase.FAIL):
                row.detail, row.done = event.detail, event.done
            return row

    def rows(self) -> list[_Row]:
        """Depth first; children of a step that has ended well are folded away."""
        with self._lock:
            found: list[_Row] = []
            for each in self._rows.values():
                if each.depth == 0:
                    self._collect(each, found)
            return found

    def _collect(self, row: _Row, into: list[_Row]) -> None:
        into.append(row)
        if row.depth < DEEPEST_SHOWN and (row.phase is not Phase.END or row.depth == 0):
            for child in row.children:
                self._collect(self._rows[child], into)


def _draw(row: _Row, spinner: Spinner) -> tuple[RenderableType, RenderableType, RenderableType]:
    indent = "  " * row.depth
    if row.phase is Phase.END:
        sign = Text("✓", style="green")
    elif row.phase is Phase.FAIL:
        sign = Text("✗", style="bold red")
    else:
        title = Text(indent + row.title)
        if row.detail:
            title.append(f"  {row.detail}", style="dim")
        bar: RenderableType = (
            ProgressBar(total=1.0, completed=row.done, width=24) if row.done is not None else ""
        )
        return spinner, title, bar
    title = Text(indent + row.title)
    if row.phase is Phase.FAIL and row.detail:
        title.append(f"  {row.detail}", style="red")
    return sign, title, Text(f"{row.seconds:.1f} s", style="dim")


class _Tree:
    def __init__(self, tree: StepTree) -> None:
        self._tree = tree
        self._spinner = Spinner("dots")

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        for row in self._tree.rows():
            table.add_row(*_draw(row, self._spinner))
        return Group(table)


@contextlib.contextmanager
def showing_steps(console: Console) -> Iterator[None]:
    """While the block runs, its steps are shown on `console`."""
    tree = StepTree()
    if console.is_terminal:
        live = Live(_Tree(tree), console=console, refresh_per_second=8, vertical_overflow="visible")
        live.start()
        try:
            with listening(lambda event: void(tree.take(event))):
                yield
        finally:
            with contextlib.suppress(*_NOBODY_READS):
                live.stop()
        return

    def line(event: StepEvent) -> None:
        row = tree.take(event)
        if row.depth > DEEPEST_SHOWN or event.phase is Phase.PROGRESS:
            return
        indent = "  " * row.depth
        if event.phase is Phase.START:
            text = f"{indent}{row.title} …"
        elif event.phase is Phase.END:
            text = f"{indent}{row.title}: {event.seconds:.1f} s"
        else:
            text = f"{indent}{row.title}: failed: {event.detail}"
        # The step goes on though nobody reads of it: it may be one that heals a fault.
        with contextlib.suppress(*_NOBODY_READS):
            console.print(text, highlight=False, markup=False)

    with listening(line):
        yield


def void(_: object) -> None:
    """Takes a value and gives none: a listener returns nothing."""
