"""The reports of sampler and collector, as data (images/go/workload/internal/wire)."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from edge_lab.core.errors import LabError


class _Model(BaseModel):
    # A newer workload may report more fields.
    model_config = ConfigDict(frozen=True, extra="ignore")


class SampleCounts(_Model):
    """The sample counters of one device on one node."""

    sampled: int
    """The highest assigned number; numbers begin with 1 without gaps."""
    acknowledged: int
    """The highest number that the collector has confirmed."""
    waiting: int
    """Samples on the node's disk that are not confirmed."""
    sent: int
    """Samples sent, including repetitions, since the start of the sampler's process."""
    last_seq: int
    """The device's number of the last step that was sampled."""
    read_errors: int
    """Since the start of the sampler's process."""
    connected: bool
    last_error: str


class ShownIdentity(_Model):
    """The certificate that a sampler presents to the collector (its SVID)."""

    id: str
    serial: str
    not_before: int
    """Its validity, ns since 1970."""
    not_after: int


class SamplerStatus(_Model):
    """The status of one node's sampler."""

    node: str
    time: int
    """Time of this status, ns since 1970, by the node's clock."""
    started: int
    """Start of the process, likewise."""
    devices: dict[str, SampleCounts]
    send_errors: int
    last_error: str
    handed: int = 0
    """When the collector last accepted samples, likewise; 0 if never."""
    identity: ShownIdentity | None = None
    """None for a sampler without an SVID."""


class CollectedSample(_Model):
    """One sample at the collector."""

    node: str
    device: str
    number: int
    seq: int
    sampled: int
    """ns since 1970, the node's clock."""
    received: int
    """ns since 1970, the collector's clock, at the first arrival."""
    values: dict[str, int | float]


class ArrivedCounts(_Model):
    """The collector's counts of one device on one node."""

    node: str
    device: str
    arrived: int
    first: int
    last: int
    repeated: int
    """Samples that arrived again, and were not stored again."""
    conflicts: int
    """Those of them with different content."""


def parse_status(text: str | bytes) -> SamplerStatus:
    """Parses a sampler's status; LabError if it is invalid."""
    try:
        return SamplerStatus.model_validate_json(text)
    except ValidationError as trouble:
        raise LabError(f"invalid sampler status: {trouble.errors()[0]['msg']}") from trouble


def parse_collected(text: str) -> tuple[CollectedSample, ...]:
    """Parses the collector's JSON lines; LabError if a line is invalid."""
    found: list[CollectedSample] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        try:
            found.append(CollectedSample.model_validate(json.loads(line)))
        except ValueError as trouble:
            raise LabError(
                f"line {number} from the collector is not a sample: {trouble}"
            ) from trouble
    return tuple(found)


def parse_arrived(text: str) -> tuple[ArrivedCounts, ...]:
    """Parses the collector's counts; LabError if they are invalid."""
    try:
        return TypeAdapter(tuple[ArrivedCounts, ...]).validate_json(text)
    except ValidationError as trouble:
        raise LabError(f"invalid collector counts: {trouble.errors()[0]['msg']}") from trouble
