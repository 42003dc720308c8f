"""The author of the fleet's repository: commits and pushes from the server node.

Commands go over the management path; the push itself uses HTTPS with the author's certificate.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.gitserver import commit_command
from edge_lab.addons.gitops.place import Place
from edge_lab.cluster.access import MachineAccess
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

Shell = Callable[[str, Deadline], str]
"""Runs a shell command on the server node and returns its standard output; LabError if it
fails."""


@dataclass(frozen=True)
class Pushed:
    """One push that the server accepted."""

    commit: str
    """Its newest commit."""
    time: float
    """When it was accepted, seconds since 1970 by the server's clock."""
    commits: int


@dataclass(frozen=True)
class Author:
    place: Place
    shell: Shell
    command: tuple[str, ...] = ()
    """What commits, if not the program of a guest."""

    def push(
        self, revisions: Sequence[Revision], deadline: Deadline, *, each: bool = False
    ) -> tuple[Pushed, ...]:
        """Makes one commit of each revision, and pushes after the last; with `each`, after each.

        Raises:
            LabError: git or the server refused something.
        """
        commits = [{"message": revision.name, "files": revision.files()} for revision in revisions]
        words = [*(self.command or commit_command(self.place)), *(["--push-each"] if each else [])]
        # As a here document: the trees of many commits exceed the length limit of arguments.
        text = f"{shlex.join(words)} <<'COMMITS'\n{json.dumps(commits)}\nCOMMITS"
        said = self.shell(text, deadline)
        try:
            records = [json.loads(line) for line in said.splitlines() if line]
            return tuple(
                Pushed(record["commit"], float(record["pushed"]), record["commits"])
                for record in records
            )
        except (ValueError, KeyError, TypeError) as trouble:
            raise LabError(f"the author's program said: {said[:500]!r}") from trouble


def author_on(machine: MachineAccess, place: Place) -> Author:
    """The author on the server node."""
    return Author(place, lambda command, deadline: machine.run(command, deadline).stdout)
