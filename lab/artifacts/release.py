"""The release page of a component: its folder and file."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class ReleasePages:
    """The release pages of all components, or none of them."""

    asked: bool = True

    def find(self, component: Component, arch: Arch) -> Release | Refusal:
        """The file on the component's release page; without network access."""
        if not self.asked:
            return Refusal(RELEASE_PAGE, f"not asked, since {VARIABLE}=off")
        return find_release(component, arch)


def read_release_pages(text: str) -> ReleasePages:
    """What `text`, the value of LAB_RELEASES, says: `on` (or nothing) or `off`.

    Raises:
        InputError: it says something else.
    """
    if text not in ("", "on", "off"):
        raise InputError(
            f"{VARIABLE} is {text!r}",
            remedy=f"{VARIABLE}=off asks no release page; without it, or with on, they are asked.",
        )
    return ReleasePages(text != "off")


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
