"""Power and consoles by labgrid's drivers: a script, a switch on HTTP, a serial port on TCP."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes
from edge_lab.machines import ConsoleLog
from edge_lab.machines.external import find_library
from edge_lab.machines.external.hardware import Purpose
from edge_lab.machines.external.recorder import record, start_recorder
from edge_lab.topology import HardwareDriver
from tests.external.test_extra import loaded
from tests.external.topologies import POWER, with_more

pytest.importorskip("labgrid", reason="labgrid is not here: make hardware")

LABGRID = find_library("labgrid")


def power(driver: str = "ExternalPowerDriver", **more: Any) -> HardwareDriver:
    return HardwareDriver(driver=driver, **more)


def console_at(port: int) -> HardwareDriver:
    resource = {"host": "127.0.0.1", "port": port, "protocol": "raw"}
    return HardwareDriver(driver="SerialDriver", resources={"NetworkSerialPort": resource})


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "driver", "said"),
    [
        (Purpose.POWER, power("ExternalPowerDriwer"), "Did you mean 'ExternalPowerDriver'"),
        (Purpose.POWER, power("SerialDriver"), "not for that"),
        (Purpose.CONSOLE, power("ExternalPowerDriver"), "not for that"),
        (Purpose.POWER, power(arguments={"cmd_on": "on"}), "needs the argument 'cmd_off'"),
        (Purpose.POWER, power(arguments={"cmd_on": "on", "cmd_of": "off"}), "no argument 'cmd_of'"),
        (Purpose.POWER, power(arguments={"cmd_on": 1, "cmd_off": "off"}), "cmd_on"),
        (Purpose.POWER, power("NetworkPowerDriver"), "no NetworkPowerPort"),
        (
            Purpose.POWER,
            power("NetworkPowerDriver", resources={"NetworkPowerPot": {}}),
            "Did you mean 'NetworkPowerPort'",
        ),
        (
            Purpose.POWER,
            power(
                "NetworkPowerDriver",
                resources={"NetworkPowerPort": {"model": "none such", "host": "h", "index": 1}},
            ),
            "none such",
        ),
        (Purpose.CONSOLE, power("SerialDriver"), "SerialPort"),
    ],
)
def test_a_driver_that_cannot_be_is_refused(
    purpose: Purpose, driver: HardwareDriver, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        LABGRID.check(purpose, driver)
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_driver_is_refused_with_file_and_line(tmp_path: Path) -> None:
    text = with_more(POWER.replace("cmd_off", "cmd_of"))
    mistake = loaded(tmp_path, text)
    assert mistake.line == text[: text.index("power:")].count("\n") + 1
    assert "cmd_of" in mistake.message


# -- power -----------------------------------------------------------------------------------


@pytest.fixture
def script(tmp_path: Path) -> HardwareDriver:
    file = tmp_path / "power"
    file.write_text(
        f"#!/bin/sh\n[ $1 != burn ] || {{ echo smoke; exit 3; }}\necho $1 >> {tmp_path}/told\n"
    )
    file.chmod(0o755)
    arguments = {"cmd_on": f"{file} on", "cmd_off": f"{file} off", "cmd_cycle": f"{file} burn"}
    return power(arguments=arguments)


def test_a_script_switches(script: HardwareDriver, tmp_path: Path) -> None:
    LABGRID.check(Purpose.POWER, script)
    switch = LABGRID.power("board", script)
    switch.on()
    switch.off()
    assert (tmp_path / "told").read_text().split() == ["on", "off"]
    assert switch.is_on() is None


def test_a_script_that_fails_is_told_with_what_it_said(script: HardwareDriver) -> None:
    with pytest.raises(LabError, match=r"ExternalPowerDriver.*smoke"):
        LABGRID.power("board", script).cycle()


@pytest.fixture
def outlet() -> Iterator[tuple[HardwareDriver, list[str]]]:
    """A power switch that is asked and told over HTTP, and what it was told; port 3 burns."""
    told = ["1"]

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(told[-1].encode())

        def do_PUT(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._answer(b"")

        def _answer(self, content: bytes) -> None:
            self.send_response(500 if self.path == "/relay/3" else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        resource = {
            "model": "rest",
            "host": f"http://127.0.0.1:{server.server_address[1]}/relay/{{index}}",
            "index": 2,
        }
        yield power("NetworkPowerDriver", resources={"NetworkPowerPort": resource}), told
        server.shutdown()
        thread.join()


def test_a_power_switch_on_the_network_can_tell(
    outlet: tuple[HardwareDriver, list[str]],
) -> None:
    driver, told = outlet
    LABGRID.check(Purpose.POWER, driver)
    switch = LABGRID.power("board", driver)
    assert switch.is_on() is True
    switch.off()
    assert switch.is_on() is False
    switch.on()
    assert told == ["1", "0", "1"]


def test_a_power_switch_that_refuses_is_a_broken_lab(
    outlet: tuple[HardwareDriver, list[str]],
) -> None:
    driver, _ = outlet
    resource = {**driver.resources["NetworkPowerPort"], "index": 3}
    broken = driver.model_copy(update={"resources": {"NetworkPowerPort": resource}})
    with pytest.raises(LabError, match="500"):
        LABGRID.power("board", broken).off()


# -- consoles --------------------------------------------------------------------------------


class SerialPort:
    """A serial port over TCP; who is connected gets what is said."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._line: socket.socket | None = None

    def accept(self) -> None:
        self._server.settimeout(60)
        self._line, _ = self._server.accept()

    def say(self, text: str) -> None:
        assert self._line is not None
        self._line.sendall(text.encode())

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.close()

    def close(self) -> None:
        self.hang_up()
        self._server.close()


