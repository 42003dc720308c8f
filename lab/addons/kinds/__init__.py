"""A unit of the server that starts when the API server has the kinds that it needs."""

from __future__ import annotations

from collections.abc import Iterable

from edge_lab.addons.guestprogram import PYTHON, guest_program
from edge_lab.addons.tlsfiles import TlsFiles
from edge_lab.provisioning.provision import GuestFile


def kinds_file(folder: str) -> GuestFile:
    """The program of `wait_for_kinds`, in an add-on's folder on the node."""
    return GuestFile.text(_path(folder), guest_program(__name__, "program"))


def wait_for_kinds(folder: str, url: str, keys: TlsFiles, kinds: Iterable[str]) -> tuple[str, ...]:
    """A command that returns when the API server at `url` has the kinds, each as
    `group/version/resource`; for a unit's `before_start`."""
    return (*PYTHON, _path(folder), url, *keys.arguments, *kinds)


def _path(folder: str) -> str:
    return f"{folder}/kinds.py"
