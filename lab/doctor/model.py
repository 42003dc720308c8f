"""What `lab doctor` has found, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, computed_field

from edge_lab.artifacts import ArtifactState


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HostCheck(_Model):
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    """What is there, in words."""
    needed_for: str
    remedy: str = ""
    """What to do about it; empty when all is well."""
    required: bool = True
    """Whether a lab cannot do without; a check that is not required only warns."""
    needs_root: bool = False
    """Whether the remedy takes root."""


class AcceleratorFinding(_Model):
    """How guests of the host's architecture run."""

    name: str
    reason: str


class StackFinding(_Model):
    """Whether one stack of the topology can be had."""

    name: str
    ok: bool
    chosen: bool
    """The first that can be had: `lab up` takes it."""
    missing: tuple[str, ...] = ()
    """What it lacks, in words."""


class DoctorReport(_Model):
    """All findings; `ok` is false if something is missing that a lab cannot do without."""

    topology: str
    addons: tuple[str, ...] = ()
    """Those of the topology; what they need is among the artifacts."""
    checks: tuple[HostCheck, ...]
    accelerator: AcceleratorFinding
    stacks: tuple[StackFinding, ...]
    artifacts: tuple[ArtifactState, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        return all(check.ok or not check.required for check in self.checks) and any(
            stack.ok for stack in self.stacks
        )
