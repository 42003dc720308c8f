"""The mirror: a folder or a web address with components, provided by the user."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from edge_lab.artifacts.model import Component, Refusal
from edge_lab.artifacts.offers import Found, Missed, find, mirror_offers
from edge_lab.artifacts.pin import Pin
from edge_lab.artifacts.places import Folder, Place, WebFolder
from edge_lab.artifacts.web import Web
from edge_lab.core.errors import InputError
from edge_lab.topology import Arch

VARIABLE = "LAB_MIRROR"

Mirror = Path | str | None
"""A folder, an address without a slash at its end, or none."""


def read_mirror(text: str) -> Mirror:
    """The mirror that `text`, the value of LAB_MIRROR, names.

    Raises:
        InputError: an address that cannot be used, or the home of an unknown user.
    """
    if not text:
        return None
    if "://" not in text:
        try:
            return Path(text).expanduser().absolute()
        except RuntimeError as trouble:
            raise InputError(
                f"{VARIABLE}: {text!r} names the home of an unknown user",
                remedy="Use the absolute path of the folder.",
            ) from trouble
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        # The text is not repeated: it may contain a password.
        raise InputError(
            f"{VARIABLE} is not an http or https address",
            remedy=f"{VARIABLE} is a folder, or an address such as https://mirror.example.org/lab.",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise InputError(
            f"{VARIABLE}: an address with a user name, a query or a fragment cannot be used",
            remedy="Use the address of the folder alone; mirrors are accessed without a password.",
        )
    return text.rstrip("/")


def mirror_place(mirror: Mirror, web: Web) -> Place | Refusal:
    """Where the files of the mirror are read."""
    if mirror is None:
        return Refusal("mirror", f"none is set ({VARIABLE}=<folder or address> names one)")
    if isinstance(mirror, str):
        return WebFolder(mirror, web)
    if not mirror.is_dir():
        reason = f"there is no such folder (it is named by {VARIABLE})"
        return Refusal(f"mirror {mirror}", reason)
    return Folder(mirror)


def find_in_mirror(
    place: Place, component: Component, arch: Arch, pinned: Pin | None
) -> Found | Refusal:
    """The component's file in the mirror and the digest that it must have.

    The digest is the lock's, or is published beside the file: in the publisher's own checksum
    file, `<file>.sha256`, `<file>.sha512`, or a SHA256SUMS or SHA512SUMS that names it.
    """
    found = find(place, mirror_offers(component, arch), pinned)
    if isinstance(found, Found):
        return found
    return Refusal(f"mirror {place}", found.reason + _advice(place, found))


def _advice(place: Place, missed: Missed) -> str:
    """The remedy for a file without a digest to verify it."""
    if not missed.unvouched:
        return ""
    advice = ". Put its publisher's checksum beside it"
    if isinstance(place, Folder):
        file = place.root / missed.unvouched[0].path
        advice += (
            f". To confirm the file yourself: cd {file.parent} && "
            f"sha256sum {file.name} > {file.name}.sha256"
        )
    return advice
