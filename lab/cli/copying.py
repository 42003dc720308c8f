"""Copies files between this machine and the nodes, with `tar` over SSH: guests have no SFTP.

Both ends of a copy are shell scripts, on any machine.  A file is replaced atomically; if the copy
of a folder fails, the files that have arrived stay, as with `cp`.
"""

from __future__ import annotations

import posixpath
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import IO, Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError, named
from edge_lab.machines.attended import started
from edge_lab.machines.ssh import LOGIN_SECONDS, UNREACHABLE, SshClient

LOOK_SECONDS = 60.0
"""Seconds to inspect a path, including a login."""
_CHANGED_MEANWHILE = 1
"""tar's exit code if a file changed while it was read; its content may be mixed."""
_NOBODY_READS = (-signal.SIGPIPE, 128 + signal.SIGPIPE)

_EXTRACT = "tar -xpf - --no-same-owner --keep-directory-symlink"


class Thing(StrEnum):
    """The type of what is at a path."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    """A device, a pipe, a socket."""
    NOTHING = "nothing"
    NOWHERE = "nowhere"
    """Nothing, and its parent folder does not exist."""


class Machine(Protocol):
    """The machine of one end of a copy."""

    @property
    def name(self) -> str:
        """Name in messages; empty for this machine."""
        ...

    def argv(self, script: str) -> list[str]:
        """The program and arguments that run a shell script there."""
        ...

    def ask(self, script: str) -> subprocess.CompletedProcess[bytes]: ...


@dataclass(frozen=True)
class Here:
    name: str = ""

    def argv(self, script: str) -> list[str]:
        return ["sh", "-c", script]

    def ask(self, script: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.argv(script), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )


@dataclass(frozen=True)
class OnNode:
    name: str
    client: SshClient

    def argv(self, script: str) -> list[str]:
        return self.client.command_line(script, Deadline.scaled(LOGIN_SECONDS))

    def ask(self, script: str) -> subprocess.CompletedProcess[bytes]:
        return self.client.call(script, Deadline.scaled(LOOK_SECONDS))


@dataclass(frozen=True)
class Place:
    """A path on a machine, relative to root's home on a node, and to the current folder here."""

    machine: Machine
    path: str

    def __str__(self) -> str:
        return f"{self.machine.name}:{self.path}" if self.machine.name else self.path

    @property
    def name(self) -> str:
        """The last component of the path; empty if that is not a name."""
        last = posixpath.basename(self.path.rstrip("/"))
        return "" if last in (".", "..") else last

    def below(self, name: str) -> Place:
        return Place(self.machine, posixpath.join(self.path, name))

    @property
    def quoted(self) -> str:
        """Quoted for a script, and never mistaken for an option."""
        return shlex.quote(f"./{self.path}" if self.path.startswith("-") else self.path)

    def look(self) -> Thing:
        """Raises Unreachable if the node does not answer."""
        said = self.machine.ask(
            f"p={self.quoted}\n"
            'if [ -d "$p" ]; then echo folder; elif [ -f "$p" ]; then echo file\n'
            'elif [ -e "$p" ]; then echo other\n'
            'elif [ -d "$(dirname -- "$p")" ]; then echo nothing; else echo nowhere; fi'
        )
        try:
            return Thing(said.stdout.decode().strip())
        except ValueError as trouble:
            raise LabError(f"cannot inspect {self}: {_told(said.stderr)}") from trouble


def is_on_node(text: str) -> bool:
    """Whether `text` is NODE:PATH; with a slash before the colon it is a path on this machine."""
    before, colon, _ = text.partition(":")
    return bool(colon and before) and "/" not in before


def parse_place(text: str, clients: Mapping[str, SshClient]) -> Place:
    """`NODE:PATH`, or a path on this machine (see `is_on_node`).

    Raises:
        InputError: there is no such node, or the text is empty.
    """
    if not text:
        raise InputError("the path is empty")
    if not is_on_node(text):
        return Place(Here(), text)
    before, _, path = text.partition(":")
    client = named("node", before, clients)
    if path == "~" or path.startswith("~/"):
        path = path[2:]
    return Place(OnNode(before, client), path or ".")