@pytest.fixture
def serial_port() -> Iterator[SerialPort]:
    with contextlib.closing(SerialPort()) as port:
        yield port


@pytest.fixture
def recorded(serial_port: SerialPort, tmp_path: Path) -> Iterator[ConsoleLog]:
    """The console at the port, while it is recorded in a thread."""
    console, ended = ConsoleLog("board", tmp_path / "board.log"), threading.Event()
    work = threading.Thread(
        target=record, args=(console_at(serial_port.port), "board", console, ended)
    )
    work.start()
    yield console
    ended.set()
    work.join(60)


def said(console: ConsoleLog, port: SerialPort, text: str) -> None:
    """Says it until it is recorded: what comes before the port is open is lost."""

    def heard() -> bool:
        port.say(text)
        return text in console.text()

    Deadline.after(60).wait_for(f"{text!r} is recorded", heard)


def test_a_console_is_recorded_and_its_panic_seen(
    recorded: ConsoleLog, serial_port: SerialPort
) -> None:
    serial_port.accept()
    said(recorded, serial_port, "Linux version 6.12\n")
    assert recorded.fatal_line() is None
    said(recorded, serial_port, "[    1.0] Kernel panic - not syncing: no init\n")
    assert recorded.fatal_line() is not None


def test_a_console_that_was_lost_is_opened_again(
    recorded: ConsoleLog, serial_port: SerialPort
) -> None:
    serial_port.accept()
    said(recorded, serial_port, "before\n")
    serial_port.hang_up()
    serial_port.accept()
    said(recorded, serial_port, "after\n")
    assert "before" in recorded.text()


def test_last_words_are_recorded(recorded: ConsoleLog, serial_port: SerialPort) -> None:
    serial_port.accept()
    said(recorded, serial_port, "begun\n")
    serial_port.say("last words")
    serial_port.hang_up()
    Deadline.after(60).wait_for("the last words", lambda: "last words" in recorded.text())


@pytest.fixture
def run() -> Iterator[RunDir]:
    made = RunDir("small")
    made.make()
    yield made
    end_processes(made.path, Deadline.after(30))


@pytest.mark.slow(reason="starts a process that imports labgrid")
def test_the_recorder_is_one_process_of_the_lab(run: RunDir, serial_port: SerialPort) -> None:
    console = ConsoleLog("board", run.consoles / "board.log")
    start: Callable[[], None] = lambda: start_recorder(  # noqa: E731
        run, "board", console_at(serial_port.port), console, Deadline.after(120)
    )
    start()
    start()  # runs already
    serial_port.accept()
    said(console, serial_port, "hello\n")
    assert len(end_processes(run.path, Deadline.after(60))) == 1


@pytest.mark.slow(reason="waits for a process that imports labgrid")
def test_a_console_that_cannot_be_opened_ends_the_start(run: RunDir) -> None:
    driver = HardwareDriver(driver="SerialDriver", library="labgrid")
    console = ConsoleLog("board", run.consoles / "board.log")
    with pytest.raises(LabError, match="recorder of board") as caught:
        start_recorder(run, "board", driver, console, Deadline.after(120))
    assert "console-board.log" in caught.value.remedy
