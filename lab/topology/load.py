"""Reads a topology from YAML, and says file, line and remedy of a mistake."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lab.errors import InputError
from lab.topology.model import Topology, TopologyProblem

Loc = tuple[str | int, ...]


def load_topology(path: Path, *, name: str | None = None) -> Topology:
    """The topology in `path`; `name` calls the lab otherwise than its file does.

    Raises:
        InputError: the file is missing, no YAML, or describes no possible lab; the
            message holds file, line, what is wrong and what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as trouble:
        raise InputError(
            f"cannot read the topology: {trouble.strerror}",
            file=path,
            remedy="labs/default.yaml is a good one to begin with.",
        ) from trouble
    except UnicodeDecodeError as trouble:
        raise InputError(
            f"not UTF-8 text: byte {trouble.start} is {trouble.object[trouble.start]:#04x}",
            file=path,
        ) from trouble
    return parse_topology(text, path, name=name)


def parse_topology(
    text: str, file: Path | str = "<topology>", *, name: str | None = None
) -> Topology:
    """As `load_topology`, from text; `file` is what messages call it."""
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as trouble:
        mark = trouble.problem_mark
        raise InputError(
            f"not valid YAML: {trouble.problem}", file=file, line=mark.line + 1 if mark else 0
        ) from trouble
    except YAMLError as trouble:  # of the reader: a character that YAML does not allow
        raise InputError(f"not valid YAML: {str(trouble).splitlines()[0]}", file=file) from trouble
    if not isinstance(tree, CommentedMap):
        raise InputError("a topology is a mapping (name:, nodes:, links:, …)", file=file, line=1)
    if name is not None:
        tree["name"] = name
    try:
        return Topology.model_validate(tree)
    except ValidationError as trouble:
        # A misspelt key is also a missing one; the misspelling is what to show.
        first = min(trouble.errors(), key=lambda error: error["type"] != "extra_forbidden")
        raise _as_input_error(first, tree, file) from trouble


def line_of(tree: Any, loc: Loc) -> int:
    """The line (from 1) of the value at `loc`, or of the nearest thing around it."""
    line = 1
    for key in loc:
        if isinstance(tree, CommentedMap) and key in tree:
            line = tree.lc.key(key)[0] + 1
        elif isinstance(tree, CommentedSeq) and isinstance(key, int) and key < len(tree):
            line = tree.lc.item(key)[0] + 1
        else:
            break
        tree = tree[key]
    return line


def _as_input_error(error: ErrorDetails, tree: CommentedMap, file: Path | str) -> InputError:
    loc: Loc = error["loc"]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, TopologyProblem):
        line = line_of(tree, cause.loc)
        return InputError(cause.message, file=file, line=line, remedy=cause.remedy)
    line = line_of(tree, loc)
    where = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        known = _fields_at(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        remedy = f"Did you mean {near[0]!r}? " if near else ""
        return InputError(
            f"unknown key {where!r}",
            file=file,
            line=line,
            remedy=f"{remedy}Known here: {', '.join(known)}.",
        )
    if error["type"] == "missing":
        return InputError(f"{where!r} is missing", file=file, line=line_of(tree, loc[:-1]))
    message = str(cause) if cause is not None else error["msg"]
    got = "" if isinstance(error["input"], dict | list) else f" (it says {error['input']!r})"
    return InputError(f"{where}: {message}{got}", file=file, line=line)


def _fields_at(loc: Loc) -> list[str]:
    """The keys that the model knows at `loc`."""
    model: Any = Topology
    for part in loc:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            annotation = model.model_fields[part].annotation
            inner = getattr(annotation, "__args__", (annotation,))[0]
            model = inner
    if isinstance(model, type) and issubclass(model, BaseModel):
        return list(model.model_fields)
    return []
