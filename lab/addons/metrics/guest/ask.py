"""Prints the response of a view: ask.py FOLDER SECONDS URL, with the certificates in FOLDER.

An error response is printed too: it says what is wrong with the query. Exit status 1: there was no
response.
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
        response = urllib.request.urlopen(url, timeout=float(seconds), context=context)  # noqa: S310
        with response:
            print(response.read().decode())
    except urllib.error.HTTPError as error:
        print(error.read().decode())
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
