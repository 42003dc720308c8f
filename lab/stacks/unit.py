"""systemd service units, rendered from data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from edge_lab.provisioning.provision import GuestFile, Provision

UNIT_FOLDER = "/etc/systemd/system"

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./$-]+")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Service:
    """A service. It is started at boot, and restarted whenever it fails."""

    name: str
    """Without `.service`."""
    description: str
    command: tuple[str, ...]
    kind: Literal["exec", "notify", "oneshot"] = "exec"
    after: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    before_start: tuple[tuple[str, ...], ...] = ()
    """Commands that must succeed first; those that begin with `-` may fail."""
    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    environment_file: str = ""
    """Path of a file of KEY=value lines, for values that must not be readable in the unit."""
    mounts: tuple[str, ...] = ()
    """Paths that must be mounted before it starts."""
    state_directory: str = ""
    """Created below /var/lib, with mode 0700."""
    runtime_directory: str = ""
    """Created below /run, with mode 0700."""
    oom_score_adjust: int = 0
    nice: int = 0
    """As nice(1): above 0 means a lower priority."""
    kill_mode: Literal["control-group", "process"] = "control-group"
    delegate: bool = False
    """Delegates its control group, for services that create containers."""
    unlimited: bool = False
    """No limit on tasks, processes and core dumps: for parents of arbitrary programs."""

    @property
    def unit(self) -> str:
        return f"{self.name}.service"

    def render(self) -> str:
        """The text of the unit file."""
        unit = [("Description", self.description.replace("%", "%%"))]
        unit += [(key, " ".join(names)) for key, names in self._relations() if names]
        # Its dependencies may come late (an API server behind a cut link): never give up.
        unit.append(("StartLimitIntervalSec", "0"))
        service: list[tuple[str, str]] = [("Type", self.kind)]
        service += [
            ("Environment", quoted(f"{key}={value}"))
            for key, value in sorted(self.environment.items())
        ]
        if self.environment_file:
            service.append(("EnvironmentFile", self.environment_file.replace("%", "%%")))
        if self.state_directory:
            service.append(("StateDirectory", self.state_directory))
            service.append(("StateDirectoryMode", "0700"))
        if self.runtime_directory:
            service.append(("RuntimeDirectory", self.runtime_directory))
            service.append(("RuntimeDirectoryMode", "0700"))
        service += [("ExecStartPre", command_line(command)) for command in self.before_start]
        service.append(("ExecStart", command_line(self.command)))
        # Starting may take long in an emulated guest; those who wait have a deadline.
        service.append(("TimeoutStartSec", "infinity"))
        if self.kind == "oneshot":
            service.append(("RemainAfterExit", "yes"))
            service.append(("Restart", "on-failure"))
        else:
            service.append(("Restart", "always"))
            service.append(("KillMode", self.kill_mode))
            # An API server waits more than a minute for pending requests of its clients.
            service.append(("TimeoutStopSec", "20"))
            service.append(("LimitNOFILE", "1048576"))
        if self.delegate:
            service.append(("Delegate", "yes"))
        if self.unlimited:
            names = ("LimitNPROC", "LimitCORE", "TasksMax")
            service += [(name, "infinity") for name in names]
        service.append(("RestartSec", "3"))
        if self.nice:
            service.append(("Nice", str(self.nice)))
        if self.oom_score_adjust:
            service.append(("OOMScoreAdjust", str(self.oom_score_adjust)))
        sections: dict[str, list[tuple[str, str]]] = {
            "Unit": unit,
            "Service": service,
            "Install": [("WantedBy", "multi-user.target")],
        }
        return "\n".join(
            "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in settings), ""])
            for name, settings in sections.items()
        )

    def _relations(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (
            ("After", self.after),
            ("Wants", self.wants),
            ("RequiresMountsFor", self.mounts),
        )

    def provision(self, *more: GuestFile) -> Provision:
        """The unit file and `more` files, the unit enabled."""
        file = GuestFile.text(f"{UNIT_FOLDER}/{self.unit}", self.render())
        return Provision(files=(file, *more), units=(self.unit,))


def command_line(command: tuple[str, ...]) -> str:
    """`command` as an Exec line, escaped so that no word is expanded, split or read as a prefix."""
    program, *arguments = command
    optional = "-" if program.startswith("-") else ""
    return " ".join([optional + quoted(program.removeprefix("-")), *map(quoted, arguments)])


def quoted(word: str) -> str:
    """`word` quoted for systemd (systemd.syntax(7), systemd.service(5))."""
    safe = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(safe):
        return safe
    for char, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        safe = safe.replace(char, escape)
    return f'"{safe}"'
