"""Reads YAML into pydantic models, and reports errors with file, line and remedy."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Tag, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from edge_lab.core.errors import InputError

Loc = tuple[str | int, ...]

M = TypeVar("M")

EXTENSION = "x-"
"""Prefix of keys that are ignored, as in Docker Compose and OpenAPI."""


class Problem(ValueError):
    """An error found by a model's own check, with the location (`loc`) where it is reported.

    Raised by a validator of the model, or by the `check` that goes with it.
    """

    def __init__(self, message: str, loc: Loc = (), remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.loc = loc
        self.remedy = remedy


@dataclass(frozen=True)
class YamlModel(Generic[M]):
    """The model of a kind of YAML file, and what messages call it."""

    form: Any
    """A pydantic model, or any type that pydantic can validate, such as a union of models."""
    what: str
    """For messages: `topology`."""
    keys: str = ""
    """For messages, some keys of its mapping: `name:, nodes:, …`."""
    remedy: str = ""
    """The remedy if the file does not exist."""
    extensions: bool = False
    """Whether top-level keys that begin with `x-` are ignored, for example those with anchors."""

    def load(
        self,
        path: Path,
        *,
        put: Mapping[str, Any] | None = None,
        check: Callable[[M], None] = lambda read: None,
    ) -> M:
        """The content of `path`; `put` are keys that replace those of the file.

        Raises:
            InputError: the file is missing, not YAML, or does not match the model; the
                message has file, line, what is wrong and the remedy.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as trouble:
            raise InputError(
                f"cannot read the {self.what}: {trouble.strerror}", file=path, remedy=self.remedy
            ) from trouble
        except UnicodeDecodeError as trouble:
            raise InputError(
                f"not UTF-8 text: byte {trouble.start} is {trouble.object[trouble.start]:#04x}",
                file=path,
            ) from trouble
        return self.parse(text, path, put=put, check=check)

    def parse(
        self,
        text: str,
        file: Path | str = "",
        *,
        put: Mapping[str, Any] | None = None,
        check: Callable[[M], None] = lambda read: None,
    ) -> M:
        """Like `load`, from text; `file` is its name in messages."""
        tree = read_yaml(text, file)
        if not isinstance(tree, CommentedMap):
            keys = f" ({self.keys})" if self.keys else ""
            raise InputError(f"a {self.what} must be a mapping{keys}", file=file, line=1)
        if self.extensions:
            for key in [key for key in tree if str(key).startswith(EXTENSION)]:
                del tree[key]
        for key, value in (put or {}).items():
            tree[key] = value
        return self.validate(tree, file, check=check)

    def validate(
        self,
        tree: Mapping[str, Any],
        file: Path | str = "",
        *,
        check: Callable[[M], None] = lambda read: None,
    ) -> M:
        """Like `parse`, from the tree of a YAML reader, or from a plain mapping (without lines)."""
        adapter: TypeAdapter[M] = TypeAdapter(self.form)
        try:
            read = adapter.validate_python(tree)
        except ValidationError as trouble:
            raise _as_input_error(self.form, trouble.errors(), tree, file) from trouble
        try:
            check(read)
        except Problem as trouble:
            raise _of_problem(trouble, tree, file) from trouble
        return read


def file_schema(form: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema (2020-12) of a file with `extensions`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **form.model_json_schema(),
        "patternProperties": {f"^{EXTENSION}": {}},
    }


def read_yaml(text: str, file: Path | str = "") -> Any:
    """The tree of a YAML text; its mappings and lists have line numbers.

    Raises:
        InputError: it is not YAML.
    """
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as trouble:
        mark = trouble.problem_mark
        raise InputError(
            f"not valid YAML: {trouble.problem}", file=file, line=mark.line + 1 if mark else 0
        ) from trouble
    except YAMLError as trouble:  # raised by the reader for characters that YAML does not allow
        raise InputError(f"not valid YAML: {str(trouble).splitlines()[0]}", file=file) from trouble
    except RecursionError as trouble:
        raise InputError("not valid YAML: nested too deeply", file=file) from trouble
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as trouble:
        # Raised while a single value is read: 2001-13-40 looks like a date but is not.
        raise InputError(f"not valid YAML: {trouble}", file=file) from trouble


