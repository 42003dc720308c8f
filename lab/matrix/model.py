"""The model of a matrix file: what is to be run, and how a cluster or SSH hosts run it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from edge_lab.core.durations import Seconds, show_duration
from edge_lab.core.yamlmodel import Problem
from edge_lab.topology.model import Name

LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""A name of an object or namespace of Kubernetes."""
_RESOURCE = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_DISK = r"^[1-9][0-9]*(Mi|Gi|Ti)$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _relative(path: Path) -> Path:
    """A path that is the same here and in an image."""
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(
            f"{str(path)!r} must be relative, and below the folder in which the command runs"
        )
    return path


RelativePath = Annotated[Path, AfterValidator(_relative)]


class Suite(_Model):
    """Test files that stay whole."""

    path: RelativePath = Field(description="A file, or a folder with files test_*.py.")
    takes: Annotated[Seconds, Field(gt=0)] | None = Field(
        None, description="How long each file takes, until it has been measured."
    )


def _suite(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


SuiteEntry = Annotated[Suite, BeforeValidator(_suite, json_schema_input_type=str | Suite)]


class Without(_Model):
    """A combination that is left out; what it does not name is any."""

    stack: str | None = None
    topology: RelativePath | None = None
    suite: RelativePath | None = Field(None, description="A file, or a folder with all its files.")

    @model_validator(mode="after")
    def _names_something(self) -> Without:
        if self.stack is None and self.topology is None and self.suite is None:
            raise ValueError("name a stack, a topology or a suite; this leaves out everything")
        return self


class ShardLimits(_Model):
    """How the matrix is cut."""

    longest: Annotated[Seconds, Field(gt=0)] = Field(
        2700.0, description="How long a shard may take by its durations, with the lab's start."
    )
    start: Seconds = Field(300.0, description="How long the start of a lab takes.")
    unmeasured: Annotated[Seconds, Field(gt=0)] = Field(
        300.0, description="What is assumed for a file that has no duration."
    )
    limit: Annotated[Seconds, Field(gt=0)] = Field(
        10800.0, description="A shard is ended after this time; that counts as a broken lab."
    )

    @model_validator(mode="after")
    def _consistent(self) -> ShardLimits:
        if self.longest <= self.start:
            raise Problem(
                f"`longest` ({show_duration(self.longest)}) leaves no time after the lab's start "
                f"({show_duration(self.start)})",
                ("shard", "longest"),
                "Raise it above `start`.",
            )
        if self.limit < self.longest:
            raise Problem(
                f"`limit` ({show_duration(self.limit)}) is less than `longest` "
                f"({show_duration(self.longest)}): shards would be ended before they are done",
                ("shard", "limit") if "limit" in self.model_fields_set else ("shard", "longest"),
                "Raise `limit`; twice `longest` leaves room for a slow host.",
            )
        return self


class Volume(_Model):
    """Where pods find a folder: a claim, or a folder of their node."""

    claim: str | None = Field(None, pattern=LABEL, description="A PersistentVolumeClaim.")
    host_path: Path | None = Field(
        None, alias="host-path", description="A folder of the node, the same on each node."
    )

    @model_validator(mode="after")
    def _is_one(self) -> Volume:
        if (self.claim is None) == (self.host_path is None):
            raise ValueError("name either a claim or a host-path")
        if self.host_path is not None and not self.host_path.is_absolute():
            raise ValueError("host-path must be absolute")
        return self


class CacheArchive(Volume):
    """A tar of `lab cache export`, which each pod imports."""

    archive: RelativePath = Field(Path("cache.tar"), description="The tar in that folder.")


class Cluster(_Model):
    """How the shards run on Kubernetes."""

    image: str = Field(min_length=1, description="The image with edge-lab and the suites.")
    namespace: str = Field("default", pattern=LABEL, max_length=63)
    results: Volume = Field(description="Where pods write their results.")
    cache: CacheArchive | None = Field(None, description="What their caches begin with.")
    kvm: str | None = Field(
        None,
        pattern=_RESOURCE,
        description="The resource of a device plugin that gives /dev/kvm, such as "
        "devices.kubevirt.io/kvm.",
    )
    parallelism: int | None = Field(
        None, ge=1, le=1000, description="How many pods of a Job run at a time; default: all."
    )
    cpus: int | None = Field(
        None, ge=1, le=256, description="CPUs to request; default: those of the lab's guests."
    )
    disk: str = Field("25Gi", pattern=_DISK, description="Disk to request for a pod's cache.")
    node_selector: dict[str, str] = Field(
        default_factory=dict, alias="node-selector", description="Labels of the nodes to run on."
    )


class Host(_Model):
    """A machine that runs shards, reached by ssh(1)."""

    ssh: str = Field(
        pattern=r"^[^-\s]\S*$",
        description="The destination, as ssh takes it: user@host, or a Host of your ssh_config.",
    )
    folder: str = Field(
        "edge-lab",
        min_length=1,
        description="The checkout with the suites on the host, relative to the user's home.",
    )
    command: str = Field(
        ".venv/bin/lab",
        pattern=r"^[^\n]*\S[^\n]*$",
        description="How the host's shell calls edge-lab in this folder.",
    )
    parallel: int = Field(
        1,
        ge=1,
        le=64,
        description="How many labs run at a time; those of one topology never do.",
    )


def _host(value: Any) -> Any:
    return {"ssh": value} if isinstance(value, str) else value


HostEntry = Annotated[Host, BeforeValidator(_host, json_schema_input_type=str | Host)]


class Matrix(_Model):
    """Stacks x topologies x suites."""

    name: Name
    stacks: tuple[str, ...] = Field(min_length=1, description="As control plane+edge runtime.")
    topologies: tuple[RelativePath, ...] = Field(min_length=1, description="Topology files.")
    suites: tuple[SuiteEntry, ...] = Field(
        min_length=1, description="Test files, or folders of them, in the order to run them."
    )
    without: tuple[Without, ...] = Field((), description="Combinations that are left out.")
    durations: RelativePath | None = Field(
        None, description="Measured durations, which `lab matrix merge --durations` writes."
    )
    shard: ShardLimits = ShardLimits()
    cluster: Cluster | None = None
    hosts: tuple[HostEntry, ...] = Field(
        (), description="Machines for `lab matrix run --on hosts`."
    )
