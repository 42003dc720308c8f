"""Parts of the suite that need no machine: what is undone on a node, and what is read of it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge_lab.addons.gvisor.containerd import behind_runc_shim, containerd_config
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.fixtures.nodes import LabNode
from edge_lab.handle.lab import Lab
from edge_lab.oracles.sandbox.neighbours import Load, Look, Window
from edge_lab.topology import Arch
from suites.sandbox import critestrun, test_neighbours
from suites.sandbox.bombrun import _pids
from suites.sandbox.critestrun import PLAIN_HANDLER, plain_runsc, without_agents
from suites.sandbox.targets import metadata_service


class FakeNode:
    """Keeps what is run on it; `answer` may refuse."""

    name = "edge"

    def __init__(self, answer: Callable[[str], str] = lambda command: "") -> None:
        self.commands: list[str] = []
        self._answer = answer

    def output(self, command: str, *, seconds: float = 60.0) -> str:
        self.commands.append(command)
        return self._answer(command)

    def succeeds(self, command: str, *, seconds: float = 60.0) -> bool:
        self.commands.append(command)
        return True


def node(answer: Callable[[str], str] = lambda command: "") -> tuple[FakeNode, LabNode]:
    fake = FakeNode(answer)
    return fake, cast(LabNode, fake)


LAB = cast(
    Lab, SimpleNamespace(stack=SimpleNamespace(runtime=SimpleNamespace(agents=("a.service",))))
)


@pytest.fixture(autouse=True)
def always_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critestrun, "is_ready", lambda *args: True)


def refusing(what: str) -> Callable[[str], str]:
    def answer(command: str) -> str:
        if what in command:
            raise LabError("refused")
        return ""

    return answer


def test_agents_are_started_again_whatever_comes() -> None:
    for what in ("stop a.service", "-remove-left", "stop edge-lab-critest"):
        fake, given = node(refusing(what))
        with pytest.raises(LabError), without_agents(LAB, given, Deadline.after):
            pass
        assert "systemctl start a.service" in fake.commands


def test_what_is_left_is_removed_before_agents_see_it() -> None:
    fake, given = node()
    with without_agents(LAB, given, Deadline.after):
        pass
    order = [
        next(at for at, command in enumerate(fake.commands) if word in command)
        for word in ("stop a.service", "-remove-left", "start a.service")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("arch", [Arch.X86_64, Arch.AARCH64])
def test_a_plain_runtime_is_one_more(arch: Arch) -> None:
    text = containerd_config(arch, behind_runc_shim(), default=False) + critestrun._PLAIN_RUNTIME
    section: Any = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]
    assert set(section["runtimes"]) == {"runc", "runsc", PLAIN_HANDLER}
    assert section["default_runtime_name"] == "runc"


def test_containerd_has_its_own_configuration_again() -> None:
    fake, given = node(refusing("-remove-left"))
    with pytest.raises(LabError), plain_runsc(given):
        pass
    assert fake.commands[-1].startswith("[ ! -e ")


def test_no_metadata_service_is_left() -> None:
    fake, given = node(refusing("systemd-run"))
    with pytest.raises(LabError), metadata_service(given):
        pass
    assert "ip address del 169.254.169.254/32 dev lo" in fake.commands[-1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ("", 0)),
        ("512\nmax 0", ("512", 0)),
        ("512\nmax 31", ("512", 31)),
        ("max\nmax 0", ("max", 0)),
        ("512", ("512", 0)),
    ],
)
def test_a_limit_of_processes_is_read_with_how_often_it_was_met(
    text: str, found: tuple[str, int]
) -> None:
    assert _pids(node(lambda command: text)[1], "uid") == found


# -- noise -------------------------------------------------------------------------------------


def window(cpus: float = 0.0, mib: float = 5.0, frames: int = 40) -> Window:
    before = Look(0, 0, 0, Load(0.0, 0, 0.0, 0))
    return Window(before, Look(40, 40, 0, Load(40.0, round(cpus * 40e6), mib, frames)))


QUIET = window()


@pytest.mark.parametrize(
    ("noise", "free", "limited"),
    [
        ("cpu", window(cpus=0.8), window(cpus=0.1)),
        ("cache", window(cpus=0.3, mib=270), window(cpus=0.3, mib=120)),
        ("flood", window(frames=4000), None),
    ],
)
def test_noise_that_limits_bound_is_as_it_should_be(
    noise: str, free: Window, limited: Window | None
) -> None:
    found = {test_neighbours.ALONE: QUIET, test_neighbours.FREE: free}
    if limited is not None:
        found[test_neighbours.LIMITED] = limited
    test_neighbours.assert_noise(noise, found)
    with pytest.raises(AssertionError):
        test_neighbours.assert_noise(noise, {**found, test_neighbours.FREE: QUIET})
    if limited is not None:
        with pytest.raises(AssertionError):
            test_neighbours.assert_noise(noise, {**found, test_neighbours.LIMITED: free})
