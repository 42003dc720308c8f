"""The client of a device: start it, query it, save it, read its ground truth."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.process import spawn
from edge_lab.devices.control import MEMORY, SOCKET, DeviceSnapshot, DeviceStatus
from edge_lab.devices.faults import DeviceFault
from edge_lab.devices.serial.faults import LineStates, SerialAnswer, SerialStatus
from edge_lab.devices.spec import DeviceSpec
from edge_lab.devices.truth import FILE as TRUTH
from edge_lab.devices.truth import TruthRecord, TruthStep, newest_step, read_truth

SPEC = "spec.json"
SNAPSHOT = "snapshot.json"

_ANSWER_SECONDS = 15.0
_SELF_READ_SHARE = 0.8
"""Fraction of the time for an answer that the device may use to read itself."""


def start_device(spec: DeviceSpec, *, run: Path, log: Path) -> subprocess.Popen[bytes]:
    """Starts the device's process, marked as part of the lab in `run`; does not wait for it."""
    spec.folder.mkdir(parents=True, exist_ok=True)
    file = spec.folder / SPEC
    file.write_text(spec.model_dump_json(indent=2))
    return spawn([sys.executable, "-m", "edge_lab.devices", "--spec", str(file)], run=run, log=log)


class DeviceClient:
    """A running device, by its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def spec(self) -> DeviceSpec:
        """The specification with which `start_device` started it."""
        return DeviceSpec.read(self.folder / SPEC)

    def status(self, deadline: Deadline | None = None) -> DeviceStatus:
        """Its status; `reachable` is the result of a read over its own protocol, made just now."""
        return DeviceStatus.model_validate(self._ask("status", deadline))

    def snapshot(self, deadline: Deadline | None = None) -> DeviceSnapshot:
        """The state of its plant."""
        return DeviceSnapshot.model_validate(self._ask("snapshot", deadline))

    def pause(self, deadline: Deadline | None = None) -> DeviceSnapshot:
        """Stops the plant; the device still answers, with constant values."""
        return DeviceSnapshot.model_validate(self._ask("pause", deadline))

    def resume(self, deadline: Deadline | None = None) -> None:
        """Continues the plant."""
        self._ask("resume", deadline)

    def set_fault(
        self, fault: DeviceFault | None, deadline: Deadline | None = None
    ) -> DeviceStatus:
        """Sets `fault`, which replaces the previous one; None clears it.

        The status is that afterwards: `reachable`, `answer_ms` and `affected` show the effect on
        a client. A restarted device has no fault.

        Raises:
            InputError: there is no such fault on its protocol.
        """
        if fault is not None:
            fault.check(self.spec.protocol)
        dumped = fault.model_dump(mode="json") if fault is not None else None
        return DeviceStatus.model_validate(self._ask("fault", deadline, fault=dumped))

    # -- its serial line -----------------------------------------------------------------

    def serial_status(self, deadline: Deadline | None = None) -> SerialStatus:
        """Its serial line as it is now; LabError if it has none."""
        return SerialStatus.model_validate(self._ask("serial", deadline))

    def set_serial(self, states: LineStates, deadline: Deadline | None = None) -> SerialStatus:
        """Sets the states of both directions of its line."""
        dumped = states.model_dump(mode="json")
        return SerialStatus.model_validate(self._ask("serial", deadline, states=dumped))

    def ask_over_serial(self, deadline: Deadline | None = None) -> SerialAnswer:
        """Reads it over its line, as a client at the port would."""
        return SerialAnswer.model_validate(self._ask("serial-ask", deadline))

    def wait_ready(
        self, deadline: Deadline, *, watch: Callable[[], None] = lambda: None
    ) -> DeviceStatus:
        """Waits until the device can read itself over its protocol. `watch` as in Deadline."""

        def probe() -> DeviceStatus | None:
            status = self.status(deadline)
            if not status.reachable:
                raise LabError(f"{status.name}: {status.trouble}")
            return status

        return deadline.wait_for(
            f"the device {self.folder.name} answers", probe, transient=(LabError,), watch=watch
        )

    def truth(self) -> Iterator[TruthRecord]:
        """The values that it has shown and received so far; may be read while it runs."""
        return read_truth(self.folder)

    def steps(self) -> tuple[TruthStep, ...]:
        """The steps of `truth`."""
        return tuple(record for record in self.truth() if isinstance(record, TruthStep))

    def newest_step(self) -> TruthStep | None:
        """The last of `steps`, without reading all of them; None if there is none yet."""
        return newest_step(self.folder)

    # -- checkpoints ---------------------------------------------------------------------

    def save(self, into: Path, deadline: Deadline | None = None) -> DeviceSnapshot:
        """Writes plant state and truth into the folder `into`.

        Pause the device first, and resume it after the rest of the lab was saved:
        otherwise the truth continues while the guests are paused.
        """
        snapshot = self.snapshot(deadline)
        into.mkdir(parents=True, exist_ok=True)
        (into / SNAPSHOT).write_text(snapshot.model_dump_json(indent=2))
        shutil.copyfile(self.folder / TRUTH, into / TRUTH)
        os.truncate(into / TRUTH, snapshot.truth_size)
        (into / MEMORY).unlink(missing_ok=True)
        if snapshot.has_memory:
            self._ask("save", deadline, into=str(into.resolve()))
        return snapshot

    def _ask(self, op: str, deadline: Deadline | None, **more: object) -> Any:
        limit = (deadline or Deadline.scaled(_ANSWER_SECONDS)).within(_ANSWER_SECONDS)
        path = self.folder / SOCKET
        request = {"op": op, "within": limit.remaining * _SELF_READ_SHARE, **more}
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(max(limit.remaining, 0.01))
                line.connect(str(path))
                line.sendall(json.dumps(request).encode() + b"\n")
                with line.makefile("rb") as answers:
                    text = answers.readline()
        except OSError as trouble:
            raise LabError(
                f"the device {self.folder.name} does not answer on {path}: {trouble}",
                remedy="See its log for the reason, if it has ended.",
            ) from trouble
        if not text:
            raise LabError(f"the device {self.folder.name} has closed its control socket")
        answer = json.loads(text)
        if not answer["ok"]:
            raise LabError(f"the device {self.folder.name}: {answer['error']}")
        return answer["result"]


def restore_device(saved: Path, folder: Path) -> DeviceSnapshot:
    """Restores what `DeviceClient.save` wrote into a device's folder.

    The device must not run; when it is started, it continues with the step after the saved one.
    """
    try:
        snapshot = DeviceSnapshot.model_validate_json((saved / SNAPSHOT).read_bytes())
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(saved / TRUTH, folder / TRUTH)
        (folder / MEMORY).unlink(missing_ok=True)
        if snapshot.has_memory:
            shutil.copyfile(saved / MEMORY, folder / MEMORY)
    except (OSError, ValueError) as trouble:
        raise LabError(f"cannot restore a device from {saved}: {trouble}") from trouble
    return snapshot
