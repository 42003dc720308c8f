"""Recordings: observations of a lab over a span of time, as data for oracles and timelines.

All times are ns since 1970 on the host's clock, when the host received the observation.
Observations are changes, not samples at a fixed pace: a value holds until the next one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializeAsAny,
    ValidationError,
    field_serializer,
    field_validator,
)

from edge_lab.core.errors import InputError
from edge_lab.evidence.samples import SampleObservation
from edge_lab.faults.records import FaultRecord
from edge_lab.measuring.observation import Observation, Subject, dumped, loaded

S = TypeVar("S", bound=Observation)

FORMAT: Final = 2
"""The version of the file format. The first version had no number."""


class NodeSeen(Observation, kind="node"):
    """The API server's view of a node's condition Ready."""

    node: str
    ready: str
    """True, False, Unknown, or Absent (no such node object)."""


class PodSeen(Observation, kind="pod"):
    """The API server's view of a pod."""

    node: str
    namespace: str
    name: str
    uid: str
    phase: str
    ready: bool
    restarts: int
    deleting: bool = False
    gone: bool = False
    """The object was removed."""

    @property
    def subject(self) -> Subject:
        return self.namespace, self.name, self.uid


class ContainerSeen(Observation, kind="containers"):
    """The node's own view of one pod's containers, from its container runtime."""

    node: str
    namespace: str
    pod: str
    uid: str
    """Of the pod."""
    running: tuple[str, ...]
    """Ids of the containers (no sandboxes) that run now, sorted."""

    @property
    def subject(self) -> Subject:
        return self.node, self.uid


class NodeAnswered(Observation, kind="answered"):
    """Whether a node answered over the management path; written at each change."""

    node: str
    answered: bool
    boot: str = ""
    """The kernel's boot id, which changes with each boot."""


class WaitingSeen(Observation, kind="waiting"):
    """Samples on a node's disk that the collector has not confirmed, of all devices."""

    node: str
    waiting: int
    sampled: int
    """The highest assigned number, summed over devices."""


class ApiSeen(Observation, kind="api"):
    """Whether the API server answered the lab; written at each change."""

    answered: bool


class Recording(BaseModel):
    """All observations between `began` and `ended`, each list ordered by time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = FORMAT
    began: int
    ended: int
    runtime: str
    """The stack, as control+runtime."""
    nodes: tuple[str, ...]
    """Names of the observed nodes (edge nodes, and the server if it had a fault)."""
    faults: tuple[FaultRecord, ...] = ()
    node_seen: tuple[NodeSeen, ...] = ()
    pod_seen: tuple[PodSeen, ...] = ()
    container_seen: tuple[ContainerSeen, ...] = ()
    answered: tuple[NodeAnswered, ...] = ()
    waiting_seen: tuple[WaitingSeen, ...] = ()
    api_seen: tuple[ApiSeen, ...] = ()
    observed: tuple[SerializeAsAny[Observation], ...] = ()
    """Observations of the watchers of suites and add-ons, of any kind."""
    samples: tuple[SampleObservation, ...] = ()
    """Taken at the end, after the backlog was delivered or the time limit had passed."""

    @field_serializer("observed", when_used="json")
    def _dumped(self, observed: tuple[Observation, ...]) -> list[dict[str, Any]]:
        return [dumped(observation) for observation in observed]

    @field_validator("observed", mode="before")
    @classmethod
    def _loaded(cls, observed: Iterable[Any]) -> tuple[Any, ...]:
        if not isinstance(observed, list | tuple):
            raise ValueError("a list of observations")  # noqa: TRY004 - as pydantic wants it
        return tuple(loaded(said) if isinstance(said, Mapping) else said for said in observed)

    def seen(self, kind: type[S]) -> tuple[S, ...]:
        """The observations of watchers of that kind."""
        return tuple(seen for seen in self.observed if isinstance(seen, kind))

    def write(self, path: Path) -> None:
        """Writes the file at `path`, and creates its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """The recording in the file at `path`.

        Raises:
            InputError: it cannot be read, is not a recording, or has another format.
        """
        try:
            text = path.read_bytes()
            said = json.loads(text)
        except OSError as trouble:
            raise InputError(f"cannot read the file: {trouble.strerror}", file=path) from trouble
        except (ValueError, RecursionError) as trouble:
            raise InputError("not a recording: invalid JSON", file=path) from trouble
        _check_format(said, path)
        try:
            return cls.model_validate_json(text)
        except ValidationError as trouble:
            first = trouble.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(f"not a recording: {place}: {first['msg']}", file=path) from trouble


def _check_format(said: object, path: Path) -> None:
    if not isinstance(said, dict) or not said.keys() >= {"began", "ended"}:
        raise InputError(
            "not a recording", file=path, remedy="Suites write recordings to recordings/."
        )
    found = said.get("format")
    if found != FORMAT:
        which = "without a format number" if found is None else f"of format {found!r}"
        raise InputError(
            f"a recording {which}, and this edge-lab reads format {FORMAT}",
            file=path,
            remedy="Use the version of edge-lab that wrote it, or run the test again.",
        )
