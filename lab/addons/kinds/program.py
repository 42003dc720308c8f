"""Returns when the API server has these kinds, however long that takes.

kinds.py URL AUTHORITY CERTIFICATE KEY GROUP/VERSION/RESOURCE …
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
import urllib.request

LOOK_EVERY = 10.0
"""Seconds after which a look without an answer is over; then comes the next."""


def has(url: str, opener: urllib.request.OpenerDirector, kind: str) -> bool:
    version, _, resource = kind.rpartition("/")
    try:
        with opener.open(f"{url}/apis/{version}", timeout=LOOK_EVERY) as answer:
            found = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return any(kind["name"] == resource for kind in found.get("resources", ()))


def main() -> None:
    url, authority, certificate, key, *kinds = sys.argv[1:]
    context = ssl.create_default_context(cafile=authority)
    context.load_cert_chain(certificate, key)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
    pause = 1.0
    while not all(has(url, opener, kind) for kind in kinds):
        # A look takes a tenth of a second of an emulated CPU, which has a boot to do.
        time.sleep(pause)
        pause = min(pause * 1.3, 5.0)


if __name__ == "__main__":
    main()
