"""Processes of the benchmark, at the niceness that the fabric gives itself."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.priority import come_first
from edge_lab.fabric.loop import NICENESS


class Child:
    """A function that runs in a separate process and returns JSON data."""

    def __init__(self, work: Callable[[], object]) -> None:
        reader, writer = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            code = 1
            come_first(NICENESS)
            try:
                os.write(writer, json.dumps(work()).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writer)
        self._reader = reader

    def result(self) -> Any:
        with os.fdopen(self._reader, "rb") as answers:
            said = answers.read()
        os.waitpid(self._pid, 0)
        if not said:
            raise LabError("a sender or receiver of the benchmark has died")
        return json.loads(said)


@contextlib.contextmanager
def running(argv: Sequence[str], stdin: int = subprocess.DEVNULL) -> Iterator[Any]:
    """A program that runs during the block."""
    process = subprocess.Popen(argv, stdin=stdin, stdout=subprocess.DEVNULL)
    come_first(NICENESS, process.pid)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(Deadline.scaled(5).remaining)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
