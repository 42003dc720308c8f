"""The findings of `lab doctor`, as data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, computed_field

from edge_lab.artifacts import ArtifactState


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HostCheck(_Model):
    """One check and its result."""

    name: str
    ok: bool
    found: str
    """A description of the result."""
    needed_for: str
    remedy: str = ""
    """The remedy; empty if there is no problem."""
    required: bool = True
    """Whether a lab requires it; other checks only warn."""
    needs_root: bool = False
    """Whether the remedy requires root."""


class AcceleratorFinding(_Model):
    """How guests of the host's architecture run."""

    name: str
    reason: str


class StackFinding(_Model):
    """Whether a stack of the topology is available."""

    name: str
    ok: bool
    chosen: bool
    """The first available stack, which `lab up` uses."""
    missing: tuple[str, ...] = ()
    """Descriptions of what is missing."""


class DoctorReport(_Model):
    """All findings; `ok` is false if something required is missing."""

    topology: str
    addons: tuple[str, ...] = ()
    """The add-ons of the topology; their components are among the artifacts."""
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
