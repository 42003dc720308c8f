"""Topologies whose add-ons do not fit are refused, at the line that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_lab.addons import AddOn, Platform, catalog, get_platform, load_topology
from edge_lab.core.errors import InputError
from edge_lab.stacks import get_stack
from edge_lab.topology import Topology
from tests.conftest import LABS


class NeedsAutonomy(AddOn):
    name = "gitops"
    needs_addons = ("workload",)
    needs_capabilities = frozenset({"autonomy"})


@pytest.fixture(autouse=True)
def _with_gitops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "ADDONS", {**catalog.ADDONS, "gitops": NeedsAutonomy})


Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    def with_lines(**lines: str) -> str:
        """The line at which the default topology is refused with these in place of its own."""
        text = (LABS / "default.yaml").read_text(encoding="utf-8").splitlines()
        kept = [line for line in text if line.partition(":")[0] not in lines]
        file = tmp_path / "lab.yaml"
        file.write_text(
            "\n".join([*kept, *(f"{key}: {value}" for key, value in lines.items()), ""]),
            encoding="utf-8",
        )
        with pytest.raises(InputError) as caught:
            load_topology(file)
        assert caught.value.file == str(file)
        assert caught.value.line is not None
        return file.read_text().splitlines()[caught.value.line - 1]

    return with_lines


def test_an_add_on_that_needs_another(refused: Refused) -> None:
    assert refused(addons="[twins, gitops]", stacks="[kubernetes+openyurt]").startswith("addons:")


def test_an_add_on_that_needs_what_a_stack_lacks(refused: Refused) -> None:
    stacks = "[kubernetes+openyurt, kubernetes+kubelet]"
    line = refused(addons="[twins, workload, gitops]", stacks=stacks)
    assert line.startswith("stacks:")


def test_it_is_accepted_where_all_is_there(tmp_path: Path) -> None:
    text = (LABS / "minimal.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(("addons:", "stacks:"))]
    file = tmp_path / "lab.yaml"
    added = ["stacks: [kubernetes+openyurt]", "addons: [twins, workload, gitops]", ""]
    file.write_text("\n".join([*lines, *added]), encoding="utf-8")
    topology = load_topology(file)
    assert [addon.name for addon in get_platform("kubernetes+openyurt", topology).addons] == [
        "twins",
        "workload",
        "gitops",
    ]


def test_twins_without_their_add_on(refused: Refused) -> None:
    assert "twins: [edge-arm]" in refused(addons="[workload]")


@pytest.mark.parametrize("addons", ["[workload, twins, workload]", "[workload, nothing]", "[../x]"])
def test_add_ons_that_are_listed_twice_or_unknown(refused: Refused, addons: str) -> None:
    assert refused(addons=addons).startswith("addons:")


def test_a_stack_that_was_pinned_is_checked_too(default_topology: Topology) -> None:
    platform = Platform(get_stack("kubernetes+kubelet"), (NeedsAutonomy(),))
    with pytest.raises(InputError, match="autonomy"):
        platform.check(default_topology)
    Platform(get_stack("kubernetes+openyurt"), (NeedsAutonomy(),)).check(default_topology)


@pytest.mark.parametrize("runtime", ["gvisor", "kata"])
def test_a_container_runtime_that_no_add_on_brings(tmp_path: Path, runtime: str) -> None:
    text = (LABS / "minimal.yaml").read_text(encoding="utf-8")
    file = tmp_path / "lab.yaml"
    wanted = f"role: edge, container_runtime: {runtime}}}"
    file.write_text(text.replace("role: edge}", wanted), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_topology(file)
    assert caught.value.line is not None
    assert wanted in file.read_text().splitlines()[caught.value.line - 1]
    assert ("Add gvisor" in caught.value.remedy) == (runtime == "gvisor")


def test_a_container_runtime_that_an_add_on_brings(tmp_path: Path) -> None:
    text = (LABS / "minimal.yaml").read_text(encoding="utf-8")
    file = tmp_path / "lab.yaml"
    text = text.replace("role: edge}", "role: edge, container_runtime: gvisor}")
    file.write_text(f"{text}addons: [workload, twins, gvisor]\n", encoding="utf-8")
    assert load_topology(file).node("edge-arm").container_runtime == "gvisor"
