"""Serves numbered samples to senders, and keeps a log of what it has served.

    exporter.py --listen 127.0.0.1:9106 --log served.jsonl --sender vmagent … [--status status.json]

GET /metrics/<sender> counts the scrapes of that sender. A line of the log is on the disk before the
answer sets out, so that the log survives a loss of power that the sender's own files do not:

    {"sender": "vmagent", "number": 17, "time": 1700000000000000000, "devices": {"boiler": 321}}
    {"sender": "vmagent", "doubtful": 17}

`time` is ns since 1970 by the node's clock. A number is doubtful if answering took so long that the
sender may have given up, or if the sender closed the connection soon after, as it does when it has
given up: otherwise it keeps it for the next scrape. Numbers go on after a restart. The file's
blocks are reserved, so that the log goes on when the disk is full: what cannot be logged is not
served (503).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

RESERVED = 4 * 1024 * 1024
"""Bytes that the log's file grows by."""
DOUBTFUL_SECONDS = 1.0
"""From a request to the end of its answer; senders give up after two."""
CLOSED_SECONDS = 2.0
"""From the end of an answer to the end of its connection."""


class ServedLog:
    """The log: lines, and NUL where nothing is written yet."""

    def __init__(self, path: Path, *, reserved: int = RESERVED) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._reserved = reserved
        # No sync beside it is needed: a write returns when it is on the disk.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DSYNC, 0o644)
        self._size = os.fstat(self._file).st_size
        written = self._content().partition(b"\0")[0]
        self._end = written.rfind(b"\n") + 1
        torn = len(written) - self._end
        if torn:
            os.pwrite(self._file, bytes(torn), self._end)
        self.numbers: dict[str, int] = {}
        for line in written[: self._end].splitlines():
            record = json.loads(line)
            if "number" in record:
                self.numbers[record["sender"]] = record["number"]
        self._reserve(0)

    def _content(self) -> bytes:
        return os.pread(self._file, self._size, 0)

    def _reserve(self, length: int) -> None:
        if self._end + length > self._size - 1:
            os.posix_fallocate(self._file, self._size, self._reserved)
            self._size += self._reserved

    def add(self, record: Mapping[str, Any]) -> None:
        """Raises OSError if it cannot be written."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        self._reserve(len(line))
        os.pwrite(self._file, line, self._end)
        self._end += len(line)

    def close(self) -> None:
        os.close(self._file)


class Exporter:
    """What is served: for each sender another count."""

    def __init__(self, log: ServedLog, senders: frozenset[str], status: Path | None) -> None:
        self.senders = senders
        self._log = log
        self._status = status
        self._lock = threading.Lock()

    def serve(self, sender: str) -> tuple[int, str]:
        """The number of a scrape, and the text to answer; OSError if it cannot be logged."""
        with self._lock:
            number = self._log.numbers.get(sender, 0) + 1
            devices = self._devices()
            self._log.add(
                {"sender": sender, "number": number, "time": time.time_ns(), "devices": devices}
            )
            self._log.numbers[sender] = number
        return number, metrics_text(number, devices)

    def doubt(self, sender: str, number: int) -> None:
        with self._lock:
            self._log.add({"sender": sender, "doubtful": number})

    def _devices(self) -> dict[str, int]:
        """By device, the number of the step that the sampler has read last, if it has read any."""
        if self._status is None:
            return {}
        try:
            found = json.loads(self._status.read_text(encoding="utf-8"))["devices"]
            read = {name: int(counts["last_seq"]) for name, counts in sorted(found.items())}
            return {name: number for name, number in read.items() if number}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}  # no sampler yet


def metrics_text(number: int, devices: Mapping[str, int]) -> str:
    lines = [
        "# TYPE edge_lab_scrapes_total counter",
        f"edge_lab_scrapes_total {number}",
        "# TYPE edge_lab_device_sequence gauge",
    ]
    lines += [f'edge_lab_device_sequence{{device="{name}"}} {seq}' for name, seq in devices.items()]
    return "\n".join([*lines, ""])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    exporter: ClassVar[Exporter]
    answered: tuple[str, int, float] | None = None
    """The last scrape of this connection: sender, number, and when it was answered."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        if self.answered is not None:
            sender, number, at = self.answered
            if time.monotonic() - at < CLOSED_SECONDS:
                self.exporter.doubt(sender, number)

    def do_GET(self) -> None:
        began = time.monotonic()
        sender = self.path.removeprefix("/metrics/")
        if self.path == "/healthz":
            self._answer(200, "ok\n")
            return
        if sender not in self.exporter.senders:
            self._answer(404, "no such sender\n")
            return
        try:
            number, text = self.exporter.serve(sender)
        except OSError as trouble:
            self._answer(503, f"cannot log it: {trouble}\n")
            return
        try:
            self._answer(200, text)
        except OSError:
            self.close_connection = True
            self.exporter.doubt(sender, number)
            return
        self.answered = (sender, number, time.monotonic())
        if self.answered[2] - began > DOUBTFUL_SECONDS:
            self.exporter.doubt(sender, number)

    def _answer(self, status: int, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the journal is for what is wrong."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--sender", action="append", required=True)
    parser.add_argument("--status", type=Path)
    given = parser.parse_args()
    host, _, port = given.listen.rpartition(":")
    Handler.exporter = Exporter(ServedLog(given.log), frozenset(given.sender), given.status)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main()
