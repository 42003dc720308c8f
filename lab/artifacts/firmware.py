"""Firmware of devices in C: third-party sources, fetched by their clients, compiled with ours.

Cargo fetches a crate with the sources of an operating system, verified by Cargo.lock; apt fetches
a Debian source package, whose upstream tarball is pinned in the catalogue.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lab.artifacts.cache import ArtifactCache, Origin
from edge_lab.artifacts.checksums import file_digest, folder_digest
from edge_lab.artifacts.debianmirror import debian_mirror
from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.artifacts.gomodules import BuildFailed
from edge_lab.artifacts.model import Artifact, Component, DebianSource, FirmwareSource, Refusal
from edge_lab.artifacts.orders import Order
from edge_lab.core.deadline import Deadline
from edge_lab.core.step import step

FIRMWARE = "firmware sources"
COMPILER = "arm-none-eabi-gcc"
COMPILER_PACKAGES = "gcc-arm-none-eabi picolibc-arm-none-eabi"
CARGO_MINIMUM = (1, 85)
"""The version of Cargo that the crate's manifest requires."""
_MIRROR = "http://deb.debian.org/debian"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SPECS = "picolibc.specs"
_TAIL_LINES = 20
_SIZE = 200 << 20
"""Bytes of disk space that a build needs temporarily."""


def firmware_problem(seconds: float = 15.0) -> str:
    """Why firmware cannot be built here, with a remedy; empty if it can."""
    compiler = shutil.which(COMPILER)
    found = _said([compiler, f"-print-file-name={_SPECS}"], seconds) if compiler else ""
    if compiler is None or found.strip() == _SPECS:
        lacking = f"no {COMPILER} in PATH" if compiler is None else "no picolibc for it"
        return f"there is {lacking}. As root: apt-get install {COMPILER_PACKAGES}"
    version = cargo_version(_said(["cargo", "--version"], seconds))
    if version < CARGO_MINIMUM:
        wanted = ".".join(map(str, CARGO_MINIMUM))
        there = "is older" if version else "is missing"
        return (
            f"Cargo {wanted} or newer, which fetches the sources of FreeRTOS, {there}. "
            "Debian 13: as root, apt-get install cargo; elsewhere https://rustup.rs. "
            "(Or point LAB_MIRROR at a folder with the file.)"
        )
    if shutil.which("apt-get") is None:
        return "there is no apt-get, which fetches the sources of lwIP"
    return ""


def cargo_version(said: str) -> tuple[int, ...]:
    """Major and minor version in the output of `cargo --version`; empty if there is none."""
    found = re.match(r"cargo (\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else ()


def _said(argv: Sequence[str], seconds: float) -> str:
    try:
        limit = Deadline.scaled(seconds).remaining
        done = subprocess.run(argv, capture_output=True, text=True, timeout=limit, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


class FirmwareBuilds:
    """Builds firmware into the cache; the logs of builds are in `home`."""

    def __init__(self, cache: ArtifactCache, home: Path) -> None:
        self._cache = cache
        self._logs = home / "logs"

    def refusal(self, order: Order) -> Refusal | None:
        """Why the order cannot be built here; builds nothing."""
        assert order.firmware is not None
        if not (order.firmware / "Cargo.lock").is_file():
            return Refusal(FIRMWARE, f"{order.firmware}/Cargo.lock is missing")
        problem = firmware_problem()
        return Refusal(FIRMWARE, problem) if problem else None

    def build(self, order: Order, deadline: Deadline) -> Artifact:
        """The firmware, in the cache.

        Raises:
            BuildFailed: a source could not be fetched or does not match its pin, or the
                compiler failed.
            DeadlineExceeded: there was no time left.
        """
        component, source = order.component, order.component.firmware
        assert source is not None
        assert order.firmware is not None
        log = self._logs / f"firmware-{component.name}.log"
        self._logs.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        with (
            step(f"build {component.name}") as this,
            disk_full_as_error(self._cache.root, _SIZE),
            self._cache.scratch() as folder,
        ):
            run = _Run(folder, log, deadline)
            shutil.copytree(order.firmware, folder / "firmware")
            digest = folder_digest(folder / "firmware")
            this.progress("fetching sources")
            _fetch_crate(run, source.crate)
            _fetch_debian(run, source.debian)
            this.progress("compiling", 0.5)
            file = _compile(run, component, source)
            version = _said([COMPILER, "-dumpfullversion"], 15.0).strip()
            origin = Origin(firmware_source(component), digest, f"{COMPILER} {version}")
            return self._cache.put(file, component, order.want.arch, order.key, origin)


def firmware_source(component: Component) -> str:
    """A description of the firmware's sources."""
    source = component.firmware
    assert source is not None
    debian = f"{source.debian.package} of Debian {source.debian.suite}"
    return f"{FIRMWARE}: images/firmware/{source.folder}, crate {source.crate}, {debian}"


def _fetch_crate(run: _Run, crate: str) -> None:
    """Fetches the crate to the folder `crate`. Cargo verifies it with the checksums of its lock."""
    home = {"CARGO_HOME": str(run.folder / "cargo")}
    if (config := Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))).is_dir():
        # Uses the user's registry settings (a mirror, a proxy), but not the user's downloads.
        for name in ("config", "config.toml"):
            if (config / name).is_file():
                (run.folder / "cargo").mkdir(exist_ok=True)
                shutil.copyfile(config / name, run.folder / "cargo" / name)
    run(["cargo", "vendor", "--locked", "--quiet", "../vendor"], "fetch", "firmware", home)
    (run.folder / "vendor" / crate).rename(run.folder / "crate")


