"""What a pod sees under gVisor, by release. Sources: docs/sandbox.md."""

from __future__ import annotations

from dataclasses import dataclass

ALWAYS_ABSENT = frozenset(
    {
        "/proc/kallsyms",
        "/proc/modules",
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/interrupts",
        "/proc/sys/kernel/core_pattern",
        "/sys/class/net",
        "/sys/kernel/notes",
    }
)
"""Files that every Linux node has, and gVisor has not."""
OSRELEASE = "/proc/sys/kernel/osrelease"

UNAME_VERSION = "#1 SMP Sun Jan 10 15:06:54 PST 2016"


@dataclass(frozen=True)
class GvisorRelease:
    """The releases from one on, until the next that differs."""

    since: str
    """yyyymmdd."""
    uname_release: str
    absent: frozenset[str] = ALWAYS_ABSENT

    @property
    def proc_version(self) -> str:
        """/proc/version, which names no compiler."""
        return f"Linux version {self.uname_release} {UNAME_VERSION}"


RELEASE_2024 = GvisorRelease("20240729", "4.4.0", ALWAYS_ABSENT | {OSRELEASE})
"""Debian's. From January 2026 on there is also an osrelease, see `RELEASE_2026`."""
RELEASE_2026 = GvisorRelease("20260504", "4.19.0-gvisor")

RELEASES = (RELEASE_2024, RELEASE_2026)


def release_of(uname_release: str) -> GvisorRelease | None:
    """The release with this name; None if there is none."""
    return next((release for release in RELEASES if release.uname_release == uname_release), None)
