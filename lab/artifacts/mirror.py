"""A folder that the user filled with components, for a lab without a network."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.checksums import Digest, parse_checksums
from lab.artifacts.diskroom import room_on_disk
from lab.artifacts.model import Component, Refusal
from lab.topology import Arch

VARIABLE = "LAB_MIRROR"
_SUMS = ("SHA512SUMS", "SHA256SUMS")


@dataclass(frozen=True)
class MirrorFile:
    path: Path
    digest: Digest


def find_in_mirror(
    mirror: Path | None, component: Component, arch: Arch, pinned: Digest | None
) -> MirrorFile | Refusal:
    """The component's file in the mirror folder and the digest that it must have.

    The digest is the lock file's, or is published beside the file: `<file>.sha256`,
    `<file>.sha512`, or a SHA256SUMS or SHA512SUMS that names it.
    """
    if mirror is None:
        return Refusal("mirror", f"none is set ({VARIABLE}=<folder> names one)")
    source = f"mirror {mirror}"
    if not mirror.is_dir():
        return Refusal(source, f"there is no such folder (it is named by {VARIABLE})")
    candidates = [mirror / component.fill(each, arch) for each in component.mirror]
    file = next((each for each in candidates if each.is_file()), None)
    if file is None:
        names = " or ".join(str(each.relative_to(mirror)) for each in candidates)
        return Refusal(source, f"holds no {names}")
    digest = pinned or _published_digest(file)
    if digest is None:
        return Refusal(
            source,
            f"nothing says what {file.relative_to(mirror)} must be: put its publisher's checksum "
            f"beside it as {file.name}.sha256 (or .sha512). To vouch for the file yourself: "
            f"cd {file.parent} && sha256sum {file.name} > {file.name}.sha256",
        )
    return MirrorFile(file, digest)


def copy_from_mirror(found: MirrorFile, into: Path) -> Path | str:
    """A verified copy in the folder `into`, or in words what is wrong with the file."""
    target = into / found.path.name
    size = found.path.stat().st_size
    with room_on_disk(into, size):
        shutil.copyfile(found.path, target)
    if not found.digest.matches(target):
        target.unlink()
        return f"{found.path.name} is not what it should be: its digest is not {found.digest}"
    return target


def _published_digest(file: Path) -> Digest | None:
    for name in (f"{file.name}.sha512", f"{file.name}.sha256", *_SUMS):
        try:
            text = (file.parent / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if digest := parse_checksums(text, file.name):
            return digest
    return None
