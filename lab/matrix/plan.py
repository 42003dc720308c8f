"""A plan: the shards of a matrix, as a file that each pod reads.

Pods run the shards of the plan, and do not cut the matrix again: with other durations, another
version or another folder, a second cut could leave out files or run them twice.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_lab.core.errors import InputError
from edge_lab.matrix.durations import Source

FORMAT: Final = 1


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedFile(_Model):
    """A test file of a shard."""

    path: str
    seconds: float
    source: Source


class Shard(_Model):
    """One run of pytest in a lab of its own."""

    index: int
    lab: str
    """The name of the topology."""
    topology: str
    """Its file."""
    topology_digest: str
    """SHA-256 of that file."""
    stack: str
    files: tuple[PlannedFile, ...] = Field(min_length=1)
    """In the order in which they run."""
    start_s: float
    memory_mib: int
    """As in `edge_lab.bringup.admission.Demand`."""
    cpus: int

    @property
    def seconds(self) -> float:
        """How long it takes, with the start of its lab."""
        return self.start_s + sum(each.seconds for each in self.files)

    @property
    def title(self) -> str:
        return f"{self.lab}, {self.stack}"


class Plan(_Model):
    """All shards; those that need the same resources follow each other, the longest first."""

    format: Literal[1] = FORMAT
    name: str
    limit_s: float
    shards: tuple[Shard, ...] = Field(min_length=1)

    @property
    def digest(self) -> str:
        """Identifies the plan in the records of its shards."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def shard(self, index: int) -> Shard:
        """InputError if there is no such shard."""
        if not 0 <= index < len(self.shards):
            raise InputError(
                f"there is no shard {index}",
                remedy=f"The matrix {self.name!r} has the shards 0 to {len(self.shards) - 1}.",
            )
        return self.shards[index]


def read_plan(file: Path) -> Plan:
    """A plan in JSON.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    try:
        return Plan.model_validate_json(file.read_bytes())
    except OSError as trouble:
        raise InputError(f"cannot read the plan: {trouble.strerror}", file=file) from trouble
    except ValidationError as trouble:
        first = trouble.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"not a plan: {f'{where}: ' if where else ''}{first['msg']}",
            file=file,
            remedy="Write it with the same version of edge-lab: lab matrix plan FILE --json",
        ) from trouble


def digest_of(topology: Path) -> str:
    """Of a topology file; InputError if it cannot be read."""
    try:
        return hashlib.sha256(topology.read_bytes()).hexdigest()
    except OSError as trouble:
        raise InputError(
            f"cannot read the topology: {trouble.strerror}", file=topology
        ) from trouble
