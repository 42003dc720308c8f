"""Root images: a Debian root disk, kernel and initial RAM disk per architecture."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.artifacts.debianmirror import apt_options, debian_mirror
from edge_lab.artifacts.diskspace import GIB, disk_full, disk_full_as_error
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home, mark_used
from edge_lab.core.step import Step, step
from edge_lab.images import assemble, recipe
from edge_lab.images.contained import check_namespaces, need_tools, run_contained
from edge_lab.images.scratch import building, discard, settle
from edge_lab.topology import Arch

KIND = "root-image"
RECORD = "image.json"
DISK, KERNEL, INITRD, BUSYBOX = "disk.raw", "kernel", "initrd", "busybox"
DIGITS = 16
"""Number of hex digits of the digest in a folder's name."""
DISK_FOR_A_BUILD = 2 * GIB
"""Bytes needed for packages, unpacked files, and the disk together."""

_VERSIONS = {
    "systemd": "systemd",
    "containerd": "containerd",
    "runc": "runc",
    "runsc": "runsc",
    "debian": "base-files",
}
_ATTEMPTS = 2
_RETRY_SECONDS = 5.0
_MIRROR_TROUBLE = re.compile(
    r"(Failed to fetch|Temporary failure|Could not (connect|resolve)|Connection (timed out|failed)"
    r"|Hash Sum mismatch|Mirror sync in progress|unexpected size|50[0-9] +[A-Z])"
)


@dataclass(frozen=True)
class RootImage:
    """A built image. Its files are never written to: machines use overlays over the disk."""

    arch: Arch
    disk: Path
    """Raw ext4, sparse."""
    kernel: Path
    initrd: Path
    digest: str
    """Digest of the recipe: equal digests mean equal images, except for versions of packages."""
    versions: dict[str, str]
    """Versions of debian, kernel, systemd, containerd, runc and, if available, runsc."""
    busybox: Path
    """The static busybox of the architecture."""


