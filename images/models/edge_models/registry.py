"""Fetches a version from a registry (OCI distribution-spec 1.1), by digest.

Nothing that a registry or a cache says is believed: all content is compared with its digest. Parts
of files are kept, and a fetch that was interrupted goes on where it ended.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from .store import Corrupt, Part, Store, digest_of, file_digest, needing_space, parts_of

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
SILENT_SECONDS = 10.0
"""A source that says nothing for this time is given up."""
T = TypeVar("T")

CHUNK = 16 * 1024
MOST_MANIFEST = 1024 * 1024


class Unreachable(Exception):
    """No source can be reached now; a later attempt may succeed."""


class NotFound(Exception):
    """The registry does not have it."""


@dataclass(frozen=True)
class Source:
    """A registry, or a cache of one."""

    url: str
    authority: str = ""
    """File with the certificate of its authority, for https."""

    def open(self, path: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        request = urllib.request.Request(f"{self.url}{path}", headers=dict(headers))  # noqa: S310
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self.authority:
            context = ssl.create_default_context(cafile=self.authority)
            handlers.append(urllib.request.HTTPSHandler(context=context))
        opener = urllib.request.build_opener(*handlers)
        answer: http.client.HTTPResponse = opener.open(request, timeout=SILENT_SECONDS)
        return answer


Progress = Callable[[str, int, int], None]
"""Called with the name of a file, and how many of its bytes are there, of how many."""


def fetch(
    store: Store,
    sources: Sequence[Source],
    repository: str,
    digest: str,
    progress: Progress = lambda name, done, size: None,
) -> None:
    """The version is complete in the store afterwards.

    Each source is asked in turn, and the next one if content is not what its digest says.

    Raises:
        Unreachable: no source has a good answer, and the last one cannot be reached.
        NotFound: the last one does not have it.
        Corrupt: what the last one has is not what its digest says.
        NoSpace: the disk is full.
    """
    if store.has(digest) and not store.damage(digest):
        return
    manifest = _first(sources, lambda source: _manifest(source, repository, digest))
    parts = parts_of(manifest)
    if missing := store.missing(parts):
        store.require_space(missing)
    for part in parts:
        path = store.part(part.digest)

        ask = partial(_blob, repository=repository, part=part, path=path, progress=progress)
        _first(sources, ask)
    store.add(digest, manifest)


def _first(sources: Sequence[Source], ask: Callable[[Source], T]) -> T:
    """The answer of the first source that has a good one; otherwise the error of the last, which is
    the registry itself."""
    trouble: Exception = Unreachable("there is no source")
    for source in sources:
        try:
            return ask(source)
        except (Corrupt, NotFound, Unreachable) as found:
            trouble = found
    raise trouble


def _manifest(source: Source, repository: str, digest: str) -> bytes:
    with _asked(source, f"/v2/{repository}/manifests/{digest}", {"Accept": MANIFEST_TYPE}) as got:
        try:
            content: bytes = got.read(MOST_MANIFEST)
        except (OSError, http.client.HTTPException) as trouble:
            raise Unreachable(f"{source.url}: {trouble!r}") from trouble
    if digest_of(content) != digest:
        raise Corrupt(f"the manifest has the digest {digest_of(content)}, not {digest}")
    return content


def _blob(source: Source, repository: str, part: Part, path: Path, progress: Progress) -> None:
    resumes = path.exists()
    _collect(source, repository, part, path, progress)
    if file_digest(path) == part.digest:
        return
    path.unlink()
    if not resumes:
        raise Corrupt(f"{part.name} from {source.url} is not what its digest {part.digest} says")
    # Perhaps it is not the source's fault, but what a loss of power has left of the file.
    _blob(source, repository, part, path, progress)


def _collect(source: Source, repository: str, part: Part, path: Path, progress: Progress) -> None:
    """The file has at least the size of the part afterwards."""
    done = path.stat().st_size if path.exists() else 0
    if done >= part.size:
        return
    wanted = {"Range": f"bytes={done}-"} if done else {}
    with _asked(source, f"/v2/{repository}/blobs/{part.digest}", wanted) as got:
        # Without a range, the answer is the whole.
        mode = "ab" if done and got.status == http.client.PARTIAL_CONTENT else "wb"
        # To close the file also writes.
        with needing_space(), path.open(mode) as sink:
            done = sink.tell()
            try:
                while done < part.size and (chunk := got.read1(CHUNK)):
                    with needing_space():
                        sink.write(chunk[: part.size - done])
                        sink.flush()
                    done = sink.tell()
                    progress(part.name, done, part.size)
            except (OSError, http.client.HTTPException) as trouble:
                raise Unreachable(f"{source.url}: {trouble!r}") from trouble
    if done < part.size:
        raise Unreachable(f"{source.url}: {part.name} ended after {done} of {part.size} bytes")


def _asked(source: Source, path: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    try:
        return source.open(path, headers)
    except urllib.error.HTTPError as trouble:
        with trouble:
            if trouble.code == http.client.NOT_FOUND:
                raise NotFound(f"{source.url}{path} does not exist") from trouble
            raise Unreachable(f"{source.url}{path}: {trouble.code}") from trouble
    except (OSError, http.client.HTTPException) as trouble:
        raise Unreachable(f"{source.url}: {trouble!r}") from trouble
