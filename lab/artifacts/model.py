"""Components, requests for them, and the results."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from edge_lab.core.errors import LabError
from edge_lab.topology import Arch

_NO_DIGESTS: Mapping[Arch, str] = MappingProxyType({})


@dataclass(frozen=True)
class GoSource:
    """How a component is built from Go modules."""

    module: str
    """Folder below the sources of its owner (images/go) that holds go.mod and go.sum."""
    package: str
    """Import path of the main package."""
    upstream: str = ""
    """Module whose required version must be the component's; empty for local sources."""
    ldflags: tuple[str, ...] = ()
    """Linker flags in addition to -s -w; mostly the version that `--version` prints."""
    tags: tuple[str, ...] = ()
    """Build tags."""
    cgo: bool = False
    """Whether it has parts in C, which need a C compiler for its architecture. It must be linked
    statically: guests have another C library than the host."""

    @property
    def binary(self) -> str:
        """The file name that `go build` gives it."""
        return self.package.rpartition("/")[2]

    @property
    def local(self) -> bool:
        """Whether the source itself lies in the module's folder."""
        return not self.upstream


@dataclass(frozen=True)
class GoFiles:
    """Files of a Go module, concatenated; nothing is compiled, and no dependency is resolved."""

    module: str
    """Folder below the sources of its owner (images/go) that holds go.mod and go.sum."""
    upstream: str
    """The module. Its required version must be the component's."""
    patterns: tuple[str, ...]
    """Of paths inside the module (fnmatch), in the order in which the files are joined."""

    @property
    def local(self) -> bool:
        return False


@dataclass(frozen=True)
class ReleaseSource:
    """A file on a component's release page, under its publisher's own name.

    Texts are templates over {name}, {version} and {arch} (Go's word for it), `checksums`
    also over {file}. A file is verified by the digest that is pinned in `sha256`, or by the
    checksum file that its publisher provides; without either it is not used.
    """

    page: str
    """Address of the folder with the files, without a slash at its end."""
    files: Mapping[Arch, tuple[str, ...]]
    """File names for each published architecture. The first is requested from the release page;
    any of them may be in a mirror."""
    upstream: str = ""
    """Name of the publisher's folder in a mirror: the file is at <upstream>/<version>/<file>."""
    checksums: str = ""
    """Name of the checksum file beside it."""
    member: str = ""
    """Path of the component inside the file, if that is a tarball, below its top folder."""
    sha256: Mapping[Arch, str] = field(default_factory=lambda: _NO_DIGESTS)
    """Pinned hex digests of the component itself, not of a tarball that it comes in."""


@dataclass(frozen=True)
class DebianSource:
    """The upstream tarball of a Debian source package."""

    package: str
    suite: str
    tarball: str
    """File name of the upstream tarball."""
    sha256: str
    """Of the tarball."""


@dataclass(frozen=True)
class FirmwareSource:
    """How the firmware of a device is built, for a Cortex-M3 (`artifacts.firmware`).

    Three folders lie beside each other when it is compiled: `firmware` (ours), `crate`, `debian`.
    """

    folder: str
    """Folder below its owner's firmware (images/firmware); its Cargo.lock pins the crate."""
    crate: str
    debian: DebianSource
    sources: Mapping[str, tuple[str, ...]]
    """Patterns of the C files, by folder."""
    includes: tuple[str, ...]
    script: str
    """The linker script."""
    flags: tuple[str, ...] = ()
    """Flags of the compiler."""

    @property
    def parts(self) -> list[object]:
        """Everything besides the files that determines the result, for the key of a build."""
        debian = (self.debian.package, self.debian.tarball, self.debian.sha256)
        sources = sorted(self.sources.items())
        return [self.crate, debian, sources, self.includes, self.script, self.flags]


FLAT = "{name}-{version}-linux-{arch}"
"""The name of a component in a mirror, independent of its publisher."""