class _Record(BaseModel):
    """The record beside the files of an image; written last."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: Arch
    digest: str
    versions: dict[str, str]
    sizes: dict[str, int]
    """Bytes of each file."""
    packages: tuple[str, ...]
    """name_version_architecture of every package."""
    mirror: str
    seconds: float
    """Duration of the build."""


def image_digest(arch: Arch, variant: str = "") -> str:
    """The digest that `arch`'s image has or would have; builds nothing. `variant` is one of the
    recipe; empty for the common image."""
    return recipe.recipe_digest(recipe.load_recipe().variant(variant), arch)


def cached_root_image(arch: Arch) -> RootImage | None:
    """The image if it is built and complete, otherwise None."""
    return _look(arch, image_digest(arch))


def load_root_image(arch: Arch, digest: str) -> RootImage:
    """The built image with that digest, independent of the current recipe.

    Raises:
        LabError: it is not in the cache.
    """
    found = _look(arch, digest)
    if found is None:
        raise LabError(
            f"the {arch.value} root image {digest[:DIGITS]} is no longer in the cache",
            remedy="Run `lab down`, then `lab up`.",
        )
    return found


def build_root_image(arch: Arch, deadline: Deadline, variant: str = "") -> RootImage:
    """The image of `arch`: from the cache, or built, which takes a minute or so.

    Raises:
        LabError: a tool, a permission, the mirror or disk space is missing.
        InputError: the recipe is invalid.
    """
    digest = image_digest(arch, variant)
    if found := _look(arch, digest):
        return found
    named = f"{arch.value} root image{f' ({variant})' if variant else ''}"
    with step(f"build the {named}") as this:
        need_tools(["setpriv", "unshare", "mmdebstrap", "depmod", "modprobe", "mke2fs"])
        check_namespaces()
        with building(KIND, deadline, this) as scratch:
            if found := _look(arch, digest):  # another process has built it meanwhile
                return found
            _build(arch, variant, digest, scratch, deadline, this)
    built = _look(arch, digest)
    if built is None:
        raise LabError(f"the {arch.value} root image was removed immediately after it was built")
    return built


def root_image_folder(arch: Arch, digest: str) -> Path:
    """The folder in the cache for the image with that digest."""
    return cache_home() / "images" / f"{arch.value}-{digest[:DIGITS]}"


def _look(arch: Arch, digest: str) -> RootImage | None:
    folder = root_image_folder(arch, digest)
    record = _whole(folder)
    if record is None or record.digest != digest:
        return None
    mark_used(folder)
    return RootImage(
        arch=arch,
        disk=folder / DISK,
        kernel=folder / KERNEL,
        initrd=folder / INITRD,
        digest=digest,
        versions=record.versions,
        busybox=folder / BUSYBOX,
    )


def _whole(folder: Path) -> _Record | None:
    """The record of the image in `folder`; None if a file is missing."""
    try:
        record = _Record.model_validate_json((folder / RECORD).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in record.sizes.items())
    except (OSError, ValidationError):
        return None
    return record if whole else None


def is_root_image(folder: Path, name: str) -> bool:
    """Whether `folder` has a complete image whose name in a cache is `name`."""
    record = _whole(folder)
    if record is None or name != f"{record.arch.value}-{record.digest[:DIGITS]}":
        return False
    return {DISK, KERNEL, INITRD, BUSYBOX} <= set(record.sizes)


def _build(
    arch: Arch, variant: str, digest: str, scratch: Path, deadline: Deadline, this: Step
) -> None:
    began = time.monotonic()
    result = scratch / "result"
    what = recipe.load_recipe().variant(variant)
    log = cache_home() / "logs" / f"root-image-{arch.value}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    free = shutil.disk_usage(scratch).free
    if free < DISK_FOR_A_BUILD:
        raise disk_full(cache_home(), DISK_FOR_A_BUILD)
    mirror = debian_mirror(what.mirror)
    plan = assemble.Plan(
        arch=arch,
        folder=recipe.ROOT,
        scratch=scratch,
        result=result,
        mirror=mirror,
        apt_options=apt_options(),
        variant=variant,
    )
    note = scratch / "plan.json"
    note.touch(mode=0o600)  # a proxy's address may contain a password
    note.write_text(plan.model_dump_json(), encoding="utf-8")
    with disk_full_as_error(cache_home(), DISK_FOR_A_BUILD):
        for attempt in range(1, _ATTEMPTS + 1):
            discard(scratch / "root")
            discard(result)
            result.mkdir()
            try:
                run_contained(
                    [sys.executable, "-m", "edge_lab.images.assemble", str(note)],
                    what=f"building the {arch.value} root image",
                    log=log,
                    deadline=deadline,
                    env={"PYTHONPATH": _python_path()},
                    watch=_teller(this, scratch / "root"),
                )
                break
            except LabError as trouble:
                text = log.read_text(encoding="utf-8", errors="replace")
                if "No space left on device" in text:
                    raise disk_full(cache_home(), DISK_FOR_A_BUILD) from trouble
                unreachable = _MIRROR_TROUBLE.search(text)
                if not unreachable:
                    raise
                if attempt == _ATTEMPTS or deadline.remaining < _RETRY_SECONDS:
                    raise LabError(
                        trouble.message,
                        remedy=f"Check that {_public(mirror)} is reachable and "
                        "provides this suite. Set LAB_DEBIAN_MIRROR for another mirror; "
                        "apt's proxy is used. "
                        f"See {log}.",
                    ) from trouble
                this.progress("the mirror failed; retrying")
                time.sleep(_RETRY_SECONDS)
                log.write_bytes(b"")
        packages = _packages(scratch / assemble.PACKAGES)
        names = (DISK, KERNEL, INITRD, BUSYBOX)
        record = _Record(
            arch=arch,
            digest=digest,
            versions=_versions(packages, what.architectures[arch].kernel),
            sizes={name: (result / name).stat().st_size for name in names},
            packages=packages,
            mirror=_public(mirror),
            seconds=round(time.monotonic() - began, 1),
        )
        (result / RECORD).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        for name in (*names, RECORD):
            (result / name).chmod(0o444)
            settle(result / name)
        target = root_image_folder(arch, digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():  # incomplete, otherwise it would have been found
            discard(target)
        result.rename(target)


def _python_path() -> str:
    """PYTHONPATH with which the helper finds the same modules as this process."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, sys.path)])


def _teller(this: Step, root: Path) -> Callable[[str], None]:
    """Converts the output of the build to progress of `this`."""
    phase = ""
    archives = root / "var/cache/apt/archives"

    def tell(text: str) -> None:
        nonlocal phase
        for line in text.splitlines():
            if line.startswith("== "):
                phase = line[3:]
            elif line.startswith("I: ") and line.endswith("..."):
                phase = line[3:-3]
            else:
                continue
            this.progress(phase)
        if phase.startswith("downloading"):
            size = 0
            with contextlib.suppress(OSError):
                size = sum(file.stat().st_size for file in archives.rglob("*.deb"))
            this.progress(f"{phase}: {size / 1e6:.0f} MB")

    return tell


def _packages(listing: Path) -> tuple[str, ...]:
    """name_version_architecture of each package, from the names of their files."""
    lines = listing.read_text(encoding="utf-8").split()
    return tuple(sorted(unquote(line[:-4]) for line in lines if line.endswith(".deb")))


def _versions(packages: tuple[str, ...], kernel: str) -> dict[str, str]:
    by_name = {name: version for name, version, _ in (package.split("_") for package in packages)}
    found = {"kernel": by_name.get(kernel, "")}
    found |= {key: by_name.get(name, "") for key, name in _VERSIONS.items()}
    return {key: version for key, version in sorted(found.items()) if version}


def _public(address: str) -> str:
    """An address without user name and password."""
    return re.sub(r"//[^@/]*@", "//", address)


__all__ = ["RootImage", "build_root_image", "cached_root_image", "image_digest"]
