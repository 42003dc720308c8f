"""An HTTP/1 response, as far as it was received."""

from __future__ import annotations

import http.client
import io
from typing import Any, cast

from edge_lab.probes.record import HEAD, HttpAnswer
from edge_lab.probes.secrets import scrubbed

MOST = 1 << 20
"""Maximum bytes of a response that are read."""


class _Source:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def parsed(data: bytes, method: str, *, confidential: bool = False) -> HttpAnswer | None:
    """The response at the beginning of `data`; None if it is not one, or its head is incomplete."""
    if b"\r\n\r\n" not in data and b"\n\n" not in data:
        return None
    response = http.client.HTTPResponse(cast(Any, _Source(data)), method=method)
    try:
        response.begin()
        try:
            body = response.read()
        except http.client.IncompleteRead as part:
            body = part.partial
    except (http.client.HTTPException, ValueError, OSError):
        return None
    text = "" if confidential else scrubbed(body.decode(errors="replace"))[:HEAD]
    return HttpAnswer(status=response.status, body=text)


def is_whole(data: bytes) -> bool:
    """Whether the response is complete by its Content-Length."""
    head, _, body = data.partition(b"\r\n\r\n")
    if len(data) >= MOST:
        return True
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return len(body) >= int(value)
    return False
