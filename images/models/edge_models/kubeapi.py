"""A small client of the API server: JSON over one persistent connection."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

GROUP = "models.edge-lab.local"
VERSION = "v1alpha1"
MERGE = "application/merge-patch+json"
ANSWER_SECONDS = 10.0


class ApiTrouble(Exception):
    """The API server gave no answer, or refused."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP; 0 without an answer."""


class Api:
    def __init__(self, url: str, *, authority: str, certificate: str, key: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._files = authority, certificate, key
        self._connection: http.client.HTTPSConnection | None = None

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Raises ApiTrouble. The connection is closed after any trouble, and opened by the next
        call, with the certificate that the files have then."""
        try:
            connection = self._connection or self._connect()
            self._connection = connection
            headers = {"Accept": "application/json"}
            text = None
            if body is not None:
                text = json.dumps(body)
                headers["Content-Type"] = MERGE if method == "PATCH" else "application/json"
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as trouble:
            self.close()
            raise ApiTrouble(f"{method} {path}: {trouble!r}") from trouble
        if answer.status >= 300:
            self.close()
            said = content[:300].decode(errors="replace")
            raise ApiTrouble(f"{method} {path}: {answer.status} {said}", answer.status)
        try:
            found: dict[str, Any] = json.loads(content)
        except ValueError as trouble:
            raise ApiTrouble(f"{method} {path}: not JSON") from trouble
        return found

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPSConnection:
        authority, certificate, key = self._files
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(certificate, key)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=ANSWER_SECONDS, context=context
        )


def objects_path(namespace: str, plural: str, *more: str) -> str:
    return "/".join((f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}", *more))
