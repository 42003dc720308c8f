"""A request of HTTP/1, as data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """What is asked of an endpoint that speaks HTTP/1."""

    path: str = "/"
    method: str = "GET"
    body: str = ""
    content_type: str = "application/json"
    confidential: bool = False
    """The answer's body holds what must not be kept: only its status is."""

    def bytes(self, host: str, agent: str, bearer: str = "") -> bytes:
        """On the wire. `Connection: close`, for else whoever reads would wait."""
        content = self.body.encode()
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", f"User-Agent: {agent}"]
        if bearer:
            lines.append(f"Authorization: Bearer {bearer}")
        if content:
            lines += [f"Content-Type: {self.content_type}", f"Content-Length: {len(content)}"]
        lines += ["Accept: application/json", "Connection: close", "", ""]
        return "\r\n".join(lines).encode() + content
