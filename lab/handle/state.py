"""The state file of a running lab, by which other processes attach to it."""

from __future__ import annotations

import os
import tempfile
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.names import is_name
from edge_lab.core.process import processes_of
from edge_lab.topology import Topology

FORMAT = 1
"""Increase it if older versions of edge-lab cannot read the file any more."""


class Condition(StrEnum):
    COMING_UP = "coming-up"
    UP = "up"
    IN_TRANSITION = "in-transition"
    """It is being saved or restored, or that has failed: its machines may be off."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WirePorts(_Model):
    """The two loopback UDP ports of one link."""

    fabric: int
    endpoint: int


class Ports(_Model):
    """All loopback ports of one lab."""

    api: int
    ssh: dict[str, int]
    """By node."""
    wires: dict[str, WirePorts]
    """By link."""

    def blank(self) -> Ports:
        """A copy with 0 for each port."""
        blank = WirePorts(fabric=0, endpoint=0)
        return Ports(api=0, ssh=dict.fromkeys(self.ssh, 0), wires=dict.fromkeys(self.wires, blank))

    def all(self) -> tuple[int, ...]:
        wires = [port for wire in self.wires.values() for port in (wire.fabric, wire.endpoint)]
        return (self.api, *self.ssh.values(), *wires)


class LabState(_Model):
    """The content of state.json in a run directory."""

    format: int = FORMAT
    lab: str
    topology: Topology
    """With the effective timing of its cluster."""
    pace: int = 1
    """The factor by which that timing was multiplied for a slow host."""
    stack: str
    condition: Condition
    ports: Ports
    accelerator: dict[str, str]
    """By node: kvm or tcg."""
    image_digests: dict[str, str]
    """By architecture."""
    payloads: dict[str, Path]
    """The read-only disk with the stack's binaries, by node."""
    kubectl: Path
    device_files: dict[str, Path] = Field(default_factory=dict)
    """Artifacts that devices need on the host, by component."""
    versions: dict[str, str]
    given: str = ""
    """Digest of all that its guests got (`bringup.given`)."""
    checkpoint: str
    """Key of the checkpoint for this lab."""
    restored: bool = False
    """Whether it was restored from that checkpoint instead of a cold start."""

    def write(self, run: RunDir) -> None:
        """Replaces the state file atomically."""
        descriptor, name = tempfile.mkstemp(dir=run.path, prefix=".state-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.model_dump_json(indent=2))
        Path(name).replace(run.state)


def read_state(run: RunDir) -> LabState | None:
    """The state of the lab in `run`; None if there is no such lab."""
    try:
        return load_state(run.state)
    except FileNotFoundError:
        return None
    except LabError as trouble:
        trouble.remedy += f" Run `lab down --lab {run.lab}` to remove it."
        raise


def state_if_up(run: RunDir) -> LabState | None:
    """The state of the lab in `run` if it is up; None if it does not exist or is not up.

    A lab is no longer up when all its processes are gone, for example after a reboot of the host.
    """
    state = read_state(run)
    if state is None or state.condition is not Condition.UP or not any(processes_of(run.path)):
        return None
    return state


def load_state(path: Path) -> LabState:
    """The state in the file at `path`; LabError if this version cannot read it."""
    try:
        return LabState.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as trouble:
        raise LabError(
            f"cannot read {path}: {trouble.errors()[0]['msg']}",
            remedy="The file is damaged or of another version of edge-lab.",
        ) from trouble


def known_labs() -> tuple[str, ...]:
    """The names of all labs that have a run directory, in any condition."""
    root = cache_home() / "labs"
    if not root.is_dir():
        return ()
    names = sorted(entry.name for entry in root.iterdir() if is_name(entry.name))
    return tuple(name for name in names if RunDir(name).is_ours)
