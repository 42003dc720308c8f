"""Removes from a cache of nginx what is not whole, and what is not what its digest says.

    python3 soundness.py FOLDER

Runs on a node before its cache starts, with nothing but Python's own library. nginx does not force
to the disk what it caches, and checks no length: a file that a power cut has left half written is
served as it is, and whoever asks for it waits for the rest. Format: ngx_http_file_cache_header_t of
nginx 1.9.13 to 1.30 (src/http/ngx_http_cache.h), version 5, on 64 bits, little endian.
"""

import hashlib
import re
import struct
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HEADER = struct.Struct("<6QI3H")
VERSION = 5
KEY = re.compile(rb"\nKEY: ([^\n]*)\n")
DIGEST = re.compile(rb"^(?:manifest)?sha256:([0-9a-f]{64})")
LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)\r\n", re.IGNORECASE)
RANGE = re.compile(rb"\r\nContent-Range: *bytes (\d+)-\d+/(\d+)\r\n", re.IGNORECASE)
HEAD_BYTES = 64 * 1024


class Entry(NamedTuple):
    """One file of the cache."""

    path: Path
    digest: str
    """Of the whole that it is a part of; empty if its key has none."""
    body: int
    """Offset of the content in the file."""
    start: int
    """Offset of the content in the whole."""
    length: int
    total: int
    """Bytes of the whole."""


def read_entry(path: Path) -> "Entry | None":
    """None if the file is not whole, or none of nginx's."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if len(head) < HEADER.size:
        return None
    version, *_, header_start, body = HEADER.unpack_from(head)
    key = KEY.search(head[:header_start])
    length = LENGTH.search(head[:body])
    if version != VERSION or key is None or length is None:
        return None
    count = int(length[1])
    if path.stat().st_size != body + count:
        return None
    part, digest = RANGE.search(head[:body]), DIGEST.match(key[1])
    start, total = (int(part[1]), int(part[2])) if part else (0, count)
    return Entry(path, digest[1].decode() if digest else "", body, start, count, total)


def unsound(folder: Path) -> "list[Path]":
    """The files that must go."""
    wrong = []
    wholes = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        entry = read_entry(path)
        if entry is None:
            wrong.append(path)
        elif entry.digest:
            wholes[entry.digest].append(entry)
    for digest, entries in wholes.items():
        if sum(entry.length for entry in entries) != entries[0].total:
            continue  # the rest is not there yet
        content = hashlib.sha256()
        for entry in sorted(entries, key=lambda entry: entry.start):
            content.update(entry.path.read_bytes()[entry.body :])
        if content.hexdigest() != digest:
            wrong += [entry.path for entry in entries]
    return wrong


def main(folders: "list[str]") -> None:
    for folder in map(Path, folders):
        for path in unsound(folder):
            print(f"not sound, removed: {path}", flush=True)
            path.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
