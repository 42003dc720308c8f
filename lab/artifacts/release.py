"""Files from release pages: pinned, resumed when the line breaks, and checked."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn

from lab.artifacts.checksums import Digest
from lab.artifacts.diskroom import room_on_disk
from lab.artifacts.model import Component, Refusal
from lab.deadline import Deadline
from lab.step import Step
from lab.topology import Arch

TRIES = 4
"""Connections for one file; each goes on where the one before broke off."""
STALL_SECONDS = 30.0
"""A connection on which nothing arrives for so long counts as broken."""
_CHUNK = 1 << 20
_MIB = 1024**2


class DownloadFailed(Exception):
    """The file could not be had; `reason` says why in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def release_file(component: Component, arch: Arch) -> tuple[str, Digest] | Refusal:
    """URL and pinned digest of the component's release file."""
    release = component.release
    if release is None:
        return Refusal("release page", "the catalogue pins none")
    pinned = release.sha256.get(arch)
    if pinned is None:
        return Refusal(
            "release page", f"{component.name} {component.version} is not published for {arch.go}"
        )
    digest = Digest.of(pinned)
    if digest is None:
        return Refusal("release page", f"the pinned digest {pinned!r} is no SHA-256")
    return component.fill(release.url, arch), digest


def download(url: str, digest: Digest, into: Path, this: Step, deadline: Deadline) -> Path:
    """The file at `url`, verified, in the folder `into`.

    Raises:
        DownloadFailed: it cannot be had, or is not what was pinned; nothing is left over.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadFailed(f"{url} is no web address")
    target = into / "download"
    try:
        _fetch_all(url, target, this, deadline)
        if not digest.matches(target):
            _refuse(f"{url} is not the pinned file: its digest is not {digest}")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def _refuse(reason: str) -> NoReturn:
    raise DownloadFailed(reason)


class _BrokeOff(Exception):
    """The connection ended before the file did."""


def _fetch_all(url: str, target: Path, this: Step, deadline: Deadline) -> None:
    last = ""
    for _ in range(TRIES):
        deadline.check(f"download {url}")
        try:
            return _fetch(url, target, this, deadline)
        except urllib.error.HTTPError as trouble:
            raise DownloadFailed(f"{url}: {trouble.code} {trouble.reason}") from trouble
        except (_BrokeOff, http.client.HTTPException, OSError) as trouble:
            last = str(getattr(trouble, "reason", "") or trouble) or type(trouble).__name__
    raise DownloadFailed(f"{url}: broke off {TRIES} times (last: {last})")


def _fetch(url: str, target: Path, this: Step, deadline: Deadline) -> None:
    have = target.stat().st_size if target.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "edge-lab"})  # noqa: S310
    if have:
        request.add_header("Range", f"bytes={have}-")
    patience = max(0.1, min(STALL_SECONDS, deadline.remaining))
    with urllib.request.urlopen(request, timeout=patience) as answer:  # noqa: S310
        if have and answer.status != HTTPStatus.PARTIAL_CONTENT:
            have = 0  # this server does not resume: from the start again
        length = int(answer.headers.get("Content-Length") or 0)
        total = have + length if length else 0
        with room_on_disk(target.parent, length), target.open("ab" if have else "wb") as sink:
            while chunk := answer.read(_CHUNK):
                deadline.check(f"download {url}")
                sink.write(chunk)
                have += len(chunk)
                of_total = f" of {total // _MIB}" if total else ""
                this.progress(f"{have // _MIB}{of_total} MiB", have / total if total else None)
    if total and have < total:
        raise _BrokeOff(f"{have} of {total} bytes came")
