"""The page's server as a process: what it does when it is told to end."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.faults.journal import FaultJournal

pytestmark = pytest.mark.slow(reason="the page's server as a process")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The server of a stand-in lab, whose journal is in the test's folder; its port."""
    said = tmp_path / "address"
    with said.open("wb") as out:
        argv = [sys.executable, "-m", "tests.live.standin", "0", "--folder", str(tmp_path)]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=out)

    def port() -> int:
        assert process.poll() is None
        text = said.read_text()
        return int(text.partition("/#")[0].rpartition(":")[2]) if text.endswith("\n") else 0

    yield process, Deadline.after(60).wait_for("it serves", port)
    process.kill()
    process.wait(60)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_injection_under_way_is_seen_through_when_the_page_ends(
    server: tuple[subprocess.Popen[bytes], int], tmp_path: Path, ending: signal.Signals
) -> None:
    process, port = server
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": "Bearer stand-in", "Content-Type": "application/json"}

    def begun() -> bool:
        body = json.dumps({"words": ["cut", "link=arm-cloud"]})
        line.request("POST", "/api/faults", body, headers)
        answer = line.getresponse()
        answer.read()
        return answer.status == 202  # 503 until the lab is found

    Deadline.after(60).wait_for("begun", begun)
    process.send_signal(ending)
    process.wait(60)
    (record,) = FaultJournal(tmp_path).history()
    assert record.proof.startswith("no ping answered")


def test_an_open_page_does_not_keep_the_server(
    server: tuple[subprocess.Popen[bytes], int],
) -> None:
    process, port = server
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("GET", "/api/events", headers={"Authorization": "Bearer stand-in"})
    answer = line.getresponse()
    assert answer.readline() == b"event: snapshot\n"
    process.send_signal(signal.SIGINT)
    process.wait(60)
