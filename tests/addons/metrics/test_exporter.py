"""The exporter: what it serves it has logged before, over restarts, torn lines and full disks."""

from __future__ import annotations

import errno
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from edge_lab.addons.metrics.guest import exporter
from edge_lab.addons.metrics.guest.exporter import Exporter, Handler, ServedLog, metrics_text
from edge_lab.addons.metrics.names import DEVICE_SEQUENCE, SCRAPES
from edge_lab.addons.metrics.records import Served, parse_served
from edge_lab.core.deadline import Deadline

SENDERS = frozenset({"agent", "vmagent"})


def logged(path: Path) -> dict[str, tuple[Served, ...]]:
    return parse_served(path.read_bytes().partition(b"\0")[0].decode())


@pytest.fixture
def status(tmp_path: Path) -> Path:
    file = tmp_path / "status.json"
    file.write_text(json.dumps({"devices": {"press": {"last_seq": 4}, "boiler": {"last_seq": 9}}}))
    return file


def test_each_sender_has_a_count_of_its_own(tmp_path: Path, status: Path) -> None:
    path = tmp_path / "log"
    served = Exporter(ServedLog(path), SENDERS, status)
    assert [served.serve("agent")[0], served.serve("vmagent")[0], served.serve("agent")[0]] == [
        1,
        1,
        2,
    ]
    assert [scrape.number for scrape in logged(path)["agent"]] == [1, 2]
    assert logged(path)["vmagent"][0].devices == {"boiler": 9, "press": 4}


def test_the_text_has_the_names_that_queries_ask_for() -> None:
    lines = metrics_text(17, {"boiler": 9}).splitlines()
    assert f"{SCRAPES} 17" in lines
    assert f'{DEVICE_SEQUENCE}{{device="boiler"}} 9' in lines


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "log"
    before = ServedLog(path)
    Exporter(before, SENDERS, None).serve("agent")
    before.close()
    assert Exporter(ServedLog(path), SENDERS, None).serve("agent")[0] == 2


def test_a_torn_line_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "log"
    first = ServedLog(path)
    Exporter(first, SENDERS, None).serve("agent")
    end = first._end
    os.pwrite(first._file, b'{"sender":"agent","numb', end)
    first.close()
    assert Exporter(ServedLog(path), SENDERS, None).serve("agent")[0] == 2
    assert [scrape.number for scrape in logged(path)["agent"]] == [1, 2]


def test_the_file_grows_when_what_was_reserved_is_full(tmp_path: Path) -> None:
    path = tmp_path / "log"
    served = Exporter(ServedLog(path, reserved=200), SENDERS, None)
    numbers = [served.serve("agent")[0] for _ in range(20)]
    assert [scrape.number for scrape in logged(path)["agent"]] == numbers == list(range(1, 21))
    assert ServedLog(path).numbers == {"agent": 20}


def test_a_full_disk_is_no_end_before_what_is_reserved_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    served = Exporter(ServedLog(path, reserved=200), SENDERS, None)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert [served.serve("agent")[0], served.serve("agent")[0]] == [1, 2]
    with pytest.raises(OSError, match="No space"):
        served.serve("agent")
    # What could not be logged was not counted either.
    monkeypatch.undo()
    assert served.serve("agent")[0] == 3


def test_no_sampler_is_no_device(tmp_path: Path) -> None:
    unread = '{"devices": {"a": {"last_seq": 0}}}'
    texts = ("", "[]", '{"devices": 3}', '{"devices": {"a": {}}}', unread)
    for number, text in enumerate(texts):
        status = tmp_path / f"status{number}"
        status.write_text(text)
        assert Exporter(ServedLog(tmp_path / "log"), SENDERS, status)._devices() == {}


class Clock:
    """Of the exporter: it stands still, but for what a test lets pass. What is served at once by it
    may take a busy host a second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = 0.0
        """Seconds that pass between two looks."""

    def monotonic(self) -> float:
        self.now += self.step
        return self.now

    time_ns = staticmethod(time.time_ns)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(exporter, "time", found)
    return found


@pytest.fixture
def address(tmp_path: Path, clock: Clock) -> Iterator[str]:
    """Of an exporter that serves."""

    class OwnHandler(Handler):
        exporter = Exporter(ServedLog(tmp_path / "log"), SENDERS, None)

    server = ThreadingHTTPServer(("127.0.0.1", 0), OwnHandler)
    server.daemon_threads = False  # its end waits until the last request is judged
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, ""


def test_only_scrapes_of_known_senders_are_counted(address: str, tmp_path: Path) -> None:
    assert get(f"{address}/healthz")[0] == 200
    assert get(f"{address}/metrics/nobody")[0] == 404
    assert get(f"{address}/")[0] == 404
    assert logged(tmp_path / "log") == {}
    status, text = get(f"{address}/metrics/agent")
    assert status == 200
    assert f"{SCRAPES} 1" in text.splitlines()


def until_noted(log: Path, number: int) -> None:
    """It is noted after the answer."""
    Deadline.after(60).wait_for(
        "the note",
        lambda: any(scrape.doubtful and scrape.number == number for scrape in logged(log)["agent"]),
    )


@pytest.fixture
def connection(address: str) -> Iterator[http.client.HTTPConnection]:
    """One that is kept, as senders do."""
    kept = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    yield kept
    kept.close()


def scrape(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/metrics/agent")
    connection.getresponse().read()


def until_judged(connection: http.client.HTTPConnection) -> None:
    """A scrape is judged after its answer, and the next request of its connection after that."""
    connection.request("GET", "/healthz")
    connection.getresponse().read()


def test_a_slow_answer_is_doubtful(
    connection: http.client.HTTPConnection, tmp_path: Path, clock: Clock
) -> None:
    scrape(connection)
    until_judged(connection)
    clock.step = exporter.DOUBTFUL_SECONDS + 0.1
    scrape(connection)
    until_noted(tmp_path / "log", 2)
    assert [scrape.doubtful for scrape in logged(tmp_path / "log")["agent"]] == [False, True]


def test_an_answer_whose_connection_is_closed_at_once_is_doubtful(
    connection: http.client.HTTPConnection, tmp_path: Path
) -> None:
    scrape(connection)
    scrape(connection)
    connection.close()
    until_noted(tmp_path / "log", 2)
    assert [scrape.doubtful for scrape in logged(tmp_path / "log")["agent"]] == [False, True]


def test_a_connection_that_was_kept_for_a_while_is_none(
    connection: http.client.HTTPConnection, tmp_path: Path, clock: Clock
) -> None:
    scrape(connection)
    until_judged(connection)
    clock.now += exporter.CLOSED_SECONDS
    connection.close()
    scrape(connection)  # by another connection
    connection.close()
    until_noted(tmp_path / "log", 2)
    assert [scrape.doubtful for scrape in logged(tmp_path / "log")["agent"]] == [False, True]


def test_what_cannot_be_logged_is_not_served(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ServedLog, "add", full)
    assert get(f"{address}/metrics/agent")[0] == 503