def line_of(tree: Any, loc: Loc) -> int:
    """The line (from 1) of the value at `loc`, or of the nearest value that contains it."""
    line = 1
    for key in loc:
        if not _has(tree, key):
            break
        try:
            if isinstance(tree, CommentedMap):
                line = tree.lc.key(key)[0] + 1
            elif isinstance(tree, CommentedSeq):
                line = tree.lc.item(key)[0] + 1
        except (AttributeError, KeyError, TypeError):
            pass  # added by the program, or merged with <<: use the line of its container
        tree = tree[key]
    return line


# -- Conversion of pydantic's errors -------------------------------------------------------------


def _as_input_error(
    form: Any, errors: Sequence[ErrorDetails], tree: Any, file: Path | str
) -> InputError:
    first = _worth_telling(errors, tree)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, Problem):
        return _of_problem(cause, tree, file)
    loc = _place(tree, first)
    line = line_of(tree, loc) if _is_read(tree) else 0
    where = ".".join(str(part) for part in loc)
    match first["type"]:
        case "extra_forbidden":
            known = _keys_known_at(form, first["loc"][:-1])
            remedy = f"{did_you_mean(str(loc[-1]), known)}Known here: {', '.join(known)}."
            return InputError(f"unknown key {where!r}", file=file, line=line, remedy=remedy)
        case "missing":
            return InputError(f"{where!r} is missing", file=file, line=line)
        case "union_tag_not_found" if isinstance(first["input"], dict):
            key, _ = _tags(first)
            where = ".".join((*map(str, loc), key))
            tags = _values_known_at(form, first["loc"], key)
            remedy = f"Available: {', '.join(tags)}." if tags else ""
            return InputError(f"{where!r} is missing", file=file, line=line, remedy=remedy)
        case "union_tag_invalid":
            key, tags = _tags(first)
            said = str(first["ctx"]["tag"])
            where = ".".join((*map(str, loc), key))
            return InputError(
                f"{where}: unknown value {said!r}",
                file=file,
                line=line_of(tree, (*loc, key)) if _is_read(tree) else 0,
                remedy=f"{did_you_mean(said, tags)}Available: {', '.join(tags)}.",
            )
    told = [
        str(error.get("ctx", {}).get("error") or error["msg"])
        for error in errors
        if _place(tree, error) == loc
    ]
    message = str(cause) if cause is not None else "; or ".join(dict.fromkeys(told))
    got = "" if isinstance(first["input"], dict | list) else f" (it says {first['input']!r})"
    return InputError(f"{where}: {message}{got}" if where else message, file=file, line=line)


def _of_problem(problem: Problem, tree: Any, file: Path | str) -> InputError:
    line = line_of(tree, problem.loc) if _is_read(tree) else 0
    return InputError(problem.message, file=file, line=line, remedy=problem.remedy)


def _is_read(tree: Any) -> bool:
    return isinstance(tree, CommentedMap | CommentedSeq)


def _worth_telling(errors: Sequence[ErrorDetails], tree: Any) -> ErrorDetails:
    """The error to show: for a union, that of the most likely model; for a model, the cause."""
    left = list(errors)
    while True:
        # For a union, the location of an error contains the name of the model that was tried.
        forks: dict[Loc, dict[str | int, list[ErrorDetails]]] = {}
        for error in left:
            for at, part in enumerate(error["loc"]):
                if not _has(_follow(tree, error["loc"][:at]), part):
                    forks.setdefault(error["loc"][:at], {}).setdefault(part, []).append(error)
                    break
        rivals = next(
            (
                forms
                for place, forms in sorted(forks.items(), key=lambda fork: len(fork[0]))
                if len(forms) > 1 and not _are_missing_keys(forms, place)
            ),
            None,
        )
        if rivals is None:
            break
        best = min(rivals.values(), key=_badness)
        losers = [id(error) for form in rivals.values() if form is not best for error in form]
        left = [error for error in left if id(error) not in losers]
    # A misspelt key is also reported as missing; show the misspelling.
    return min(left, key=lambda error: error["type"] != "extra_forbidden")


def _are_missing_keys(forms: Mapping[str | int, list[ErrorDetails]], place: Loc) -> bool:
    """Whether the names are keys that are missing in one model, rather than names of models."""
    missing = [
        all(error["type"] == "missing" and len(error["loc"]) == len(place) + 1 for error in form)
        for form in forms.values()
    ]
    return sum(missing) >= len(missing) - 1


def _badness(form: Sequence[ErrorDetails]) -> tuple[int, int, int]:
    """How badly the value matches one model of a union; the best match is reported."""
    shallow = max(len(error["loc"]) for error in form)
    strange = sum(error["type"] in ("extra_forbidden", "literal_error") for error in form)
    return strange, len(form), -shallow


