"""Small Python programs that run on a node and report facts, one a line: a name and a value."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from edge_lab.core.errors import LabError


def python(source: str, *arguments: object) -> str:
    """A shell command that runs the program with these arguments."""
    return shlex.join(["python3", "-I", "-c", source, *map(str, arguments)])


def parse_facts(text: str, *needed: str) -> Mapping[str, str]:
    """Parses the output of a program; LabError if a needed fact is missing in it."""
    words = (line.split() for line in text.splitlines())
    facts = {line[0]: line[1] for line in words if len(line) == 2}
    if missing := [name for name in needed if name not in facts]:
        raise LabError(f"the node did not report {', '.join(missing)}: {text[:300]!r}")
    return facts


def number_in(facts: Mapping[str, str], name: str) -> int:
    """The number of that name; LabError if it is missing or none."""
    value = facts.get(name, "")
    if not (value.isascii() and value.isdigit()):
        raise LabError(f"the node did not report a number as {name}: {value!r}")
    return int(value)
