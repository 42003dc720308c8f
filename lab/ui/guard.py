"""Access control of the page: only its own address and origin, and only with the token.

Pages of other sites in the same browser can also send requests to loopback, even by their own
domain name if it resolves there (DNS rebinding).  So the Host header must be the page's address,
an Origin or Sec-Fetch-Site must be the page's own, and all data and actions need the token in a
header.  There is no cookie: browsers would also send it with requests of other sites, and to every
other port of the same host.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

PROTECTED = "/api/"
"""Paths that need the token; all others are static files of edge-lab."""

LONGEST_BODY = 16 * 1024
"""Maximum bytes of a request."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

Message = MutableMapping[str, Any]


def refusal(status: int, code: str, message: str, remedy: str = "") -> Response:
    """An error response."""
    return JSONResponse({"code": code, "message": message, "remedy": remedy}, status)


class Guard:
    """Refuses requests that are not from the page, before any other code handles them."""

    def __init__(self, app: ASGIApp, *, hosts: frozenset[str], token: str) -> None:
        """`hosts`: the page's addresses, with port, as a browser writes them."""
        self._app = app
        self._hosts = hosts
        self._origins = frozenset(f"http://{host}" for host in hosts)
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # lifespan; there are no web sockets
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answer: ASGIApp = self._refused(scope) or self._app
        await answer(scope, receive, _with_headers(send))

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if headers.getlist("host") != [headers.get("host", "")] or (
            headers["host"] not in self._hosts
        ):
            return refusal(421, "host", "this page is not served under that name")
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return refusal(403, "origin", "requests of other sites are refused")
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return refusal(403, "origin", "requests of other sites are refused")
        if not scope["path"].startswith(PROTECTED):
            return None
        if not self._knows_token(headers.get("authorization", "")):
            return refusal(
                401,
                "token",
                "the token is missing or wrong",
                "Use the address that `lab ui` prints.",
            )
        if scope["method"] == "POST":
            return _not_ours(headers)
        return None

    def _knows_token(self, said: str) -> bool:
        scheme, _, token = said.partition(" ")
        # In constant time: the duration must not reveal how much of it is right.
        right = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token)
        return right and scheme.lower() == "bearer"


def _not_ours(headers: Headers) -> Response | None:
    """A POST that the page would not make."""
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return refusal(415, "content-type", "a request is JSON")
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return refusal(411, "length", "a request must have a length")
    if int(length[:12]) > LONGEST_BODY:
        return refusal(413, "length", f"a request must have at most {LONGEST_BODY} bytes")
    return None


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = [(key.lower().encode(), value.encode()) for key, value in HEADERS.items()]
            own = {key for key, _ in extra}
            kept = [(key, value) for key, value in message["headers"] if key.lower() not in own]
            message = {**message, "headers": [*kept, *extra]}
        await send(message)

    return sending