def copy(source: Place, target: Place, *, recursive: bool = False) -> str:
    """Copies a file, or with `recursive` a folder; modes and times are kept. Returns a warning.

    As with `cp`: into `target` if that is a folder, else as `target`. A link at `source` is
    followed, links within a folder are copied as links.

    Raises:
        InputError: source or target cannot be used.
        Unreachable: a node does not answer.
        LabError: it failed on the node, or the connection was lost.
    """
    kind = source.look()
    if kind in (Thing.NOTHING, Thing.NOWHERE):
        raise InputError(f"{source} does not exist")
    if kind is Thing.FOLDER and not recursive:
        raise InputError(
            f"{source} is a folder",
            remedy=f"Run `lab cp -r {source} {target}` to copy it with its contents.",
        )
    if kind is Thing.OTHER:
        raise InputError(
            f"{source} is neither a file nor a folder",
            remedy="Run `lab exec NODE cat PATH` to read it.",
        )
    there = target.look()
    if there is Thing.FOLDER and source.name:
        target = target.below(source.name)
        there = target.look()
    _must_fit(source, kind, target, there)
    if kind is Thing.FOLDER:
        return _stream(source, _pack_folder(source), target, _unpack_folder(target, there))
    return _stream(source, _pack_file(source), target, _unpack_file(source, target))


def _must_fit(source: Place, kind: Thing, target: Place, there: Thing) -> None:
    if there is Thing.NOWHERE or (
        kind is Thing.FILE and there is Thing.NOTHING and target.path.endswith("/")
    ):
        raise InputError(
            f"the parent folder of {target} does not exist", remedy="Create it first with mkdir -p."
        )
    if there not in (Thing.NOTHING, kind):
        what = "neither a file nor a folder" if there is Thing.OTHER else f"a {there.value}"
        raise InputError(
            f"cannot overwrite {target}, which is {what}, with {source}, which is a {kind.value}"
        )
    inside = posixpath.normpath(target.path) + "/"
    if source.machine == target.machine and inside.startswith(
        posixpath.normpath(source.path) + "/"
    ):
        raise InputError(f"{target} is the same as {source}, or inside it")


def _pack_file(source: Place) -> str:
    folder = Place(source.machine, posixpath.dirname(source.path) or ".")
    name = shlex.quote(f"./{posixpath.basename(source.path)}")
    return f"exec tar -chf - -C {folder.quoted} -- {name}"


def _unpack_file(source: Place, target: Place) -> str:
    arrived = shlex.quote(posixpath.basename(source.path))
    return (
        f"set -e; to=$(readlink -f -- {target.quoted})\n"
        'new=$(mktemp -d -- "${to%/*}/.lab-cp.XXXXXX")\n'
        "trap 'rm -rf -- \"$new\"' EXIT; trap 'exit 1' HUP INT TERM\n"
        f'{_EXTRACT} -C "$new"\n'
        f'mv -fT -- "$new"/{arrived} "$to"\n'
    )


def _pack_folder(source: Place) -> str:
    return f"exec tar -cf - -C {source.quoted} ."


def _unpack_folder(target: Place, there: Thing) -> str:
    if there is Thing.FOLDER:  # an existing folder keeps its mode
        return f"exec {_EXTRACT} --no-overwrite-dir -C {target.quoted}"
    return f"mkdir -- {target.quoted} && exec {_EXTRACT} -C {target.quoted}"


def _stream(source: Place, pack: str, target: Place, unpack: str) -> str:
    with (
        tempfile.TemporaryFile() as said_by_source,
        tempfile.TemporaryFile() as said_by_target,
        started(
            source.machine.argv(pack),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said_by_source,
        ) as packing,
    ):
        assert packing.stdout is not None
        with started(
            target.machine.argv(unpack),
            stdin=packing.stdout,
            stdout=subprocess.DEVNULL,
            stderr=said_by_target,
        ) as unpacking:
            packing.stdout.close()
            unpacked = unpacking.wait()
            packed = packing.wait()
        warning = _all_of(said_by_source)
        # If the target failed, the source had no reader.
        if packed not in (0, _CHANGED_MEANWHILE) and not (unpacked and packed in _NOBODY_READS):
            raise _failed(source, packed, warning)
        if unpacked:
            raise _failed(target, unpacked, _all_of(said_by_target))
        return warning


def _failed(place: Place, code: int, said: str) -> InputError | LabError:
    if place.machine.name and code == UNREACHABLE:
        return LabError(f"the connection to {place.machine.name} was lost: {said}")
    message = f"cannot copy {place}: {said or f'exit status {code}'}"
    return LabError(message) if place.machine.name else InputError(message)


def _all_of(said: IO[bytes]) -> str:
    said.seek(0)
    return _told(said.read())


def _told(said: bytes) -> str:
    return said.decode(errors="replace").strip()
