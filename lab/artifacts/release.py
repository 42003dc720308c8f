"""The release page of a component: its folder and file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from edge_lab.artifacts.model import Component, Refusal
from edge_lab.artifacts.offers import Offer, published
from edge_lab.core.errors import InputError
from edge_lab.topology import Arch

RELEASE_PAGE = "release page"
VARIABLE = "LAB_RELEASES"


@dataclass(frozen=True)
class Release:
    """A file on a release page."""

    page: str
    """Address of its folder."""
    offer: Offer

    @property
    def url(self) -> str:
        return f"{self.page}/{quote(self.offer.path)}"


class Asked(StrEnum):
    """Which components' release pages are asked."""

    NEEDED = "needed"
    """Those of components that cannot be built from Go modules; the lock has their digests."""
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True)
class ReleasePages:
    """The release pages of those components whose page may be asked."""

    asked: Asked = Asked.NEEDED

    def find(self, component: Component, arch: Arch) -> Release | Refusal:
        """The file on the component's release page; without network access."""
        if self.asked is Asked.NONE:
            return Refusal(RELEASE_PAGE, f"not asked, since {VARIABLE}={Asked.NONE}")
        found = find_release(component, arch)
        if (
            self.asked is Asked.NEEDED
            and component.recipe is not None
            and isinstance(found, Release)
        ):
            return Refusal(RELEASE_PAGE, f"asked with {VARIABLE}={Asked.ALL} only")
        return found


def read_release_pages(text: str) -> ReleasePages:
    """Parses `text`, the value of LAB_RELEASES; `needed` if it is not set.

    Raises:
        InputError: it has another value.
    """
    try:
        return ReleasePages(Asked(text or Asked.NEEDED))
    except ValueError as trouble:
        raise InputError(
            f"{VARIABLE} is {text!r}",
            remedy=f"Set it to one of {', '.join(Asked)}, or unset it.",
        ) from trouble


def find_release(component: Component, arch: Arch) -> Release | Refusal:
    """The file on the component's release page; without network access."""
    release = component.release
    if release is None:
        return Refusal(RELEASE_PAGE, "the catalogue has none for it")
    files = release.files.get(arch)
    if not files:
        return Refusal(
            RELEASE_PAGE, f"{component.name} {component.version} is not published for {arch.go}"
        )
    page = release.page.format(
        name=component.name, version=quote(component.version, safe=""), arch=arch.go
    )
    return Release(page, published(release, component, arch, files[0]))
