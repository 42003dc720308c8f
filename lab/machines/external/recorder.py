"""A process of the lab that records the console of an external node to a log.

If the connection is lost it connects again: a console server may restart with the machine.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import processes_of, spawn, still_alive
from edge_lab.machines.console import ConsoleLog
from edge_lab.machines.external.hardware import ConsoleReader, find_library
from edge_lab.topology import HardwareDriver

READ_SECONDS = 0.5
AGAIN_EVERY = 0.25
"""Between two attempts to open the console."""
IDLE_EVERY = 0.05
"""Between two reads of a driver whose reads do not wait."""
OPEN_SECONDS = 60.0
"""For the console to be opened for the first time, on the reference machine."""

_MODULE = "edge_lab.machines.external.recorder"


def ready_file(console: ConsoleLog) -> Path:
    """A file that exists once the console has been opened."""
    return console.path.with_suffix(".opened")


def start_recorder(
    run: RunDir, node: str, driver: HardwareDriver, console: ConsoleLog, deadline: Deadline
) -> None:
    """Starts the process unless it runs, and waits until it has opened the console.

    Raises:
        LabError: it ended, or did not open the console in time; the message has the driver's error.
    """
    spec = run.path / f"console-{node}.json"
    if any(str(spec) in process.command for process in processes_of(run.path)):
        return
    spec.touch(mode=0o600)
    spec.write_text(driver.model_dump_json(), encoding="utf-8")
    ready_file(console).unlink(missing_ok=True)
    log = run.logs / f"console-{node}.log"
    argv = [sys.executable, "-m", _MODULE, str(spec), node, str(console.path)]
    process = spawn(argv, run=run.path, log=log)
    alive = still_alive(process, f"the recorder of {node}'s console", log)
    try:
        deadline.within(OPEN_SECONDS).wait_for(
            f"the console of {node} is open", ready_file(console).exists, watch=alive
        )
    except LabError as trouble:
        trouble.remedy = trouble.remedy or f"What its driver says is in {log}."
        raise


def record(driver: HardwareDriver, node: str, console: ConsoleLog, ended: threading.Event) -> None:
    """Appends the console's output to its log, until `ended` is set."""
    library = find_library(driver.library)
    told = ""
    with console.path.open("ab", buffering=0) as log:
        while not ended.is_set():
            try:
                reader = library.console(node, driver)
            except LabError as trouble:
                if trouble.message != told:
                    _say(told := trouble.message)
                ended.wait(AGAIN_EVERY)
                continue
            ready_file(console).touch()
            _say("open")
            told = _copied(reader, log.fileno(), ended)


def _copied(reader: ConsoleReader, log: int, ended: threading.Event) -> str:
    """Copies until `ended` is set or the connection is lost; returns the error, or empty."""
    try:
        while not ended.is_set():
            if came := reader.read(READ_SECONDS):
                os.write(log, came)
            else:
                ended.wait(IDLE_EVERY)
    except LabError as trouble:
        _say(trouble.message)
        return trouble.message
    finally:
        reader.close()
    return ""


def _say(text: str) -> None:
    print(text, flush=True)


def main(argv: list[str]) -> None:
    """`recorder SPEC NODE LOG`."""
    spec, node, log = argv
    ended = threading.Event()

    def end(sign: int, frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    driver = HardwareDriver.model_validate_json(Path(spec).read_text(encoding="utf-8"))
    record(driver, node, ConsoleLog(node, Path(log)), ended)


if __name__ == "__main__":
    main(sys.argv[1:])
