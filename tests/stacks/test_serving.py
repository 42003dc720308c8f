"""The script of the units that wait for a program to serve, against real servers."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lab.stacks.serving import SCRIPT, UNTIL_THEY_SERVE, serving
from tests.stacks.test_stacks import files_of, units_of


class Program(HTTPServer):
    """Answers 500 until it serves, as the API server does while it prepares itself."""

    serves = False
    asked = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Program

    def do_GET(self) -> None:
        self.send_response(200 if self.server.serves else 500)
        self.end_headers()
        self.server.asked.set()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def program() -> Iterator[Program]:
    program = Program(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=program.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield program
    finally:
        program.shutdown()
        thread.join()
        program.server_close()


def test_it_waits_until_the_program_says_that_it_serves(tmp_path: Path, program: Program) -> None:
    script = tmp_path / "wait.py"
    script.write_text(UNTIL_THEY_SERVE)
    url = f"http://127.0.0.1:{program.server_port}/readyz"
    with subprocess.Popen([sys.executable, "-I", script, url]) as waiting:
        try:
            assert program.asked.wait(30)
            assert waiting.poll() is None
            program.serves = True
            assert waiting.wait(30) == 0
        finally:
            waiting.kill()


def test_the_unit_asks_every_url_and_goes_behind_its_programs() -> None:
    provision = serving("all-serve", "All serve", ["https://a/x?y=z", "https://b"], ("c.service",))
    unit = units_of(provision)["all-serve.service"]
    assert f'ExecStart=/usr/bin/python3 -I {SCRIPT} "https://a/x?y=z" https://b' in unit
    assert "After=c.service\nWants=c.service" in unit
    assert files_of(provision)[SCRIPT].content == UNTIL_THEY_SERVE.encode()
