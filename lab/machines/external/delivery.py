"""Copies the provision of an external node to it over SSH, in an order that can be undone."""

from __future__ import annotations

import subprocess
import tarfile
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import IO

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.machines.external import handover
from edge_lab.machines.external.handover import Handover
from edge_lab.machines.shell import GuestShell
from edge_lab.machines.ssh import SshClient
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, PayloadFile

SHORT_SECONDS = 60.0
UNDO_SECONDS = 180.0
"""To stop or start units, including their containers."""
COPY_SECONDS = 1200.0
"""To copy the payload over a slow line."""


@dataclass(frozen=True)
class Delivery:
    """Copies to one machine."""

    client: SshClient
    shell: GuestShell
    still_wanted: Callable[[], None]
    """Called between steps; an error that it raises ends the delivery."""

    def carry_out(
        self, given: Handover, payload: Collection[PayloadFile], deadline: Deadline
    ) -> None:
        """Installs undo script, backup, payload, files and units, in this order.

        Raises:
            LabError: a step failed; the undo script reverts the previous ones.
        """
        self.shell.write(GuestFile.text(handover.UNDO, given.undo_script(), 0o700), deadline)
        paths = "".join(f"{path}\n" for path in given.paths)
        self._feed(given.begin(), paths.encode(), deadline.within(SHORT_SECONDS))
        self.still_wanted()
        with step(f"copy to {given.node}"):
            self._copy_payload(payload, deadline.within(COPY_SECONDS))
            self.still_wanted()
            self._feed(handover.UNPACK, handover.archive(given.files), deadline)
        self.still_wanted()
        self.shell.run(given.start(), deadline.within(UNDO_SECONDS))

    def _feed(self, script: str, stdin: bytes, deadline: Deadline) -> None:
        done = self.client.call(script, deadline, stdin=stdin)
        if done.returncode:
            raise LabError(
                f"{self.client.node}: {done.stderr.decode(errors='replace').strip()[-2000:]}",
                remedy=f"To undo all changes, run as root on the machine: sh {handover.UNDO}",
            )

    def _copy_payload(self, files: Collection[PayloadFile], deadline: Deadline) -> None:
        command = self.client.command_line(handover.UNPACK_PAYLOAD, deadline)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as unpacking:
            assert unpacking.stdin is not None
            assert unpacking.stderr is not None
            # A machine that hangs must not block the delivery.
            watchdog = threading.Timer(deadline.remaining, unpacking.kill)
            watchdog.start()
            try:
                _pack(files, unpacking.stdin, self.still_wanted)
                unpacking.stdin.close()
            except BrokenPipeError:
                unpacking.kill()
            except BaseException:
                unpacking.kill()
                raise
            finally:
                said = unpacking.stderr.read().decode(errors="replace").strip()
                code = unpacking.wait()
                watchdog.cancel()
        if code:
            raise LabError(f"cannot copy the payload to {self.client.node}: {said or code}")
        sums = "".join(f"{file.sha256}  {file.path}\n" for file in files)
        if sums:
            check = f"cd {PAYLOAD_MOUNT} && sha256sum --check --quiet - >&2"
            self._feed(check, sums.encode(), deadline)


def _pack(
    files: Collection[PayloadFile], into: IO[bytes], still_wanted: Callable[[], None]
) -> None:
    with tarfile.open(fileobj=into, mode="w|", dereference=True) as tar:
        for file in files:
            still_wanted()
            entry = tar.gettarinfo(file.source, file.path)
            entry.mode = 0o755 if file.executable else 0o644
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = "root"
            with file.source.open("rb") as content:
                tar.addfile(entry, content)
