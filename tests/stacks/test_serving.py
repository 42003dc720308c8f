"""The script of the units that wait until programs serve, against real servers."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from edge_lab.pki import CLUSTER
from edge_lab.stacks.serving import SCRIPT, UNTIL_THEY_SERVE, serving
from edge_lab.topology import load_topology
from tests.keys import keys_made_once
from tests.ports import closed_port
from tests.stacks.provisions import DEFAULT, files_of, units_of

LISTED = "[+]node-lifecycle-controller ok\nhealthz check passed\n"


class Program(HTTPServer):
    """Gives its answers one after the other, the last one ever after."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Program

    def do_GET(self) -> None:
        answers = self.server.answers
        status, text = answers[min(self.server.asked, len(answers) - 1)]
        self.server.asked += 1
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        pass


@contextlib.contextmanager
def running(program: Program) -> Iterator[int]:
    """Its port, while it runs."""
    thread = threading.Thread(target=program.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield program.server_port
    finally:
        program.shutdown()
        thread.join()
        program.server_close()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """As in a guest, but it looks fifty times as often."""
    script = tmp_path / "until-they-serve.py"
    assert UNTIL_THEY_SERVE.count("pause = 1.0") == 1
    script.write_text(UNTIL_THEY_SERVE.replace("pause = 1.0", "pause = 0.02"))
    return script


def wait(script: Path, *urls: str) -> None:
    subprocess.run([sys.executable, "-I", script, *urls], check=True, timeout=60)


def test_it_asks_until_the_program_says_that_it_serves(script: Path) -> None:
    program = Program((500, "not yet"), (403, "nobody may"), (200, "ok"))
    with running(program) as port:
        wait(script, f"http://127.0.0.1:{port}/readyz")
    assert program.asked == 3


def test_what_stands_behind_the_hash_must_be_in_the_answer(script: Path) -> None:
    program = Program((200, "[+]ping ok\n"), (200, LISTED))
    with running(program) as port:
        wait(script, f"http://127.0.0.1:{port}/healthz?verbose#node-lifecycle-controller")
    assert program.asked == 2


def test_one_that_has_died_meanwhile_does_not_serve(script: Path) -> None:
    first = Program((200, "ok"), (500, "again"), (200, "ok"))
    second = Program((500, "not yet"), (200, "ok"))
    with running(first) as one, running(second) as other:
        wait(script, f"http://127.0.0.1:{one}/", f"http://127.0.0.1:{other}/")
    assert (first.asked, second.asked) == (3, 2)


def test_nobody_vouches_for_a_local_program(script: Path, tmp_path: Path) -> None:
    identity = keys_made_once(tmp_path / "keys", load_topology(DEFAULT)).identity(
        CLUSTER, "apiserver"
    )
    file = tmp_path / "both.pem"
    file.write_bytes(identity.combined_pem)
    program = Program((200, "ok"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    program.socket = context.wrap_socket(program.socket, server_side=True)
    with running(program) as port:
        wait(script, f"https://127.0.0.1:{port}/readyz")
    assert program.asked == 1


def test_a_program_that_is_not_there_yet_is_waited_for(script: Path) -> None:
    with (
        closed_port() as port,
        subprocess.Popen([sys.executable, "-I", script, f"http://127.0.0.1:{port}/"]) as waiting,
    ):
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                waiting.wait(0.5)
        finally:
            waiting.kill()


def test_the_unit_asks_every_url_and_goes_behind_its_programs() -> None:
    urls = ["https://a/x?y=z#word", "https://b"]
    provision = serving("all-serve", "All serve", urls, ("c.service",))
    unit = units_of(provision)["all-serve.service"]
    assert f'ExecStart=/usr/bin/python3 -I {SCRIPT} "https://a/x?y=z#word" https://b' in unit
    assert "After=c.service\nWants=c.service" in unit
    assert files_of(provision)[SCRIPT].content == UNTIL_THEY_SERVE.encode()