def _has(tree: Any, part: str | int) -> bool:
    if isinstance(tree, Mapping):
        return part in tree
    return isinstance(tree, list | tuple) and isinstance(part, int) and part < len(tree)


def _follow(tree: Any, loc: Loc) -> Any:
    """The value at `loc`, skipping names of models."""
    for part in loc:
        if _has(tree, part):
            tree = tree[part]
    return tree


def _place(tree: Any, error: ErrorDetails) -> Loc:
    """The error's location in the file: pydantic's, without names of models.

    The name of a model may also be a key of the file.  Of the possible readings, the right one
    ends at the value that pydantic reports.
    """
    missing = error["type"] == "missing"
    loc, last = (error["loc"][:-1], error["loc"][-1:]) if missing else (error["loc"], ())
    readings = list(_readings(tree, loc))
    right = [place for place, value in readings if value is error["input"]]
    return (*max(right or [place for place, _ in readings], key=len), *last)


def _readings(tree: Any, loc: Loc) -> Iterable[tuple[Loc, Any]]:
    if not loc:
        yield (), tree
        return
    head, rest = loc[0], loc[1:]
    if _has(tree, head):
        for place, value in _readings(tree[head], rest):
            yield (head, *place), value
    if isinstance(head, str):
        yield from _readings(tree, rest)


def _tags(error: ErrorDetails) -> tuple[str, list[str]]:
    """The discriminator of a union, and its possible values."""
    context = error.get("ctx", {})
    tags = str(context.get("expected_tags", "")).split(", ")
    return str(context["discriminator"]).strip("'"), [tag.strip("'") for tag in tags if tag]


def did_you_mean(said: str, known: Iterable[str]) -> str:
    """A sentence with the most similar known name and a trailing space, or an empty string."""
    near = difflib.get_close_matches(said, list(known), n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


# -- Keys and values of a model ------------------------------------------------------------------


def _keys_known_at(form: Any, loc: Loc) -> list[str]:
    """The keys of the model at pydantic's `loc`, as they are written in the file."""
    found: dict[str, None] = {}
    for model in _models_at(form, loc):
        for name, field in model.model_fields.items():
            found[field.alias or name] = None
    return list(found)


def _values_known_at(form: Any, loc: Loc, key: str) -> list[str]:
    """The permitted values of a key, if they are all listed."""
    fields = (model.model_fields.get(key) for model in _models_at(form, loc))
    values = (typing.get_args(field.annotation) for field in fields if field is not None)
    return [str(value) for permitted in values for value in permitted]


def _models_at(form: Any, loc: Loc) -> list[type[BaseModel]]:
    origin, args = typing.get_origin(form), typing.get_args(form)
    if origin is Annotated:
        return _models_at(args[0], loc)
    if origin in (typing.Union, types.UnionType):
        named = [arm for arm in args if loc and loc[0] in _names_of(arm)]
        inner = loc[1:] if named else loc
        return [model for arm in named or args for model in _models_at(arm, inner)]
    if isinstance(form, type) and issubclass(form, BaseModel):
        if not loc:
            return [form]
        for name, field in form.model_fields.items():
            if loc[0] in (name, field.alias):
                return _models_at(field.annotation, loc[1:])
        return []
    if not args or not loc or not isinstance(origin, type):
        return []
    if issubclass(origin, Mapping):
        return _models_at(args[1], loc[1:])
    if issubclass(origin, tuple) and args[-1] is not Ellipsis:
        at = loc[0]
        return _models_at(args[at], loc[1:]) if isinstance(at, int) and at < len(args) else []
    if issubclass(origin, Sequence | AbstractSet):
        return _models_at(args[0], loc[1:])
    return []


def _names_of(arm: Any) -> set[str]:
    """Names by which pydantic may refer to a model of a union: tag, literal or class name."""
    names: set[str] = set()
    if typing.get_origin(arm) is Annotated:
        names |= {argument.tag for argument in typing.get_args(arm) if isinstance(argument, Tag)}
        arm = typing.get_args(arm)[0]
    if typing.get_origin(arm) in (typing.Union, types.UnionType):
        return names
    if isinstance(arm, type) and issubclass(arm, BaseModel):
        names.add(arm.__name__)
        for field in arm.model_fields.values():
            if typing.get_origin(field.annotation) is Literal:
                names |= {str(value) for value in typing.get_args(field.annotation)}
    return names
