"""The release page of a component: its folder and file."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from edge_lab.artifacts.model import Component, Refusal
from edge_lab.artifacts.offers import Offer, published
from edge_lab.topology import Arch

RELEASE_PAGE = "release page"


@dataclass(frozen=True)
class Release:
    """A file on a release page."""

    page: str
    """Address of its folder."""
    offer: Offer

    @property
    def url(self) -> str:
        return f"{self.page}/{quote(self.offer.path)}"


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
