"""Replaces files of a guest together, and restores them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from edge_lab.core.errors import LabError
from edge_lab.faults.limits import COMMAND_SECONDS, TimeLimit

if TYPE_CHECKING:
    from edge_lab.machines import Machine
    from edge_lab.provisioning.provision import GuestFile

DRAFT = ".edge-lab-next"
"""Suffix of new content before it replaces a file."""


class GuestFiles:
    """Replaces files of machines. The originals stay beside them: a key may have no other copy."""

    def __init__(self, limit: TimeLimit, original: str) -> None:
        """`original` is the suffix of the copies."""
        self._limit = limit
        self._original = original

    def keep(self, machine: Machine, paths: Iterable[str]) -> None:
        """Copies all files before any is replaced. Keeps existing copies: those files have been
        replaced before."""
        copies = (
            f"{{ test -e {original} || cp -p -- {path} {original}; }}"
            for path, original in self._pairs(paths)
        )
        self._run(machine, " && ".join(copies))

    def put_back(self, machine: Machine, paths: Iterable[str]) -> None:
        """Restores the originals that were kept."""
        moves = (
            f"{{ ! test -e {original} || mv -f -- {original} {path}; }}"
            for path, original in self._pairs(paths)
        )
        self._run(machine, " && ".join(moves))

    def write(self, machine: Machine, files: Sequence[GuestFile]) -> None:
        """Replaces all files as atomically as possible: writes drafts, then renames them.

        Raises:
            LabError: the machine has other content afterwards.
        """
        if not files:
            return
        limit = self._limit(COMMAND_SECONDS)
        for file in files:
            machine.write(replace(file, path=file.path + DRAFT), limit)
        moves = (
            f"mv -f -- {shlex.quote(file.path + DRAFT)} {shlex.quote(file.path)}" for file in files
        )
        self._run(machine, " && ".join(moves))
        for file in files:
            if machine.read(file.path, limit) != file.content:
                raise LabError(f"no effect was seen: {machine.name} has another {file.path}")

    def _pairs(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each path with that of its original, quoted for a shell."""
        for path in paths:
            yield shlex.quote(path), shlex.quote(path + self._original)

    def _run(self, machine: Machine, command: str) -> None:
        if command:
            machine.run(command, self._limit(COMMAND_SECONDS))
