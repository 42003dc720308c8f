"""A request of HTTP/1, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """A request to an endpoint that speaks HTTP/1."""

    path: str = "/"
    method: str = "GET"
    body: str | bytes = ""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    """More headers, by name."""
    confidential: bool = False
    """The response body must not be recorded: only its status is."""

    def encoded(self, host: str, agent: str, bearer: str = "") -> bytes:
        """The request as bytes. `Connection: close`, since the reader would otherwise wait."""
        content = self.body.encode() if isinstance(self.body, str) else self.body
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", f"User-Agent: {agent}"]
        if bearer:
            lines.append(f"Authorization: Bearer {bearer}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if content:
            lines += [f"Content-Type: {self.content_type}", f"Content-Length: {len(content)}"]
        lines += ["Accept: application/json, */*", "Connection: close", "", ""]
        return "\r\n".join(lines).encode() + content
