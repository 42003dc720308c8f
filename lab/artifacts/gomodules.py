"""The Go modules that components are built from: their digests, and their builds.

The toolchain is the one on PATH (GOTOOLCHAIN=local: none is downloaded implicitly), its caches
are in the lab's cache, and go.sum pins the content of every module.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from edge_lab.artifacts import processguard
from edge_lab.artifacts.ccompiler import cgo_environment
from edge_lab.artifacts.diskspace import GIB, disk_full, disk_full_as_error
from edge_lab.artifacts.goversions import GO_MINIMUM, go_version, version_text
from edge_lab.artifacts.model import Component, GoFiles, GoSource
from edge_lab.core.deadline import Deadline
from edge_lab.core.step import Step
from edge_lab.topology import Arch

FLAGS = ("-trimpath", "-buildvcs=false")
STRIP = "-s -w"
GOFLAGS = "-mod=readonly -modcacherw"

ADDRESS_SPACE = 12_000_000 * 1024
"""RLIMIT_AS of each compiler and linker, bytes: a kube-apiserver links within it."""
HEAP_LIMIT = 3 * GIB
"""GOMEMLIMIT, bytes, on a machine with enough memory."""
MEMORY_PER_JOB = 2 * GIB
"""Of available memory, for each compiler or linker that runs at a time, bytes."""
DISK_FOR_A_MODULE = 5 * GIB
"""A cold build for one architecture writes up to this much into Go's caches, bytes."""
LINKING = 0.9
"""Fraction of a cold build's time after which all packages are compiled."""

_PACKAGE_LINE = re.compile(r"[\w.~/@!+-]+")
_DISK_FULL = "no space left on device"
_TAIL_LINES = 20
_UNWANTED = ("GOROOT", "GOBIN", "GOEXPERIMENT", "GOAMD64", "GOARM64", "GORISCV64", "GOWORK")
"""Variables of the user's environment that would change the build or its cache keys."""


class BuildFailed(Exception):
    """`go` failed. `reason` has the end of its output, and the path of the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Toolchain:
    """The Go on PATH."""

    path: str
    version: str
    """As printed by `go env GOVERSION`: go1.26.1."""


def find_toolchain() -> Toolchain | str:
    """The usable Go on PATH, or the reason why there is none."""
    path = shutil.which("go")
    if path is None:
        return "Go is not installed (no `go` in PATH)"
    try:
        asked = subprocess.run(
            [path, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=Deadline.scaled(30).remaining,
            cwd="/",
            env={**os.environ, "GOTOOLCHAIN": "local"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as trouble:
        return f"{path} does not run: {trouble}"
    version = asked.stdout.strip()
    numbers = go_version(version)
    if asked.returncode or numbers is None:
        return (
            f"`{path} env GOVERSION` printed no version: {(version or asked.stderr.strip())[:200]}"
        )
    if numbers < GO_MINIMUM:
        return f"{path} is {version}, older than {version_text(GO_MINIMUM)}"
    return Toolchain(path, version)


@dataclass(frozen=True)
class GoModule:
    """A folder with the sources of components: below images/go for edge-lab's own."""

    name: str
    folder: Path
    within: str = "images/go"
    """The name of the folder of all modules in messages and records."""

    @property
    def shown(self) -> str:
        """The name of the folder in messages and records."""
        return f"{self.within}/{self.name}"

    def problem(self) -> str:
        """Why it is not a module; empty if it is one."""
        if not (self.folder / "go.mod").is_file():
            return f"{self.shown}/go.mod is missing"
        return ""

    def digest(self) -> str:
        """Hex SHA-256 over go.mod and go.sum: it pins every line of all dependencies."""
        return _digest_of(self.folder, [Path("go.mod"), Path("go.sum")])

    def digest_with_sources(self) -> str:
        """Like `digest`, and over all other files that a build may read."""
        found = sorted(
            path.relative_to(self.folder)
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.endswith("_test.go")
        )
        return _digest_of(self.folder, [path for path in found if not _left_out(path)])

    def requires(self, module: str) -> str:
        """The version that go.mod requires (or replaces) of `module`; empty if none."""
        text = (self.folder / "go.mod").read_text(encoding="utf-8")
        name = re.escape(module)
        replaced = re.search(rf"^\s*(?:replace\s+)?{name}\s+=>\s+{name}\s+(\S+)", text, re.M)
        required = re.search(rf"^\s*(?:require\s+)?{name}\s+(v\S+)", text, re.M)
        found = replaced or required
        return found[1] if found else ""


