"""Asks a cache as containerd does, in a process of its own; prints what came as JSON.

python asking.py URL LIMIT [HEADER: VALUE…] [--most BYTES]
"""

from __future__ import annotations

import hashlib
import http.client
import json
import sys
import time
import urllib.error
import urllib.request

PIECE = 64 * 1024
MANIFEST_TYPES = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "*/*",
    )
)


def ask(url: str, limit: float, headers: dict[str, str], most: int) -> dict[str, object]:
    began = time.monotonic()
    whole, count, status, cache, error = hashlib.sha256(), 0, 0, "", ""
    request = urllib.request.Request(url, headers={"Accept": MANIFEST_TYPES, **headers})
    try:
        with urllib.request.urlopen(request, timeout=limit) as answer:
            status, cache = answer.status, answer.headers.get("X-Cache", "")
            while (most < 0 or count < most) and (piece := answer.read(PIECE)):
                whole.update(piece)
                count += len(piece)
            if most < 0 and count < int(answer.headers.get("Content-Length", count)):
                error = "it ended early"
    except urllib.error.HTTPError as trouble:
        status = trouble.code
    except (OSError, http.client.HTTPException) as trouble:
        error = f"{type(trouble).__name__}: {trouble}"
    return {
        "status": status,
        "cache": cache,
        "bytes": count,
        "sha256": whole.hexdigest(),
        "seconds": time.monotonic() - began,
        "error": error,
    }


def main(words: list[str]) -> None:
    most = -1
    if "--most" in words:
        at = words.index("--most")
        most = int(words[at + 1])
        del words[at : at + 2]
    url, limit, *headers = words
    pairs = dict(header.split(": ", 1) for header in headers)
    print(json.dumps(ask(url, float(limit), pairs, most)))


if __name__ == "__main__":
    main(sys.argv[1:])
