"""Shows steps: as a live tree on a terminal, otherwise as lines."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from edge_lab.core.step import Phase, StepEvent, listening

DEEPEST_SHOWN = 3
"""Steps below this depth are written only to the log."""

_NOBODY_READS = (OSError, SystemExit)
"""Raised by printing when the terminal or pipe is closed; rich ends the process then."""
ENDED_SHOWN = 3
"""Number of finished steps that stay visible inside a running one."""

LIFE_SECONDS = 60.0
"""Without a terminal, seconds between two lines about a running step."""

BAR_WIDTH = 16
_CLOCK_FROM = 1.0
"""Seconds after which a running step shows its time."""


@dataclass
class _Row:
    title: str
    depth: int
    parent: int | None
    began: float
    """On the monotonic clock."""
    phase: Phase = Phase.START
    detail: str = ""
    done: float | None = None
    seconds: float = 0.0
    children: list[int] = field(default_factory=list)

    @property
    def under_way(self) -> bool:
        return self.phase in (Phase.START, Phase.PROGRESS)

    @property
    def so_far(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began


class StepTree:
    """The steps seen so far, as rows; does not draw anything."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._lock = threading.Lock()

    def take(self, event: StepEvent) -> _Row:
        with self._lock:
            row = self._rows.get(event.id)
            if row is None:
                parent = self._rows.get(event.parent) if event.parent else None
                depth = parent.depth + 1 if parent else 0
                row = _Row(event.title, depth, event.parent, time.monotonic() - event.seconds)
                self._rows[event.id] = row
                if parent:
                    parent.children.append(event.id)
            row.phase, row.seconds = event.phase, event.seconds
            if event.phase in (Phase.PROGRESS, Phase.FAIL):
                row.detail, row.done = event.detail, event.done
            return row

    def rows(self) -> list[_Row]:
        """Depth first; of what is in steps that have succeeded, only the warnings."""
        with self._lock:
            found: list[_Row] = []
            for row in self._rows.values():
                if row.depth == 0:
                    self._collect(row, found)
            return found

    def detail_around(self, row: _Row) -> str:
        """The last detail of the step that contains `row`."""
        with self._lock:
            around = self._rows.get(row.parent) if row.parent else None
            return around.detail if around else ""

    def at_work(self) -> list[_Row]:
        """Running steps without running steps inside them, among those that are shown."""
        with self._lock:
            return [
                row
                for row in self._rows.values()
                if row.under_way
                and row.depth <= DEEPEST_SHOWN
                and not any(
                    self._rows[child].under_way and self._rows[child].depth <= DEEPEST_SHOWN
                    for child in row.children
                )
            ]

    def _collect(self, row: _Row, into: list[_Row]) -> None:
        into.append(row)
        children = [self._rows[child] for child in row.children]
        hidden: set[int] = set()
        if row.depth >= DEEPEST_SHOWN or (row.phase is Phase.END and row.depth > 0):
            hidden = {id(child) for child in children}
        elif row.depth == DEEPEST_SHOWN - 1:
            ended = [child for child in children if child.phase is Phase.END]
            hidden = {id(child) for child in ended[:-ENDED_SHOWN]}
        for child in children:
            if id(child) in hidden:
                self._collect_warnings(child, into)
            else:
                self._collect(child, into)

    def _collect_warnings(self, row: _Row, into: list[_Row]) -> None:
        if row.phase is Phase.WARNING:
            into.append(row)
        for child in row.children:
            self._collect_warnings(self._rows[child], into)


def time_so_far(seconds: float) -> str:
    """12 s, 3 min 05 s, 1 h 02 min."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def _draw(row: _Row, spinner: Spinner) -> tuple[RenderableType, RenderableType, RenderableType]:
    title = Text(row.title)
    shown = Padding(title, (0, 0, 0, 2 * row.depth))
    if row.under_way:
        if row.detail:
            title.append(f"  {row.detail}", style="dim")
        clock = Text(time_so_far(row.so_far) if row.so_far >= _CLOCK_FROM else "", style="dim")
        if row.done is None:
            return spinner, shown, clock
        both = Table.grid(padding=(0, 1))
        both.add_row(ProgressBar(total=1.0, completed=row.done, width=BAR_WIDTH), clock)
        return spinner, shown, both
    if row.phase is Phase.WARNING:
        title.stylize("yellow")
        return Text("!", style="bold yellow"), shown, Text()
    if row.phase is Phase.FAIL:
        if row.detail:
            title.append(f"  {row.detail}", style="red")
        sign = Text("✗", style="bold red")
    else:
        sign = Text("✓", style="green")
    return sign, shown, Text(f"{row.seconds:.1f} s", style="dim")


class _Tree:
    def __init__(self, tree: StepTree) -> None:
        self._tree = tree
        self._spinner = Spinner("dots")

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column()
        table.add_column(overflow="fold")
        table.add_column(no_wrap=True)
        for row in self._tree.rows():
            table.add_row(*_draw(row, self._spinner))
        return Group(table)


@contextlib.contextmanager
def showing_steps(console: Console, life_seconds: float = LIFE_SECONDS) -> Iterator[None]:
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
    lines = _Lines(tree, console)
    with listening(lines.take), lines.living(life_seconds):
        yield


class _Lines:
    """Prints a line when a step begins, when it ends, and at times in between."""

    def __init__(self, tree: StepTree, console: Console) -> None:
        self._tree = tree
        self._console = console
        self._lock = threading.RLock()
        """Prevents lines about a running step after the line of its end."""

    def take(self, event: StepEvent) -> None:
        with self._lock:
            self._tell(event)

    def _tell(self, event: StepEvent) -> None:
        row = self._tree.take(event)
        if event.phase is Phase.WARNING:
            self._print(row, "")
        elif row.depth > DEEPEST_SHOWN or event.phase is Phase.PROGRESS:
            return
        elif event.phase is Phase.START:
            self._print(row, " …")
        elif event.phase is Phase.END:
            self._print(row, f": {event.seconds:.1f} s")
        else:
            self._print(row, f": failed: {event.detail}")

    @contextlib.contextmanager
    def living(self, every: float) -> Iterator[None]:
        """While the block runs, prints a line for each running step after every `every` seconds."""
        over = threading.Event()
        told: dict[int, float] = {}

        def watch() -> None:
            while not over.wait(min(1.0, every / 4)):
                with self._lock:
                    self._say_alive(every, told)

        thread = threading.Thread(target=watch, name="signs of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _say_alive(self, every: float, told: dict[int, float]) -> None:
        for row in self._tree.at_work():
            if row.so_far - told.get(id(row), 0.0) >= every:
                told[id(row)] = row.so_far
                told_of = (row.detail, self._tree.detail_around(row))
                details = "; ".join(filter(None, told_of)) or "running"
                self._print(row, f": {details}; {time_so_far(row.so_far)} so far")

    def _print(self, row: _Row, rest: str) -> None:
        text = f"{'  ' * row.depth}{row.title}{rest}"
        # The step continues without a reader: it may be healing a fault.
        with contextlib.suppress(*_NOBODY_READS):
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def void(_: object) -> None:
    """Discards a value: a listener returns None."""
