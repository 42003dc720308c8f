"""Observations: what was seen of a lab at one moment, as models registered by their kind.

A kind is registered by its class:

    class MemorySeen(Observation, kind="memory"):
        node: str
        available_mib: float

Recordings are then read back with this class.  Observations of an unregistered kind are kept
unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

Subject = tuple[str, ...]

_KINDS: dict[str, type[Observation]] = {}


class Observation(BaseModel):
    """One observation. Its value holds until the next one of the same subject."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[str] = ""

    time: int
    """ns since 1970 on the host's clock, when the host received it."""

    def __init_subclass__(cls, *, kind: str = "", **more: Any) -> None:
        super().__init_subclass__(**more)

    @classmethod
    def __pydantic_init_subclass__(cls, *, kind: str = "", **more: Any) -> None:
        """Registers the class under its kind.

        Raises:
            TypeError: it has no kind, another class has that kind, or it has a field `kind`.
        """
        super().__pydantic_init_subclass__(**more)
        if not kind.isidentifier():
            raise TypeError(f"{cls.__qualname__} needs a kind, an identifier: {kind!r} is none")
        if "kind" in cls.model_fields:
            raise TypeError(f"{cls.__qualname__} has a field `kind`, which is the name of its kind")
        other = _KINDS.get(kind)
        if other is not None and _place(other) != _place(cls):
            raise TypeError(f"{_place(cls)} and {_place(other)} are both of kind {kind!r}")
        cls.kind = kind
        _KINDS[kind] = cls

    @property
    def subject(self) -> Subject:
        """Its subject; an observation equal to the last one of its subject is not recorded."""
        node = getattr(self, "node", None)
        return () if node is None else (str(node),)

    @property
    def number(self) -> float | None:
        """The value that a timeline draws in the band of its `node`; None for nothing."""
        return None


def _place(kind: type[Observation]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


class UnknownSeen(Observation, kind="unknown"):
    """An observation of an unregistered kind, which is kept and written back unchanged."""

    unknown_kind: str
    said: dict[str, Any]
    """All its fields except the kind."""


def dumped(observation: Observation) -> dict[str, Any]:
    """As JSON data, with its kind."""
    if isinstance(observation, UnknownSeen):
        return {"kind": observation.unknown_kind, **observation.said}
    return {"kind": observation.kind, **observation.model_dump(mode="json")}


def loaded(data: Mapping[str, Any]) -> Observation:
    """The observation from the output of `dumped`.

    Raises:
        ValueError: it has no kind or no time, or does not fit its kind.
    """
    said = dict(data)
    kind = said.pop("kind", None)
    if not isinstance(kind, str) or not kind:
        raise ValueError("an observation needs the key `kind`")
    known = _KINDS.get(kind)
    if known is None or known is UnknownSeen:
        time = TypeAdapter(int).validate_python(said.get("time"))
        return UnknownSeen(time=time, unknown_kind=kind, said=said)
    return known.model_validate_json(json.dumps(said))


__all__ = ["Observation", "Subject", "UnknownSeen", "dumped", "loaded"]
