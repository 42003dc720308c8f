"""Where a component may be found, which digest verifies it, and how it is obtained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from edge_lab.artifacts.checksums import Digest, parse_checksums
from edge_lab.artifacts.diskspace import disk_full_as_error
from edge_lab.artifacts.imagelayout import NoImage, extract_image
from edge_lab.artifacts.model import Component, ReleaseSource, SourceFailed
from edge_lab.artifacts.pin import Pin
from edge_lab.artifacts.places import Place
from edge_lab.artifacts.tarball import extract
from edge_lab.core.step import Step
from edge_lab.topology import Arch

_SUMS = ("SHA512SUMS", "SHA256SUMS")
_PIN_IT = ". Put the right file there, or pin this one (lab doctor --lock) if it is intended"


@dataclass(frozen=True)
class Offer:
    """A file that a place may have. Paths are relative to the place."""

    path: str
    checksums: tuple[str, ...]
    """Paths of the checksum files that may verify it, in order of preference."""
    member: str = ""
    """If it is a tarball: path of the component inside, below the top folder."""
    image: Arch | None = None
    """If it is a container image: the architecture to extract."""

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


@dataclass(frozen=True)
class Found:
    """An offer that exists at the place, and its expected digest."""

    offer: Offer
    digest: Digest
    vouched_by: str
    pinned: bool
    """Whether `digest` is the lock's: of the component, not of the tarball it comes in."""

    @property
    def vouched(self) -> str:
        """Its description in the record beside the artifact."""
        what = "" if self.pinned else f" for {self.offer.name}"
        return f"{self.digest}{what}, by {self.vouched_by}"


def mirror_offers(component: Component, arch: Arch) -> tuple[Offer, ...]:
    """All paths below a mirror where the component may be, in order of precedence.

    The lab's own names, then the publisher's: at <upstream>/<version>/<file>, and at the top
    of the mirror if the name contains the version. Others could be of any version.
    """
    own = [component.fill(template, arch) for template in component.mirror]
    image = arch if component.image else None
    found = [Offer(path, _common_sums(path), image=image) for path in own]
    release = component.release
    if release is not None:
        for file in release.files.get(arch, ()):
            offer = published(release, component, arch, file)
            found.append(_moved(offer, f"{release.upstream}/{component.version}/"))
            if "{version}" in file:
                found.append(_moved(offer, ""))
    by_path: dict[str, Offer] = {}
    for offer in found:  # the lab's names may equal a publisher's
        by_path.setdefault(offer.path, offer)
    return tuple(by_path.values())


def published(release: ReleaseSource, component: Component, arch: Arch, template: str) -> Offer:
    """The file of a release under its publisher's name, with its publisher's checksums."""
    file = component.fill(template, arch)
    sums = (component.fill(release.checksums, arch, file),) if release.checksums else ()
    return Offer(file, sums, release.member, arch if component.image else None)


def _moved(offer: Offer, folder: str) -> Offer:
    """The same file in a folder of a mirror, where other checksum files may vouch for it too."""
    path = folder + offer.path
    own = tuple(folder + name for name in offer.checksums)
    return replace(offer, path=path, checksums=(*own, *_common_sums(path)))


def _common_sums(path: str) -> tuple[str, ...]:
    folder = path.removesuffix(PurePosixPath(path).name)
    beside = (f"{path}.sha512", f"{path}.sha256")
    return (*beside, *(folder + name for name in _SUMS))


@dataclass(frozen=True)
class Missed:
    """Why a place provides none of the offers."""

    reason: str
    unvouched: tuple[Offer, ...] = ()
    """Files that exist there, but without a digest to verify them."""


def find(place: Place, offers: Sequence[Offer], pinned: Pin | None) -> Found | Missed:
    """The first of `offers` that exists at the place and can be verified."""
    unvouched: dict[Offer, str] = {}
    troubles: list[str] = []
    for offer in offers:
        try:
            if not place.has(offer.path):
                continue
        except SourceFailed as trouble:
            troubles.append(trouble.reason)
            continue
        found = vouch(place, offer, pinned)
        if isinstance(found, Found):
            return found
        unvouched[offer] = found
    if unvouched:
        return Missed("; ".join(unvouched.values()), tuple(unvouched))
    names = " or ".join(offer.path for offer in offers)
    if troubles:
        why = "; ".join(dict.fromkeys(troubles))
        return Missed(f"could not be checked for {names}: {why}")
    return Missed(f"has no {names}")


def vouch(place: Place, offer: Offer, pinned: Pin | None) -> Found | str:
    """The offer with its expected digest, or why that is unknown.

    The lock's digest takes precedence; then no checksum file is read.
    """
    if pinned is not None:
        return Found(offer, pinned.digest, pinned.by, pinned=True)
    silent: list[str] = []
    for path in offer.checksums:
        try:
            text = place.text(path)
        except SourceFailed as trouble:
            silent.append(trouble.reason)
            continue
        if text is None:
            continue
        if digest := parse_checksums(text, offer.name):
            return Found(offer, digest, place.where(path), pinned=False)
        silent.append(f"{PurePosixPath(path).name} has no unambiguous digest for {offer.name}")
    if not silent:
        names = [PurePosixPath(path).name for path in offer.checksums]
        silent.append(f"there is no {' or '.join(names)}" if names else "no digest is pinned")
    return f"the digest of {offer.path} is unknown: {'; '.join(silent)}"


def take(place: Place, found: Found, into: Path, this: Step) -> Path:
    """The component, verified, as a file in the folder `into`.

    Raises:
        SourceFailed: it cannot be obtained, or its digest is wrong.
    """
    offer = found.offer
    file = into / "file"
    place.copy(offer.path, file, this)
    if offer.image:
        return _image_in(file, found, place.where(offer.path), into / "image")
    if file.is_dir():
        raise SourceFailed(f"{place.where(offer.path)} is a folder")
    if not offer.member:
        return _checked(file, found, place.where(offer.path))
    if not found.pinned:
        _checked(file, found, place.where(offer.path))
    component = into / "member"
    try:
        extract(file, offer.member, component)
    except SourceFailed as trouble:
        raise SourceFailed(f"{place.where(offer.path)} {trouble.reason}") from trouble
    file.unlink()
    if found.pinned:
        _checked(component, found, f"{offer.member} of {place.where(offer.path)}")
    return component


def _image_in(file: Path, found: Found, name: str, target: Path) -> Path:
    """The image of that digest, and nothing else, as a file."""
    assert found.offer.image is not None
    try:
        with disk_full_as_error(target.parent, file.stat().st_size):
            extract_image(file, str(found.digest), found.offer.image, target)
    except NoImage as trouble:
        raise SourceFailed(
            f"{name} does not match its digest, {found.digest} by {found.vouched_by}: "
            f"{trouble.reason}{_PIN_IT}"
        ) from trouble
    return target


def _checked(file: Path, found: Found, name: str) -> Path:
    if not found.digest.matches(file):
        raise SourceFailed(
            f"{name} does not match its digest, {found.digest} by {found.vouched_by}"
            f"{_PIN_IT if found.pinned else ''}"
        )
    return file