@dataclass(frozen=True)
class Component:
    """One program of the stack, at one version, and its sources."""

    name: str
    version: str
    go: GoSource | None = None
    files: GoFiles | None = None
    release: ReleaseSource | None = None
    firmware: FirmwareSource | None = None
    mirror: tuple[str, ...] = (FLAT,)
    """Possible paths below the mirror, in addition to those that follow from `release`;
    templates over {name}, {version} and {arch}."""
    sha256: Mapping[Arch, str] = field(default_factory=lambda: _NO_DIGESTS)
    """Pinned hex digests of it, from any source; for components that are not built from Go and
    have no published checksums."""
    image: bool = False
    """Whether it is a container image: an OCI image layout, in a tar or as a folder of a mirror.
    Its pins are digests of the image (of its index, or of a manifest), not of the tar."""

    @property
    def recipe(self) -> GoSource | GoFiles | None:
        """How it is obtained from Go modules, if at all."""
        return self.go or self.files

    @property
    def pins(self) -> Mapping[Arch, str]:
        """The digests that its owner requires; they are copied into the lock."""
        return {**(self.release.sha256 if self.release else {}), **self.sha256}

    def needs_pin(self, arch: Arch) -> bool:
        """Whether only the lock can provide its digest."""
        if self.image:
            return True
        if self.recipe is not None or self.firmware is not None:
            return False
        return self.release is None or bool(
            self.release.files.get(arch) and not self.release.checksums
        )

    def fill(self, template: str, arch: Arch, file: str = "") -> str:
        """`template` with {name}, {version}, {arch} and {file} filled in."""
        return template.format(name=self.name, version=self.version, arch=arch.go, file=file)


@dataclass(frozen=True, order=True)
class Want:
    """A component for an architecture. Its version is the catalogue's."""

    component: str
    arch: Arch

    def __str__(self) -> str:
        return f"{self.component} for {self.arch.value}"


@dataclass(frozen=True)
class Artifact:
    """A component as a local file in the cache."""

    component: str
    version: str
    arch: Arch
    path: Path
    sha256: str
    source: str
    """A description of its source."""


class Availability(StrEnum):
    CACHED = "cached"
    AVAILABLE = "available"
    """Not cached, but can probably be obtained."""
    MISSING = "missing"


@dataclass(frozen=True)
class ArtifactState:
    """One row of the table that `lab doctor` shows before anything is built."""

    component: str
    version: str
    arch: Arch
    state: Availability
    source: str
    """Where it came from, or would come from; empty if it is missing."""
    remedy: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why one source did not provide a component."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}"


class SourceFailed(Exception):
    """One source did not provide a file; `reason` describes why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CannotObtain(LabError):
    """No source provided a component; `failures` lists the sources tried and why they failed."""

    def __init__(self, failures: Mapping[Want, Sequence[Refusal]]) -> None:
        lines = []
        by_reasons: dict[tuple[Refusal, ...], list[Want]] = {}
        for want, refusals in failures.items():
            by_reasons.setdefault(tuple(refusals), []).append(want)
        for refusals, wants in by_reasons.items():
            lines.append(f"cannot obtain {', '.join(map(str, wants))}; tried in this order:")
            lines += [_indented(f"- {refusal}") for refusal in refusals]
        super().__init__(
            "\n".join(lines),
            remedy="`lab doctor` shows every component and its sources; docs/offline.md describes "
            "how to run without a network.",
        )
        self.failures = {want: tuple(refusals) for want, refusals in failures.items()}


class CannotBuild(CannotObtain):
    """A source was fit to provide a component, and its build failed."""


def _indented(text: str) -> str:
    first, *rest = text.splitlines()
    return "\n".join([f"    {first}", *(f"      {line}" for line in rest)])


def host_arch() -> Arch:
    """The architecture of this machine (for kubectl).

    Raises:
        LabError: edge-lab does not support the architecture.
    """
    machine = platform.machine()
    try:
        return Arch({"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine))
    except ValueError as trouble:
        raise LabError(
            f"this machine has the architecture {machine}; edge-lab runs on "
            f"{', '.join(arch.value for arch in Arch)}"
        ) from trouble
