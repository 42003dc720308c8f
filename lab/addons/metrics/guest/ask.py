"""Prints what a view answers: ask.py FOLDER SECONDS URL, with the certificates in FOLDER.

What a view says of a mistake is in its answer, which is printed too. Exit status 1: there was no
answer.
"""

from __future__ import annotations

import ssl
import sys
import urllib.error
import urllib.request


def main(folder: str, seconds: str, url: str) -> int:
    context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
    context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
    try:
        request = urllib.request.urlopen(url, timeout=float(seconds), context=context)  # noqa: S310
        with request as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as mistake:
        print(mistake.read().decode())
    except OSError as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