def _left_out(path: Path) -> bool:
    return any(part.startswith((".", "_")) or part == "testdata" for part in path.parts)


def _digest_of(folder: Path, files: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for file in files:
        with contextlib.suppress(FileNotFoundError):  # a module without dependencies: no go.sum
            content = hashlib.sha256((folder / file).read_bytes()).hexdigest()
            whole.update(f"{content}  {file.as_posix()}\n".encode())
    return whole.hexdigest()


def module_digest(module: GoModule, source: GoSource | GoFiles) -> str:
    """The part of the cache key of a component that depends on `module`."""
    return module.digest_with_sources() if source.local else module.digest()


def link_flags(source: GoSource) -> str:
    """The value of -ldflags."""
    return " ".join((STRIP, *source.ldflags))


def build_flags(source: GoSource) -> tuple[str, ...]:
    """All flags of `go build` that belong to the component. One build is for those alike."""
    return (*tag_flags(source), "-ldflags", link_flags(source))


def tag_flags(source: GoSource) -> tuple[str, ...]:
    """The flags by which packages are chosen, for `go list` too."""
    return (f"-tags={','.join(source.tags)}",) if source.tags else ()


def build_environment(caches: Path, arch: Arch, source: GoSource | None = None) -> dict[str, str]:
    """This process's environment (with the lab's marker, if any), with the settings of a build."""
    kept = {key: value for key, value in os.environ.items() if key not in _UNWANTED}
    memory = psutil.virtual_memory().total
    return {
        **kept,
        **(cgo_environment(source, arch) if source else {"CGO_ENABLED": "0"}),
        "GOOS": "linux",
        "GOARCH": arch.go,
        "GOCACHE": str(caches / "build"),
        "GOMODCACHE": str(caches / "mod"),
        "GOTMPDIR": str(caches / "tmp"),
        "GOFLAGS": GOFLAGS,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOMEMLIMIT": str(min(HEAP_LIMIT, memory // 2)),
    }


def jobs_at_a_time() -> int:
    """How many compilers may run at once without running out of memory."""
    cpus = len(os.sched_getaffinity(0))
    return max(1, min(cpus, psutil.virtual_memory().available // MEMORY_PER_JOB))


class GoBuilder:
    """Builds main packages of one module for one architecture with one `go build`."""

    def __init__(self, toolchain: Toolchain, caches: Path, logs: Path) -> None:
        """`caches` holds Go's build and module caches, `logs` the output of each build."""
        self.toolchain = toolchain
        self._caches = caches
        self._logs = logs

    def build(
        self,
        module: GoModule,
        components: Sequence[Component],
        arch: Arch,
        into: Path,
        this: Step,
        deadline: Deadline,
    ) -> Mapping[str, Path]:
        """The program of each component, in `into`.

        All components must be of `module` and have the same flags: the packages
        that they share are then compiled once, and the work is spread over all CPUs.

        Raises:
            BuildFailed: `go` ended with an error.
            LabError: the disk is full.
            DeadlineExceeded: there was no time left; no process of the build survives.
        """
        sources = [component.go for component in components if component.go]
        packages = [source.package for source in sources]
        log = self._logs / f"go-{module.name}-{arch.value}.log"
        with disk_full_as_error(self._caches, DISK_FOR_A_MODULE):
            self._logs.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._caches / "tmp", ignore_errors=True)
            (self._caches / "tmp").mkdir(parents=True)
            log.write_bytes(b"")
        environment = build_environment(self._caches, arch, sources[0])
        run = _Run(module.folder, environment, log, deadline)
        total = self._count(run, [*tag_flags(sources[0]), *packages], this)
        arguments = ["build", *FLAGS, "-v", f"-p={jobs_at_a_time()}", *build_flags(sources[0])]
        arguments += ["-o", f"{into}/", *packages]
        compiled = 0
        told = (-1, -1)
        for line in run.lines([self.toolchain.path, *arguments], "compile the packages"):
            compiled += bool(_PACKAGE_LINE.fullmatch(line))
            linked = sum(1 for _ in into.iterdir())
            if (compiled, linked) != told:
                told = (compiled, linked)
                _tell(this, compiled, total, linked, len(packages))
        return {
            component.name: into / source.binary
            for component, source in zip(components, sources, strict=True)
        }

    def fetch(
        self, module: GoModule, upstream: str, version: str, this: Step, deadline: Deadline
    ) -> Path:
        """The archive (zip) of upstream@version in the module cache. No other module is resolved.

        What it holds has to be checked against go.sum by whoever reads it.

        Raises:
            BuildFailed, LabError, DeadlineExceeded: as `build`.
        """
        log = self._logs / f"go-{module.name}.log"
        with disk_full_as_error(self._caches, DISK_FOR_A_MODULE):
            self._logs.mkdir(parents=True, exist_ok=True)
            (self._caches / "tmp").mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"")
        # The architecture is irrelevant for a download.
        run = _Run(module.folder, build_environment(self._caches, Arch.X86_64), log, deadline)
        this.progress(f"getting {upstream}@{version}")
        command = [self.toolchain.path, "mod", "download", "-json", f"{upstream}@{version}"]
        said = "\n".join(run.lines(command, "get the module"))
        try:
            answer, _ = json.JSONDecoder().raw_decode(said, said.index("{"))
            return Path(answer["Zip"])
        except (ValueError, KeyError, TypeError) as trouble:
            raise BuildFailed(f"`go mod download` names no archive; see {log}") from trouble

    def _count(self, run: _Run, packages: Sequence[str], this: Step) -> int:
        """The number of packages to compile when nothing is cached; `packages` with their tags.

        As a side effect all modules that are needed, and no others, are downloaded.
        """
        this.progress("reading the modules")
        count = downloaded = 0
        for line in run.lines([self.toolchain.path, "list", "-deps", *packages], "get modules"):
            if line.startswith("go: downloading "):
                downloaded += 1
                this.progress(f"downloaded {downloaded} modules: {line.split()[2]}")
            elif _PACKAGE_LINE.fullmatch(line):
                count += 1
        return count


def _tell(this: Step, compiled: int, packages: int, linked: int, programs: int) -> None:
    """Reports progress: `packages` includes those in Go's cache, so it is a lower bound."""
    parts = [f"compiled {compiled} packages of at most {packages}"] if compiled else []
    parts.append(f"linked {linked} of {programs}")
    compiling = LINKING * min(1.0, compiled / packages) if packages else 0.0
    this.progress(", ".join(parts), max(compiling, linked / programs))


@dataclass(frozen=True)
class _Run:
    """Runs `go` under the process guard, with its output in a log that is read as it grows."""

    folder: Path
    environment: Mapping[str, str]
    log: Path
    deadline: Deadline

    def lines(self, argv: Sequence[str], what: str) -> Iterator[str]:
        """Yields each line that the command prints, and regularly an empty one.

        Raises BuildFailed if the command fails.
        """
        ours, theirs = os.pipe()
        with self.log.open("ab") as sink, self.log.open("rb") as reader:
            start = reader.seek(0, os.SEEK_END)
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    processguard.__file__,
                    str(ours),
                    str(ADDRESS_SPACE),
                    *argv,
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=dict(self.environment),
                pass_fds=(ours,),
                process_group=0,
            )
            try:
                os.close(ours)
                rest = b""
                ended = False
                while not ended:
                    ended = self._wait_a_little(process)
                    *whole, rest = (rest + reader.read()).split(b"\n")
                    yield from (line.decode(errors="replace").strip() for line in whole if line)
                    if not ended:
                        yield ""
                        self.deadline.check(f"{what} of {self.folder.name}")
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                os.close(theirs)
        if process.returncode:
            self._fail(process.returncode, start)

    @staticmethod
    def _wait_a_little(process: subprocess.Popen[bytes]) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.25)
        return process.returncode is not None

    def _fail(self, status: int, start: int) -> None:
        said = self.log.read_bytes()[start:].decode(errors="replace").splitlines()
        telling = [
            line
            for line in said
            if not _PACKAGE_LINE.fullmatch(line) and not line.startswith("go: downloading ")
        ]
        if any(_DISK_FULL in line for line in telling):
            raise disk_full(Path(self.environment["GOCACHE"]).parent, DISK_FOR_A_MODULE)
        if not telling and status > 128:
            telling = [f"ended by signal {status - 128} (out of memory?)"]
        tail = "\n".join(telling[-_TAIL_LINES:])
        raise BuildFailed(f"the build failed; all of it is in {self.log}\n{tail}")
