"""Errors between the lab and an API server, by whether waiting helps.

A `KubectlError` may go away: an API server that is starting or busy refuses connections, does not
answer, answers with 429, 500, 503 or 504, forbids requests until its cache has the roles, or does
not serve a kind yet that was just defined. A `RequestRefused` is permanent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edge_lab.core.errors import DeadlineExceeded, LabError

UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
INVALID = 422
INTERNAL = 500

AT_ONCE_SECONDS = 0.1
"""Minimum pause before a retry, seconds."""


class KubectlError(LabError):
    """The API server or kubectl failed or did not answer; `stderr` is the output of kubectl."""

    def __init__(self, message: str, *, stderr: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.stderr = stderr

    @property
    def refused(self) -> bool:
        """The API server refused the client: unauthenticated or forbidden."""
        return "(Forbidden)" in self.stderr or "(Unauthorized)" in self.stderr


class StatusError(KubectlError):
    """The API server answered, with the HTTP status `code`."""

    def __init__(
        self,
        what: str,
        code: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        status = _status(body)
        said = str(status.get("message") or body[:200].decode(errors="replace").strip())
        super().__init__(f"{what}: {said or 'no explanation'} (HTTP {code})", stderr=said)
        self.code = code
        self.reason = str(status.get("reason", ""))
        self._details = status.get("details")
        self._after = (headers or {}).get("retry-after", "").strip()

    @property
    def refused(self) -> bool:
        return self.code in (UNAUTHORIZED, FORBIDDEN)

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the API server requests a retry; None without a request."""
        if not (self._after.isascii() and self._after.isdigit()):
            return None
        return max(float(self._after), AT_ONCE_SECONDS)

    @property
    def kind_missing(self) -> bool:
        """Nothing is served there; for a missing object the answer would contain its name."""
        named = isinstance(self._details, dict) and self._details.get("name")
        return self.code == NOT_FOUND and not named


class RequestRefused(LabError):
    """The API server refuses it permanently: 422, or lasting 401."""

    def __init__(self, trouble: StatusError) -> None:
        super().__init__(trouble.message)
        self.code = trouble.code
        self.reason = trouble.reason


NOT_YET = (KubectlError, DeadlineExceeded)
"""Errors that do not end a wait for the cluster, which has its own deadline."""


def _status(body: bytes) -> dict[str, Any]:
    """The v1 Status in an answer; empty if there is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and found.get("kind") == "Status" else {}
