"""What the pages of the documentation name: links, commands, files, tests, symbols."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
_SEPARATORS = {"|", "&", "&&", ";", "||"}
_WRAPPERS = {"sudo": 0, "nice": 2, "timeout": 1}
"""Programs that start another one, with the number of their own arguments."""

SHELL = ("console", "sh")


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a page names, with its place."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Page:
    name: str
    """Relative to the repository."""
    text: str

    @property
    def folder(self) -> Path:
        return (ROOT / self.name).parent

    def links(self) -> Iterator[Named]:
        """The targets of all links and pictures."""
        prose = _CODE.sub(_blank, _FENCE.sub(_blank, self.text))
        for found in _LINK.finditer(prose):
            yield self._named(found.start(), found[1])

    def anchors(self) -> frozenset[str]:
        """As GitHub makes them of the headings."""
        prose = _FENCE.sub(_blank, self.text)
        return frozenset(anchor(found[1]) for found in _HEADING.finditer(prose))

    def code(self) -> Iterator[Named]:
        """Whatever is set as code within a line."""
        for found in _CODE.finditer(_FENCE.sub(_blank, self.text)):
            yield self._named(found.start(), found[1])

    def matches(self, pattern: re.Pattern[str]) -> Iterator[Named]:
        """Where the page has what the pattern matches, in prose and in code."""
        for found in pattern.finditer(self.text):
            yield self._named(found.start(), found[0])

    def shell_lines(self) -> Iterator[Named]:
        """Lines of shell blocks without their prompt, and code within a line."""
        for block in _FENCE.finditer(self.text):
            start = block.start(2)
            for line in block[2].splitlines(keepends=True):
                prompt = line.startswith("$ ")
                if block[1] in SHELL and (prompt or block[1] == "sh"):
                    yield self._named(start, line.removeprefix("$ ").strip())
                start += len(line)
        yield from self.code()

    def _named(self, offset: int, text: str) -> Named:
        return Named(self.name, self.text.count("\n", 0, offset) + 1, text)


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def anchor(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def page(name: str) -> Page:
    return Page(name, (ROOT / name).read_text(encoding="utf-8"))


def pages() -> list[Page]:
    """Those that users read; the changelog names what once was."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
    return [page(str(file.relative_to(ROOT))) for file in found]


def commands(line: str) -> list[list[str]]:
    """The commands of a shell line, as program and arguments; none if it is no shell line."""
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    try:
        words = list(reader)
    except ValueError:  # a quote that is not closed: no shell line
        return []
    found: list[list[str]] = [[]]
    for word in words:
        if word in _SEPARATORS:
            found.append([])
        else:
            found[-1].append(word)
    return [started for command in found if (started := _started(command))]


def _started(words: list[str]) -> list[str]:
    while words and _ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    if words and words[0] in _WRAPPERS:
        return _started(words[1 + _WRAPPERS[words[0]] :])
    return [words[0].removeprefix(".venv/bin/"), *words[1:]] if words else []


def commands_of(read: Page, program: str) -> list[tuple[Named, list[str]]]:
    """All commands of a program that a page shows, with their arguments."""
    return [
        (line, command[1:])
        for line in read.shell_lines()
        for command in commands(line.text)
        if command[0] == program
    ]


def exists(named: str) -> bool:
    """Whether the repository has a file, a folder, a match of a pattern, or a test `file::name`."""
    path, _, test = named.partition("::")
    found = list(ROOT.glob(path)) if "*" in path else [ROOT / path]
    if not found or not found[0].exists():
        return False
    return not test or f"def {test}(" in found[0].read_text(encoding="utf-8")
