"""The families of faults: what is in the catalog, and what is refused there."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from edge_lab.core.errors import InputError
from edge_lab.devices.faults import DeviceFault
from edge_lab.faults import catalog as catalogs
from edge_lab.faults import kinds
from edge_lab.faults.catalog import BUILT_IN, Catalog, built_in, catalog, family_of, kind_named
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.families.device import proofs as device_proofs
from edge_lab.faults.families.link import proofs as link_proofs
from edge_lab.faults.families.memory import injector as memory_injector
from edge_lab.faults.families.memory import process as memory_process
from edge_lab.faults.families.node import injector as node_injector
from edge_lab.faults.family import FaultFamily, Injector, LabAccess, for_kind
from edge_lab.faults.injectors import LabInjectors
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.kinds import FAULT, Cut, Fault, Kill
from edge_lab.faults.limits import TimeLimit
from edge_lab.faults.plan import parse_plan, plan_schema
from edge_lab.faults.records import FaultRecord
from tests.faults.foreign import Site, modules_of_the_page, site
from tests.faults.plans import TOPOLOGY, plan_of

__all__ = ["site"]

KINDS = modules_of_the_page()["acme_load/kinds.py"]


class Anything(Injector[Fault]):
    def inject(self, fault: Fault) -> str:
        return "seen"

    def heal(self, fault: Fault) -> str:
        return "cured"


class Made(FaultFamily):
    """A family for tests, with other kinds and another name."""

    name = "load"
    kinds: ClassVar[tuple[type[Fault], ...]] = ()

    def __init__(self, *kinds: type[Fault]) -> None:
        self.made = 0
        self.kinds = kinds  # type: ignore[misc]

    def injector(self, lab: LabAccess, limit: TimeLimit) -> Injector[Fault]:
        self.made += 1
        return Anything()


# -- what is there -------------------------------------------------------------------------------


def test_each_kind_names_its_family_and_has_a_name_of_its_own() -> None:
    own = built_in()
    assert list(own.families) == [
        "link",
        "node",
        "device",
        "serial",
        "certificate",
        "authority",
        "memory",
    ]
    assert sum(len(family.kinds) for family in own.families.values()) == len(own.kinds)
    for name, kind in own.kinds.items():
        assert kind.model_fields["fault"].default == name
        assert kind in own.families[kind.family].kinds


def test_each_kind_has_a_proof_or_an_action_in_its_family() -> None:
    families = built_in().families
    assert set(link_proofs.PROOFS) == set(families["link"].kinds)
    assert set(node_injector.ACTIONS) == set(families["node"].kinds)
    assert set(memory_injector.INJECTORS) == set(families["memory"].kinds)
    by_process = {
        kind
        for kind, injector in memory_injector.INJECTORS.items()
        if injector is memory_process.ProcessInjector
    }
    assert set(memory_process.TAKERS) == by_process
    assert set(device_proofs.PROOFS) == set(typing.get_args(typing.get_args(DeviceFault)[0]))


def test_suites_can_import_each_kind_from_one_module() -> None:
    offered = {getattr(kinds, name) for name in kinds.__all__}
    assert set(built_in().kinds.values()) <= offered


class Idle(Kill):
    """A good kind of the family that is made for tests."""

    family: ClassVar[str] = "load"
    fault: Literal["idle"] = "idle"  # type: ignore[assignment]


class Strange(Kill):
    """A kind that nobody has put into its family."""


def test_a_kind_that_its_family_does_not_have_is_refused_and_falls_through_to_none() -> None:
    strange = Strange(node="edge-arm", service="kubelet.service")
    with pytest.raises(InputError) as caught:
        family_of(strange)
    assert "Strange" in caught.value.message
    for table in (link_proofs.PROOFS, node_injector.ACTIONS):
        with pytest.raises(InputError):
            for_kind(table, strange)


@pytest.mark.parametrize(("said", "meant"), [("cutt", "'cut'"), ("reboots", "'reboot'")])
def test_an_unknown_kind_is_answered_with_what_was_meant(said: str, meant: str) -> None:
    for ask in (kind_named, lambda name: FAULT.validate_python({"fault": name})):
        with pytest.raises(InputError) as caught:
            ask(said)
        assert repr(said) in caught.value.message
        assert meant in caught.value.remedy


@pytest.mark.parametrize("value", [{}, {"link": "arm-cloud"}, "cut", None])
def test_what_is_no_mapping_with_a_name_is_no_fault(value: object) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        FAULT.validate_python(value)


def test_a_family_of_edge_lab_is_one_entry_in_the_catalog(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install_the_page_s()
    foreign = catalog().families["load"].kinds
    site.uninstall_all()
    monkeypatch.setattr(catalogs, "BUILT_IN", {**BUILT_IN, "load": lambda: Made(*foreign)})
    built_in.cache_clear()
    try:
        assert "PlannedCpuHog" in plan_schema()["$defs"]
        assert FAULT.validate_python({"fault": "cpu-hog", "node": "edge-arm"}).family == "load"
    finally:
        monkeypatch.undo()
        built_in.cache_clear()


# -- what is refused -----------------------------------------------------------------------------


def refused() -> InputError:
    with pytest.raises(InputError) as caught:
        catalog()
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    "text",
    ["import nowhere_to_be_found", "raise OSError('no disk')", "Brocken = 1", "Broken = object"],
)
def test_a_family_that_cannot_be_loaded_names_its_distribution(site: Site, text: str) -> None:
    site.install("acme-broken", "broken = acme_broken:Broken", {"acme_broken.py": text})
    assert "acme-broken" in refused().message
    with pytest.raises(InputError):
        parse_plan(plan_of("{fault: cut, link: arm-cloud, at: 0, for: 9}"), TOPOLOGY)


def test_no_broken_distribution_stands_in_the_way_of_a_heal(site: Site, tmp_path: Path) -> None:
    site.install("acme-broken", "broken = acme_broken:Broken", {"acme_broken.py": "1 / 0"})
    refused()
    record = FaultRecord(id=1, fault=Cut(link="arm-cloud"), began=1)
    journal = FaultJournal(tmp_path)
    journal.enter(record)
    engine = FaultEngine(journal, lambda fault: Anything())
    assert engine.active() == (record,)
    assert family_of(record.fault).name == "link"
    engine.heal_all()
    assert engine.active() == ()


def test_two_families_of_one_name_are_refused_with_both_distributions(site: Site) -> None:
    site.install_the_page_s()
    other = {"acme_other.py": "from acme_load import Load\n"}
    site.install("acme-other", "load = acme_other:Load", other)
    assert {"acme-load", "acme-other"} <= set(refused().message.replace("'", " ").split())


def test_a_family_of_a_name_of_edge_lab_s_own_is_refused(site: Site) -> None:
    family = "from edge_lab.faults.families.link import Links\n"
    site.install("acme-link", "link = acme_link:Links", {"acme_link.py": family})
    assert "acme-link" in refused().message


# What of the family on the page is replaced by what.
BAD_KINDS = {
    "the name of another fault": ('"cpu-hog"', '"cut"'),
    "no name": ('    fault: Literal["cpu-hog"] = "cpu-hog"\n', ""),
    "a name that may be any": ('Literal["cpu-hog"]', "str"),
    "another family": ('ClassVar[str] = "load"', 'ClassVar[str] = "node"'),
    "no family": ('    family: ClassVar[str] = "load"\n', ""),
    "a field that plans have": ("percent", "at"),
    "no scope": ("    def scope(", "    def skope("),
}


@pytest.mark.parametrize("case", BAD_KINDS)
def test_a_kind_that_could_not_be_used_is_refused_with_its_distribution(
    site: Site, case: str
) -> None:
    old, new = BAD_KINDS[case]
    assert old in KINDS
    modules = {**modules_of_the_page(), "acme_load/kinds.py": KINDS.replace(old, new)}
    site.install("acme-load", "load = acme_load:Load", modules)
    assert "acme-load" in refused().message


def test_a_family_whose_entry_point_has_another_name_is_refused(site: Site) -> None:
    site.install("acme-load", "lode = acme_load:Load", modules_of_the_page())
    assert "acme-load" in refused().message


def test_two_kinds_of_one_name_in_one_family_are_refused() -> None:
    with pytest.raises(InputError):
        Catalog.of([(Made(Idle, Idle), "acme")])


# -- injectors -----------------------------------------------------------------------------------


def test_an_injector_is_made_when_its_family_is_first_used_and_once() -> None:
    family = Made()
    unused: typing.Any = None
    injectors = LabInjectors(unused, unused, lambda fault: family)
    assert family.made == 0
    first = injectors(Cut(link="arm-cloud"))
    assert injectors(Cut(link="riscv-cloud")) is first
    assert family.made == 1