def _fetch_debian(run: _Run, wanted: DebianSource) -> None:
    """The upstream tarball of a Debian source package, unpacked as folder `debian`."""
    apt = run.folder / "apt"
    for name in ("lists/partial", "cache/archives/partial", "etc"):
        (apt / name).mkdir(parents=True)
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.is_file() else ""
    line = f"deb-src {signed}{debian_mirror(_MIRROR)} {wanted.suite} main\n"
    (apt / "sources.list").write_text(line, encoding="utf-8")
    get = [
        "apt-get",
        "-qq",
        *("-o", f"Dir::Etc::SourceList={apt}/sources.list", "-o", "Dir::Etc::SourceParts=-"),
        *("-o", f"Dir::State::Lists={apt}/lists", "-o", f"Dir::Cache={apt}/cache"),
        *("-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=true"),
    ]
    run([*get, "update"], "read the index of sources", "apt")
    run([*get, "source", "--download-only", wanted.package], "fetch", "apt")
    tarball = apt / wanted.tarball
    if not tarball.is_file():
        raise BuildFailed(f"{wanted.package} of {wanted.suite} has no {wanted.tarball}")
    if (found := file_digest(tarball)) != wanted.sha256:
        raise BuildFailed(f"{wanted.tarball} does not match its pin: {found}, not {wanted.sha256}")
    try:
        with tarfile.open(tarball) as archive:
            archive.extractall(run.folder / "unpacked", filter="data")
    except (tarfile.TarError, OSError, EOFError) as trouble:
        raise BuildFailed(f"{wanted.tarball} cannot be unpacked: {trouble}") from trouble
    (top,) = (run.folder / "unpacked").iterdir()
    top.rename(run.folder / "debian")


def _compile(run: _Run, component: Component, source: FirmwareSource) -> Path:
    """The linked program. Paths are relative, so that it does not depend on the build folder."""
    machine = ["-mcpu=cortex-m3", "-mthumb", f"-specs={_SPECS}"]
    flags = [*machine, *source.flags, f'-DFIRMWARE_VERSION="{component.version}"']
    objects: list[str] = []
    for part, patterns in source.sources.items():
        files = [file for pattern in patterns for file in _matching(run.folder, part, pattern)]
        out = run.folder / "objects" / part
        out.mkdir(parents=True)
        up = "../../"  # since -c writes to the current folder
        warnings = ["-Wall", "-Wextra"] if part == "firmware" else ["-w"]
        includes = [f"-I{up}{folder}" for folder in source.includes]
        names = [up + file for file in files]
        command = [COMPILER, *flags, *warnings, *includes, "-c", *names]
        run(command, "compile", f"objects/{part}")
        objects += [f"objects/{part}/{Path(file).stem}.o" for file in files]
    program = f"{component.name}.elf"
    link = [*machine, "-nostartfiles", "-s", "-Wl,--gc-sections", "-T", source.script]
    run([COMPILER, *link, "-o", program, *objects], "link", ".")
    return run.folder / program


def _matching(folder: Path, part: str, pattern: str) -> list[str]:
    found = sorted(path.relative_to(folder).as_posix() for path in (folder / part).glob(pattern))
    if not found:
        raise BuildFailed(f"the sources have no {part}/{pattern}")
    return found


_NO_VARIABLES: Mapping[str, str] = {}


@dataclass(frozen=True)
class _Run:
    """Runs the commands of one build in `folder`, with their output in a log."""

    folder: Path
    log: Path
    deadline: Deadline

    def __call__(
        self,
        argv: Sequence[str],
        what: str,
        within: str,
        variables: Mapping[str, str] = _NO_VARIABLES,
    ) -> None:
        """Raises BuildFailed if the command fails, DeadlineExceeded if time is over."""
        self.deadline.check(f"{argv[0]}: {what}")
        with self.log.open("ab") as sink:
            start = sink.tell()
            try:
                done = subprocess.run(
                    list(argv),
                    cwd=self.folder / within,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=sink,
                    env={**os.environ, "LC_ALL": "C.UTF-8", **variables},
                    timeout=self.deadline.remaining,
                    check=False,
                )
            except FileNotFoundError as trouble:
                raise BuildFailed(f"{argv[0]} is not installed") from trouble
            except subprocess.TimeoutExpired:
                self.deadline.check(f"{argv[0]}: {what}")
                raise
        if done.returncode:
            said = self.log.read_bytes()[start:].decode(errors="replace").splitlines()
            tail = "\n".join(said[-_TAIL_LINES:])
            raise BuildFailed(f"{argv[0]} failed to {what}; all of it is in {self.log}\n{tail}")
