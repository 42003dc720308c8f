"""What sampler and collector say of themselves, as data (images/go/workload/internal/wire)."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from edge_lab.core.errors import LabError


class _Model(BaseModel):
    # A newer workload may say more.
    model_config = ConfigDict(frozen=True, extra="ignore")


class SampleCounts(_Model):
    """How far one device's samples are on one node."""

    sampled: int
    """The highest number given out; numbers begin with 1 and leave none out."""
    acknowledged: int
    """The highest number that the collector has confirmed."""
    waiting: int
    """Samples on the node's disk that are not confirmed."""
    sent: int
    """Samples handed to the network, repeats too, since the sampler's process began."""
    last_seq: int
    """The device's number of the last step that was sampled."""
    read_errors: int
    """Since the sampler's process began."""
    connected: bool
    last_error: str


class ShownIdentity(_Model):
    """The certificate that a sampler shows to the collector (its SVID)."""

    id: str
    serial: str
    not_before: int
    """Bounds of its validity, ns since 1970."""
    not_after: int


class SamplerStatus(_Model):
    """One node's sampler."""

    node: str
    time: int
    """When this was true, ns since 1970, the node's clock."""
    started: int
    """When the process began, likewise."""
    devices: dict[str, SampleCounts]
    send_errors: int
    last_error: str
    handed: int = 0
    """When the collector last took samples, likewise; 0 if never."""
    identity: ShownIdentity | None = None
    """None for a sampler that has none."""


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
    """What the collector has of one device on one node."""

    node: str
    device: str
    arrived: int
    first: int
    last: int
    repeated: int
    """Samples that came once more, and were not stored again."""
    conflicts: int
    """Those of them that came with other content."""


def parse_status(text: str | bytes) -> SamplerStatus:
    """A sampler's status; LabError if it is none."""
    try:
        return SamplerStatus.model_validate_json(text)
    except ValidationError as trouble:
        raise LabError(f"invalid sampler status: {trouble.errors()[0]['msg']}") from trouble


def parse_collected(text: str) -> tuple[CollectedSample, ...]:
    """JSON lines as the collector writes them; LabError if a line is none."""
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
    """The collector's counts; LabError if they are none."""
    try:
        return TypeAdapter(tuple[ArrivedCounts, ...]).validate_json(text)
    except ValidationError as trouble:
        raise LabError(f"invalid collector counts: {trouble.errors()[0]['msg']}") from trouble
