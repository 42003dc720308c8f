"""The transport `api`: Device objects from the API server, DeviceStatus objects to it.

Each list and watch has its own connection and thread; reports use a third one.  When a report
cannot be sent, the watches restart with a list, so that changes are seen as soon as the API
server is reachable again.  A report that the API server refuses permanently is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from .config import ApiConfig
from .devicestatus import Known, errors_of, extensions_of, is_of, new_status, status_of, twins_of
from .mapper import Mapper
from .objects import Device, Key, key_of
from .outbox import Report

log = logging.getLogger(__name__)

GROUP = "/apis/devices.kubeedge.io/v1beta1"
ANSWER_SECONDS = 10.0
WATCH_SECONDS = 60
"""A watch ends then by itself, and begins again with a list."""
RETRY_SECONDS = 2.0


_NOT_FOR_GOOD = (401, 404, 409, 429)
"""Of an old certificate, of what is not there yet or has changed, of too many requests."""


class ApiError(Exception):
    """The API server refused the request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:200]}")
        self.status = status

    @property
    def is_for_good(self) -> bool:
        """Whether the refusal is permanent."""
        return 400 <= self.status < 500 and self.status not in _NOT_FOR_GOOD


class Connection:
    """One connection to the API server, made when it is needed. Not for two threads at once,
    but for `cut`."""

    def __init__(self, config: ApiConfig) -> None:
        self._config = config
        self._host = urlsplit(config.url)
        self._line: http.client.HTTPConnection | None = None
        self._socket: socket.socket | None = None
        """Kept beside it, which lets go of its own while an answer is still coming."""

    def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            ApiError: the API server refused it.
            OSError, http.client.HTTPException: it did not answer.
        """
        response = self._send(method, path, body, kind)
        text = response.read().decode(errors="replace")
        if response.status >= 300:
            raise ApiError(response.status, text)
        answer = json.loads(text)
        return answer if isinstance(answer, dict) else {}

    def lines(self, path: str, seconds: float) -> Iterator[dict[str, Any]]:
        """The objects of an answer that comes line by line; `seconds` is the longest silence."""
        response = self._send("GET", path, None, "application/json")
        if response.status >= 300:
            raise ApiError(response.status, response.read().decode(errors="replace"))
        if self._socket is not None:
            self._socket.settimeout(seconds)
        while line := response.readline():
            if line.strip():
                yield json.loads(line)

    def _send(self, method: str, path: str, body: Any, kind: str) -> http.client.HTTPResponse:
        content = None if body is None else json.dumps(body, separators=(",", ":"))
        headers = {"Accept": "application/json", "User-Agent": "edge-mapper"}
        if content is not None:
            headers["Content-Type"] = kind
        line = self._line or self._open()
        try:
            line.request(method, path, content, headers)
            self._socket = line.sock
            return line.getresponse()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def _open(self) -> http.client.HTTPConnection:
        host, port = self._host.hostname or "", self._host.port or 443
        if self._host.scheme == "http":
            self._line = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
        else:
            context = ssl.create_default_context(cafile=self._config.authority)
            context.load_cert_chain(self._config.certificate, self._config.key)
            self._line = http.client.HTTPSConnection(
                host, port, timeout=ANSWER_SECONDS, context=context
            )
        return self._line

    def close(self) -> None:
        line, self._line, self._socket = self._line, None, None
        if line is not None:
            line.close()

    def cut(self) -> None:
        """Ends what another thread is reading at this moment."""
        line = self._socket
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class Watch:
    """One kind of objects, listed and then watched, for ever, on a thread."""

    def __init__(
        self,
        config: ApiConfig,
        resource: str,
        every: Callable[[list[Mapping[str, Any]]], None],
        changed: Callable[[Mapping[str, Any]], None],
        removed: Callable[[Key], None],
    ) -> None:
        self._line = Connection(config)
        self._path = f"{GROUP}/{resource}"
        self._every, self._changed, self._removed = every, changed, removed
        self._ended = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._go_on, name=f"watch {resource}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def again(self) -> None:
        """Begins anew with a list."""
        self._line.cut()

    def stop(self) -> None:
        self._ended.set()
        self._line.cut()

    def _go_on(self) -> None:
        while not self._ended.is_set():
            try:
                self._once()
                self._say("")
                continue
            except (ApiError, OSError, http.client.HTTPException, ValueError) as trouble:
                self._say(f"{type(trouble).__name__} {trouble}")
            finally:
                self._line.close()
            self._ended.wait(RETRY_SECONDS)

    def _once(self) -> None:
        listed = self._line.ask("GET", self._path)
        self._every(listed.get("items") or [])
        self._say("")
        version = listed["metadata"]["resourceVersion"]
        query = f"watch=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        for event in self._line.lines(f"{self._path}?{query}", WATCH_SECONDS + ANSWER_SECONDS):
            item = event.get("object") or {}
            kind = event.get("type")
            if kind == "DELETED":
                self._removed(key_of(item))
            elif kind in ("ADDED", "MODIFIED"):
                self._changed(item)
            elif kind == "ERROR":  # too old a version: begin anew
                return

    def _say(self, trouble: str) -> None:
        if trouble and not self._trouble and not self._ended.is_set():
            log.warning("%s cannot be watched: %s", self._path, trouble)
        elif self._trouble and not trouble:
            log.info("%s: watched again", self._path)
        self._trouble = trouble


class ApiTransport:
    """Synchronizes the mapper with the API server."""

    def __init__(self, mapper: Mapper, config: ApiConfig) -> None:
        self._mapper = mapper
        self._line = Connection(config)
        self._known: dict[Key, Known] = {}
        self._refused: dict[Key, str] = {}
        """By device, why its last report was refused permanently."""
        loop = asyncio.get_running_loop()

        def soon(call: Callable[[Any], None]) -> Callable[[Any], None]:
            return lambda argument: _threadsafe(loop, call, argument)

        self._watches = (
            Watch(
                config,
                "devicemodels",
                soon(mapper.put_models),
                soon(mapper.put_model),
                soon(mapper.remove_model),
            ),
            Watch(
                config,
                "devices",
                soon(mapper.put_devices),
                soon(mapper.put_device),
                soon(mapper.remove_device),
            ),
        )

    async def run(self) -> None:
        """Sends reports until it is cancelled."""
        for watch in self._watches:
            watch.start()
        well = True
        try:
            while True:
                report = await self._mapper.outbox.take()
                device = self._mapper.device(report.key)
                if device is None:
                    self._known.pop(report.key, None)
                    self._refused.pop(report.key, None)
                    continue
                try:
                    await asyncio.to_thread(self._send, device, report)
                except (ApiError, OSError, http.client.HTTPException, ValueError) as trouble:
                    if isinstance(trouble, ApiError) and trouble.is_for_good:
                        self._drop(report, str(trouble))
                        continue
                    if well:
                        log.warning("reports wait: %s %s", type(trouble).__name__, trouble)
                        if not isinstance(trouble, ApiError):
                            for watch in self._watches:
                                watch.again()
                    well = False
                    self._mapper.outbox.put_back(report)
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    if not well:
                        log.info("reports are sent again")
                    well = True
                    self._refused.pop(report.key, None)
        finally:
            for watch in self._watches:
                watch.stop()
            self._line.close()

    def _drop(self, report: Report, why: str) -> None:
        """Drops a report that is refused permanently; the next one may be accepted."""
        if self._refused.get(report.key) != why:
            log.warning("%s: a report is refused: %s", "/".join(report.key), why)
        self._refused[report.key] = why

    def _send(self, device: Device, report: Report) -> None:
        namespace, name = device.key
        path = f"{GROUP}/namespaces/{namespace}/devicestatuses"
        known = self._known.get(device.key)
        if known is None or known.uid != device.uid:
            known = self._stored(f"{path}/{name}", device.uid)
        # A state is told once by the twin: it outlives a report that is refused.
        known = replace(known, state=report.state or known.state)
        self._known[device.key] = known
        twins = {
            each: twin
            for each, twin in {**known.twins, **report.twins}.items()
            if each in device.properties
        }
        named = device.properties.keys() | device.broken.keys()
        errors = {
            key: why
            for key, why in {**known.errors, **report.errors}.items()
            if why and key[1] in named
        }
        status = status_of(twins, known.state, _now())
        extensions = extensions_of(errors, known.errors.keys() - errors.keys())
        patch: dict[str, Any] = {"status": {**status, "extensions": extensions}}
        if not extensions:
            patch = {"status": status}
        try:
            self._line.ask("PATCH", f"{path}/{name}", patch, "application/merge-patch+json")
        except ApiError as trouble:
            if trouble.status != 404:
                raise
            if errors:
                status["extensions"] = extensions_of(errors)
            self._line.ask("POST", path, {**new_status(device), "status": status})
        self._known[device.key] = replace(known, twins=twins, errors=errors)

    def _stored(self, path: str, uid: str) -> Known:
        """What another run of the mapper has reported of a device, and its first patch keeps."""
        try:
            item = self._line.ask("GET", path)
        except ApiError as trouble:
            if trouble.status != 404:
                raise
            return Known(uid)
        # Another Device's errors are no news of this one: they are told of as gone.
        return Known(uid, twins_of(item) if is_of(item, uid) else {}, errors_of(item))


def _now() -> str:
    from datetime import datetime, timezone

    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: UP017


def _threadsafe(
    loop: asyncio.AbstractEventLoop, call: Callable[[Any], None], argument: Any
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(call, argument)
