"""A domain that ends while it is looked at."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import libvirt
import pytest

from edge_lab.core.errors import LabError
from edge_lab.machines.daemon import LibvirtDaemon
from edge_lab.machines.libvirt_domain import LibvirtDomain


class Trouble(libvirt.libvirtError):  # type: ignore[misc]
    def __init__(self, code: int) -> None:
        Exception.__init__(self, "planted")
        self._code = code

    def get_error_code(self) -> int:
        return self._code


def domain(look: Any) -> LibvirtDomain:
    """One that is found, and then answers as `look` does."""
    found = SimpleNamespace(isActive=look, state=look)
    daemon = SimpleNamespace(connection=SimpleNamespace(lookupByUUIDString=lambda _: found))
    return LibvirtDomain("server", UUID(int=1), cast(LibvirtDaemon, daemon), Path("/nowhere"))


def raising(code: int) -> Any:
    def look() -> Any:
        raise Trouble(code)

    return look


def test_one_that_ended_since_it_was_looked_up_is_off() -> None:
    gone = domain(raising(libvirt.VIR_ERR_NO_DOMAIN))
    assert not gone.is_on
    assert gone.state == "off"


def test_any_other_trouble_is_the_labs() -> None:
    broken = domain(raising(libvirt.VIR_ERR_SYSTEM_ERROR))
    with pytest.raises(LabError):
        _ = broken.is_on
    with pytest.raises(LabError):
        _ = broken.state


def test_one_that_runs_is_on() -> None:
    assert domain(lambda: 1).is_on
    assert domain(lambda: (libvirt.VIR_DOMAIN_RUNNING, 0)).state == "running"


class FakeDomain:
    """As much of a domain of libvirt as memory is set on; KiB."""

    def __init__(self) -> None:
        self.actual = 2048 * 1024
        self.told: list[tuple[int, int]] = []

    def setMemoryFlags(self, kib: int, flags: int) -> int:  # noqa: N802 - libvirt's name
        self.told.append((kib, flags))
        return 0

    def memoryStats(self) -> dict[str, int]:  # noqa: N802 - libvirt's name
        return {"actual": self.actual, "rss": 1} if self.actual else {"rss": 1}


def found(fake: FakeDomain) -> LibvirtDomain:
    daemon = SimpleNamespace(connection=SimpleNamespace(lookupByUUIDString=lambda _: fake))
    return LibvirtDomain("server", UUID(int=1), cast(LibvirtDaemon, daemon), Path("/nowhere"))


def test_memory_is_set_on_the_running_domain_only_and_read_as_it_is() -> None:
    fake = FakeDomain()
    found(fake).set_memory(1200)
    assert fake.told == [(1200 * 1024, libvirt.VIR_DOMAIN_AFFECT_LIVE)]
    assert found(fake).memory_mib() == 2048  # the guest has not followed yet
    fake.actual = 1200 * 1024
    assert found(fake).memory_mib() == 1200


def test_memory_that_libvirt_does_not_report_is_the_labs_trouble() -> None:
    fake = FakeDomain()
    fake.actual = 0
    with pytest.raises(LabError, match="how much memory"):
        found(fake).memory_mib()
