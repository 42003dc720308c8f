"""Components that another distribution brings: planned, pinned and refused as any other."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge_lab.addons import get_platform, load_topology
from edge_lab.artifacts import ArtifactStore, Availability, CannotObtain, Want
from edge_lab.bringup import plan as planning
from edge_lab.cli.app import app
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.core.plugins import PluginGroup
from edge_lab.doctor import doctor
from edge_lab.images import EDGE_PROGRAM, PAUSE
from edge_lab.topology import Arch, Topology
from tests.images.test_oci import Layout as ReadLayout
from tests.images.test_oci import fake_busybox
from tests.plugins.site import (
    AGENT,
    METER,
    METER_FILE,
    Site,
    meter_archive,
    sha256,
    topology_with,
)
from tests.test_doctor import FakeHost

STACK = "kubernetes+openyurt"


def with_everything_else(mirror: Path, topology: Topology) -> None:
    """The rest of what a lab needs, each file with a checksum beside it."""
    for want in get_platform(STACK, topology).wants(topology):
        for pattern in ("{0}-*-linux-{1}", "acme/{0}-*"):
            if list(mirror.glob(pattern.format(want.component, want.arch.go))):
                break
        else:
            version = ArtifactStore.default().state([want])[0].version
            file = mirror / f"{want.component}-{version}-linux-{want.arch.go}"
            content = f"{want}".encode()
            file.write_bytes(content)
            file.with_name(f"{file.name}.sha256").write_text(sha256(content))


@dataclass(frozen=True)
class FakeRoot:
    digest: str
    busybox: Path


@pytest.fixture
def plan(
    pinned: Site, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> planning.Plan:
    topology = load_topology(topology_with(tmp_path))
    with_everything_else(mirror, topology)
    roots = {arch: FakeRoot("d", fake_busybox(tmp_path, arch)) for arch in Arch}
    monkeypatch.setattr(planning, "build_root_image", lambda arch, deadline, variant: roots[arch])
    return planning.make_plan(topology, STACK, Deadline.after(60))


def test_a_lab_is_planned_with_components_and_images_of_another_distribution(
    plan: planning.Plan,
) -> None:
    by_want = plan.artifacts
    agent = by_want[Want("acme-agent", Arch.RISCV64)]
    assert agent.path.read_bytes() == AGENT[Arch.RISCV64]
    assert by_want[METER].source.endswith(METER_FILE)
    versions = plan.platform.versions(by_want, plan.given)
    assert (versions["acme-agent"], versions["acme-meter"]) == ("0.1.0", "2.1.0")
    layout = ReadLayout(plan.container_images.archives[Arch.AARCH64])
    names = {
        each["annotations"]["io.containerd.image.name"]
        for each in layout.json("index.json")["manifests"]
    }
    assert {"acme.example/agent:0.1.0", "acme.example/meter:2.1.0", PAUSE} <= names
    index = json.loads(layout.blob(layout.index_of("acme.example/meter:2.1.0")))
    own = [each for each in index["manifests"] if each["platform"]["architecture"] == "arm64"]
    (layer,) = json.loads(layout.blob(own[0]))["layers"]
    assert b"meter for arm64" in layout.blob(layer)
    others = {each["digest"].partition(":")[2] for each in index["manifests"]} - {
        own[0]["digest"].partition(":")[2]
    }
    assert not others & {name.rpartition("/")[2] for name in layout.names}


def test_a_checkpoint_does_not_fit_a_lab_with_another_image(
    plan: planning.Plan, pinned: Site, mirror: Path
) -> None:
    before = plan.digest()
    assert planning.make_plan(plan.given, STACK, Deadline.after(60)).digest() == before
    digest = meter_archive(mirror / METER_FILE, text="a newer meter")
    pinned.pin("acme-meter", dict.fromkeys(Arch, digest))
    assert planning.make_plan(plan.given, STACK, Deadline.after(60)).digest() != before


def test_the_doctor_lists_them(pinned: Site, mirror: Path, tmp_path: Path) -> None:
    topology = load_topology(topology_with(tmp_path))
    report = doctor(topology, host=FakeHost(), accelerator=lambda: FakeAccelerator())
    rows = {(row.component, row.arch): row for row in report.artifacts}
    for arch in (Arch.AARCH64, Arch.RISCV64):
        meter, agent = rows["acme-meter", arch], rows["acme-agent", arch]
        assert (meter.state, meter.version) == (Availability.AVAILABLE, "2.1.0")
        assert meter.source == f"mirror {mirror / METER_FILE}"
        assert agent.state is Availability.AVAILABLE


class FakeAccelerator:
    name, reason = "tcg", ""


def test_go_modules_are_built_from_their_owners_folder(pinned: Site) -> None:
    (row,) = ArtifactStore.default().state([Want("kine", Arch.X86_64)])
    assert "images/go" not in row.source  # no Go, and nothing in the mirror
    (pinned.package / "go/agent/go.mod").write_text("module example.org/acme/agent\n\ngo 1.26\n")
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().resolve([Want("acme-agent", Arch.X86_64)], Deadline.after(60))
    assert str(pinned.package / "go/agent") in caught.value.message
    assert (caught.value.file, caught.value.line) == (str(pinned.lock), pinned.line('"acme-agent"'))
    assert "lab doctor --lock --of acme" in caught.value.remedy
    ArtifactStore.default().update_lock("acme")
    ArtifactStore.default().resolve([Want("acme-agent", Arch.X86_64)], Deadline.after(60))


def test_edge_labs_own_lock_is_left_alone(pinned: Site) -> None:
    names = json.loads(pinned.lock.read_text())["components"]
    assert set(names) == {"acme-agent", "acme-meter"}
    assert ArtifactStore.default().update_lock() == ()


def test_the_command_pins_the_set_that_is_named(acme: Site, tmp_path: Path) -> None:
    topology = tmp_path / "lab.yaml"
    topology.write_text("name: [")  # so that nothing is examined afterwards
    for name, written in (("acne", False), ("acme", True)):
        done = CliRunner().invoke(app, ["doctor", str(topology), "--lock", "--of", name])
        assert isinstance(done.exception, InputError)
        assert acme.lock.exists() is written


# -- what is refused ---------------------------------------------------------------------


def test_a_lock_that_lacks_the_component_is_named(pinned: Site) -> None:
    lock = json.loads(pinned.lock.read_text())
    del lock["components"]["acme-meter"]
    pinned.lock.write_text(json.dumps(lock, indent=2))
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().resolve([METER], Deadline.after(60))
    assert (caught.value.file, caught.value.line) == (str(pinned.lock), pinned.line('"components"'))
    assert "lab doctor --lock --of acme" in caught.value.remedy
    (row,) = ArtifactStore.default().state([METER])
    assert row.state is Availability.MISSING
    assert "lab doctor --lock --of acme" in row.remedy


def test_each_of_several_wants_is_checked(pinned: Site) -> None:
    wants = [Want(name, Arch.AARCH64) for name in ("acme-agent", "acme-meter")]
    lock = json.loads(pinned.lock.read_text())
    for name in lock["components"]:
        incomplete = {**lock, "components": {**lock["components"]}}
        del incomplete["components"][name]
        pinned.lock.write_text(json.dumps(incomplete))
        for order in (wants, wants[::-1]):
            with pytest.raises(InputError, match=f"{name} is not in the lock"):
                ArtifactStore.default().resolve(order, Deadline.after(60))


def test_a_lock_that_lacks_the_architecture_is_named_with_its_line(pinned: Site) -> None:
    pinned.pin("acme-meter", {Arch.X86_64: "a" * 64})
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().resolve([METER], Deadline.after(60))
    lines = pinned.lock.read_text().splitlines()
    assert caught.value.file == str(pinned.lock)
    assert lines[caught.value.line - 1].strip() == '"files": {'
    assert caught.value.line > pinned.line('"acme-meter"')
    assert "aarch64" in caught.value.remedy
    (row,) = ArtifactStore.default().state([METER])
    assert (row.state, "aarch64" in row.remedy) == (Availability.MISSING, True)


def test_a_file_of_another_digest_is_refused_with_the_line_of_its_pin(
    pinned: Site, mirror: Path
) -> None:
    (mirror / METER_FILE).write_bytes(b"something else")
    with pytest.raises(CannotObtain) as caught:
        ArtifactStore.default().resolve([METER], Deadline.after(60))
    (refusal,) = [each for each in caught.value.failures[METER] if METER_FILE in each.reason]
    lines = pinned.lock.read_text().splitlines()
    at = next(
        n
        for n, line in enumerate(lines, 1)
        if n > pinned.line('"acme-meter"') and line.strip().startswith('"aarch64"')
    )
    assert f"{pinned.lock}:{at}" in refusal.reason
    assert str(mirror / METER_FILE) in refusal.reason
    assert "lab doctor --lock" in refusal.reason


def test_a_damaged_lock_of_another_distribution_spares_edge_labs_own(pinned: Site) -> None:
    pinned.lock.write_text('{\n"components": {\n')
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().resolve([METER], Deadline.after(60))
    assert (caught.value.file, caught.value.line) == (str(pinned.lock), 3)
    ArtifactStore.default().state([Want(EDGE_PROGRAM, Arch.X86_64)])


def bring_another(site: Site, name: str, version: str = "9") -> Path:
    """Installs a distribution with one component of that name; returns its lock."""
    site.install(
        "lab-other",
        "[edge_lab.components]\nother = lab_other:parts\n",
        "from pathlib import Path\n"
        "from edge_lab.artifacts import Component, ComponentSet\n"
        "def parts():\n"
        f"    return ComponentSet('other', (Component({name!r}, {version!r}),),\n"
        "        Path(__file__).with_name('other.lock'), Path(__file__).parent)\n",
    )
    lock = site.folder / "other.lock"
    lock.write_text(json.dumps({"components": {name: {"version": version}}}, indent=2))
    return lock


@pytest.mark.parametrize(("taken", "by"), [("acme-meter", "lab-acme"), ("kubectl", "edge-lab")])
def test_a_name_that_two_use_is_refused_with_both(pinned: Site, taken: str, by: str) -> None:
    lock = bring_another(pinned, taken)
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().resolve([METER], Deadline.after(60))
    assert (caught.value.file, caught.value.line) == (str(lock), 3)
    assert "lab-other" in caught.value.message
    assert by in caught.value.message
    assert caught.value.remedy
    pinned.uninstall("lab-other")
    ArtifactStore.default().resolve([METER], Deadline.after(60))


@pytest.mark.parametrize(("name", "version"), [("../up", "1"), ("acme-up", "1/2"), ("acme-up", "")])
def test_what_cannot_be_part_of_a_path_is_refused(pinned: Site, name: str, version: str) -> None:
    lock = bring_another(pinned, name, version)
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().state([METER])
    assert (caught.value.file, caught.value.line) == (str(lock), 3)


def test_an_unknown_component_is_told_with_its_neighbour(pinned: Site) -> None:
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().state([Want("acme-metre", Arch.X86_64)])
    assert "'acme-meter'" in caught.value.remedy


def test_an_unknown_set_cannot_be_pinned(pinned: Site) -> None:
    with pytest.raises(InputError) as caught:
        ArtifactStore.default().update_lock("acne")
    assert "'acme'" in caught.value.remedy


def test_edge_labs_own_are_found_without_loading_any_other(
    pinned: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(PluginGroup, "find", lambda self, name: asked.append(name))
    ArtifactStore.default().state([Want("kubectl", Arch.X86_64)])
    assert not asked
