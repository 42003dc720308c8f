"""Which add-ons there are: the lab's own, and those that another distribution brings."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from edge_lab.addons import AddOn, find_addon, get_platform, known_addons, load_topology
from edge_lab.addons.catalog import ADDONS, declared_capabilities
from edge_lab.core.errors import InputError
from edge_lab.fixtures.capabilities import known_runtimes
from edge_lab.stacks import get_stack, stack_names
from edge_lab.topology import Topology
from tests.conftest import LABS, ROOT

THIRD_PARTY = """
from edge_lab.addons import AddOn, Stage

class Beacon(AddOn):
    name = "beacon"
    declares = frozenset({"beacon"})

    def manifests(self, ctx, stage):
        if stage is not Stage.NODES_READY:
            return ()
        return ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "beacon"}},)

    def capabilities(self, topology, node, stack):
        return self.declares if node in topology.edges else frozenset()

class NoAddOn:
    pass
"""

THIRD_RUNTIME = """
from edge_lab.stacks.kubelet import Kubelet

class Nimbus(Kubelet):
    name = "nimbus"
"""


class Distribution:
    """A folder on the path of imports with a package and its entry points."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "lab_beacon.py").write_text(THIRD_PARTY)
        (folder / "lab_nimbus.py").write_text(THIRD_RUNTIME)

    def brings(
        self, entry_points: str, name: str = "lab-beacon", group: str = "edge_lab.addons"
    ) -> None:
        info = self.folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{entry_points}\n")


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Distribution:
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in ("lab_beacon", "lab_nimbus"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return Distribution(tmp_path)


def with_addons(folder: Path, addons: str) -> Path:
    text = (LABS / "default.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("addons:")]
    file = folder / "lab.yaml"
    file.write_text("\n".join([*lines, f"addons: {addons}", ""]), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ADDONS)
def test_each_is_called_as_it_is_listed(name: str) -> None:
    assert find_addon(name).name == name
    assert name in known_addons()


def test_an_unknown_one_is_told_with_its_neighbour() -> None:
    with pytest.raises(InputError) as caught:
        find_addon("workloads")
    assert "'workload'" in caught.value.remedy


def test_another_distribution_brings_one_without_a_fork(
    distribution: Distribution, tmp_path: Path
) -> None:
    distribution.brings("beacon = lab_beacon:Beacon")
    assert "beacon" in known_addons()
    assert "beacon" in declared_capabilities()
    topology = load_topology(with_addons(tmp_path, "[twins, workload, beacon]"))
    platform = get_platform("kubernetes+openyurt", topology)
    assert platform.addons[-1].name == "beacon"
    able = platform.capabilities(topology)
    assert "beacon" in able["edge-arm"]
    assert "beacon" not in able["server"]


def test_another_distribution_brings_an_edge_runtime(
    distribution: Distribution, default_topology: Topology
) -> None:
    distribution.brings("nimbus = lab_nimbus:Nimbus", group="edge_lab.edge_runtimes")
    assert {"kubernetes+nimbus", "k3s+nimbus"} <= set(stack_names())
    platform = get_platform("kubernetes+nimbus", default_topology)
    assert platform.name == "kubernetes+nimbus"
    assert "nimbus" in known_runtimes()
    with pytest.raises(InputError) as caught:
        get_stack("kubernetes+nimbu")
    assert "kubernetes+nimbus" in caught.value.remedy


def test_before_it_is_installed_its_topology_is_refused_with_the_line(tmp_path: Path) -> None:
    file = with_addons(tmp_path, "[twins, workload, beacon]")
    with pytest.raises(InputError) as caught:
        load_topology(file)
    assert caught.value.file == str(file)
    (line,) = [
        number
        for number, text in enumerate(file.read_text().splitlines(), 1)
        if text.startswith("addons:")
    ]
    assert caught.value.line == line


@pytest.mark.parametrize(
    "value", ["lab_beacon:NoAddOn", "lab_beacon:Nothing", "no_such_module:Beacon"]
)
def test_one_that_cannot_be_loaded_names_its_distribution(
    distribution: Distribution, value: str
) -> None:
    distribution.brings(f"beacon = {value}")
    with pytest.raises(InputError, match="lab-beacon"):
        find_addon("beacon")
    find_addon("workload")  # nothing else is touched


def test_an_entry_point_of_another_name_than_its_add_on_is_refused(
    distribution: Distribution,
) -> None:
    distribution.brings("lighthouse = lab_beacon:Beacon")
    with pytest.raises(InputError, match="lab-beacon"):
        find_addon("lighthouse")


@pytest.mark.parametrize("entry", ["workload = lab_beacon:Beacon", "no/name = lab_beacon:Beacon"])
def test_a_name_that_is_taken_or_none_is_refused(distribution: Distribution, entry: str) -> None:
    distribution.brings(entry)
    with pytest.raises(InputError, match="lab-beacon"):
        known_addons()


def test_two_distributions_cannot_bring_one_name(distribution: Distribution) -> None:
    distribution.brings("beacon = lab_beacon:Beacon")
    distribution.brings("beacon = lab_beacon:NoAddOn", name="another")
    with pytest.raises(InputError, match="another"):
        known_addons()


def test_an_add_on_that_overrides_nothing_wants_and_makes_nothing(
    default_topology: Topology,
) -> None:
    class Nothing(AddOn):
        name = "nothing"

    platform = get_platform("kubernetes+openyurt", default_topology)
    addon, (node, *_) = Nothing(), default_topology.nodes
    assert addon.asked_for_at(default_topology) is None
    assert not addon.wants(default_topology, platform.stack)
    assert not addon.images(default_topology)
    assert not addon.identities(default_topology)
    assert not addon.units(default_topology, node, platform.stack)
    assert not addon.capabilities(default_topology, node, platform.stack)
    assert not addon.versions(default_topology)


def test_all_add_ons_are_kept_apart_by_import_linter() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    apart = {
        module
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "independence"
        for module in contract["modules"]
    }
    packages = {
        ".".join(addon.__module__.split(".")[:3]) for addon in map(type, map(find_addon, ADDONS))
    }
    assert packages <= apart
