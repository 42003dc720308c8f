"""A client of the inference server, with one persistent connection."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class NoAnswer(Exception):
    """The server gave no answer, or could not do what it was asked for."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """Of HTTP; 0 if there was no answer."""


@dataclass(frozen=True)
class Answer:
    tag: str
    digest: str
    outputs: tuple[float, ...]


class Client:
    def __init__(
        self, url: str, *, timeout: float = 10.0, tls: Mapping[str, str] | None = None
    ) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
        if tls:
            context = ssl.create_default_context(cafile=tls["authority"])
            context.load_cert_chain(tls["certificate"], tls["key"])
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=timeout, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def infer(self, model: str, inputs: Sequence[Sequence[float]]) -> Answer:
        """By the version that serves."""
        return _answer(self._post(f"/v1/models/{model}/infer", {"inputs": inputs}))

    def evaluate(self, model: str, digest: str, inputs: Sequence[Sequence[float]]) -> Answer:
        """By any version that is complete on the node.

        Raises:
            NoAnswer: with the status 422 if that version cannot be loaded.
        """
        return _answer(
            self._post(f"/v1/models/{model}/evaluate", {"digest": digest, "inputs": inputs})
        )

    def reload(self, model: str) -> None:
        """Returns when what serves is what the state says."""
        self._post(f"/v1/models/{model}/reload", {})

    def serving(self) -> dict[str, Any]:
        """By model, the tag and the digest of what is loaded."""
        return self._call("GET", "/v1/models", None)

    def close(self) -> None:
        self._connection.close()

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, json.dumps(body))

    def _call(self, method: str, path: str, body: str | None) -> dict[str, Any]:
        try:
            self._connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            content = answer.read()
            if answer.status != http.client.OK:
                said = content[:300].decode(errors="replace")
                raise NoAnswer(f"{path}: {answer.status} {said}", answer.status)
            found: dict[str, Any] = json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as trouble:
            self._connection.close()
            raise NoAnswer(f"{path}: {trouble!r}") from trouble
        return found


def _answer(found: Mapping[str, Any]) -> Answer:
    try:
        return Answer(found["tag"], found["digest"], tuple(map(float, found["outputs"])))
    except (KeyError, TypeError, ValueError) as trouble:
        raise NoAnswer(f"not an answer: {trouble!r}") from trouble
