"""What nodes with CRI-O are given, and which topologies are refused. No CRI-O runs here; systemd
looks at the units."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.addons import find_addon, load_topology
from edge_lab.addons.cache.names import CERTS_D, pulls_through
from edge_lab.addons.containerd import root_config
from edge_lab.addons.crio.addon import CriO, images_service
from edge_lab.addons.crio.config import crio_config, registries_config, storage_config
from edge_lab.addons.crio.importing import IMPORT
from edge_lab.addons.crio.names import (
    COMPONENTS,
    CONFIG,
    CRI_O,
    CRICTL_CONFIG,
    POLICY,
    REGISTRIES_CONFIG,
    SKOPEO,
    STORAGE_CONFIG,
)
from edge_lab.addons.gvisor.addon import Gvisor
from edge_lab.addons.gvisor.names import GVISOR, has_gvisor
from edge_lab.artifacts import CATALOG, Want
from edge_lab.core.errors import InputError
from edge_lab.provisioning import cri
from edge_lab.provisioning.cri import cri_of
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import get_stack
from edge_lab.topology import Arch, Cri, External, Topology, TopologyProblem
from tests.addons.crio.conftest import ProvisionsOf
from tests.conftest import LABS
from tests.stacks.provisions import after, files_of, units_of, verify

STACK = "kubernetes+openyurt"
KUBELET = "/var/lib/kubelet/config.yaml"
ENDPOINT = "unix:///run/crio/crio.sock"


@pytest.fixture
def node(provisions_of: ProvisionsOf) -> Provision:
    return provisions_of(STACK)["edge-arm"]


def text_of(provision: Provision, path: str) -> str:
    return files_of(provision)[path].content.decode()


# -- configuration -------------------------------------------------------------------------


def containerd() -> dict[str, Any]:
    """The CRI's part of containerd's configuration on the same node without CRI-O."""
    plugins = tomllib.loads(root_config(Arch.AARCH64))["plugins"]
    section: dict[str, Any] = plugins["io.containerd.grpc.v1.cri"]
    return section


def test_sandboxes_cni_and_oci_runtime_are_those_of_containerd(node: Provision) -> None:
    config, other = tomllib.loads(text_of(node, CONFIG))["crio"], containerd()
    assert config["image"]["pause_image"] == other["sandbox_image"]
    assert config["image"]["pause_command"] == "", "that of the image"
    assert other["sandbox_image"] in config["image"]["pinned_images"]
    assert config["network"]["plugin_dirs"] == [other["cni"]["bin_dir"]]
    assert config["network"]["network_dir"] == other["cni"]["conf_dir"]
    runtime = config["runtime"]
    assert runtime["default_runtime"] == other["containerd"]["default_runtime_name"] == "runc"
    assert runtime["runtimes"].keys() == {"runc"}
    assert other["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False
    assert runtime["cgroup_manager"] == "cgroupfs"
    # The only one besides "" that CRI-O accepts with cgroupfs.
    assert runtime["runtimes"]["runc"]["monitor_cgroup"] == "pod"


def test_every_program_that_is_named_is_in_the_payload(node: Provision) -> None:
    runtime = tomllib.loads(text_of(node, CONFIG))["crio"]["runtime"]
    named = {runtime["pinns_path"], runtime["runtimes"]["runc"]["monitor_path"]}
    payload = {f"/opt/edge-lab/{file.path}" for file in node.payload}
    assert named == {"/opt/edge-lab/bin/pinns", "/opt/edge-lab/bin/conmon"}
    assert named <= payload
    assert {f"/opt/edge-lab/bin/{name}" for name in COMPONENTS} <= payload
    assert SKOPEO.command[-1] in payload
    # It executes itself again, so the loader and the C library are those of the node.
    assert SKOPEO.command[0] == "/usr/bin/env"
    assert not any("loader" in path or "libc.so" in path for path in payload)


def test_crio_and_skopeo_have_one_storage(node: Provision) -> None:
    storage = tomllib.loads(text_of(node, STORAGE_CONFIG))["storage"]
    config = tomllib.loads(text_of(node, CONFIG))["crio"]
    assert storage["driver"] == config["storage_driver"] == "overlay"
    assert storage["graphroot"] == config["root"]
    assert storage["runroot"] == config["runroot"]
    # Where observers look for running containers.
    assert cri.CRI_O.states.startswith(f"{config['runroot']}/overlay-containers/")


def test_what_decides_about_the_storage_after_an_unclean_stop_is_left_at_its_default(
    node: Provision,
) -> None:
    config = tomllib.loads(text_of(node, CONFIG))["crio"]
    assert not {"clean_shutdown_file", "internal_wipe", "internal_repair"} & config.keys()
    assert not any("wipe" in unit for unit in units_of(node))


def test_images_come_from_no_registry(node: Provision) -> None:
    assert tomllib.loads(text_of(node, REGISTRIES_CONFIG)) == {"unqualified-search-registries": []}
    assert json.loads(text_of(node, POLICY))["default"]


def test_crictl_speaks_to_crio(node: Provision) -> None:
    config = yaml.safe_load(text_of(node, CRICTL_CONFIG))
    assert config["runtime-endpoint"] == config["image-endpoint"] == ENDPOINT
    listen = tomllib.loads(text_of(node, CONFIG))["crio"]["api"]["listen"]
    assert f"unix://{listen}" == ENDPOINT


@pytest.mark.parametrize("text", [crio_config(), storage_config(), registries_config()])
def test_a_parser_would_refuse_a_file_that_is_cut_off(text: str) -> None:
    tomllib.loads(text)
    with pytest.raises(tomllib.TOMLDecodeError):
        tomllib.loads(text.rstrip()[:-1])


# -- who is told ---------------------------------------------------------------------------


def test_the_kubelet_connects_to_the_runtime_of_its_node(provisions_of: ProvisionsOf) -> None:
    provisions = provisions_of(STACK)
    endpoints = {
        name: yaml.safe_load(text_of(provision, KUBELET))["containerRuntimeEndpoint"]
        for name, provision in provisions.items()
    }
    assert endpoints == {
        "server": cri.CONTAINERD.endpoint,
        "edge-arm": ENDPOINT,
        "edge-riscv": cri.CONTAINERD.endpoint,
    }
    unit = units_of(provisions["edge-arm"])["kubelet.service"]
    assert "crio.service" in after(unit)
    assert "containerd" not in unit


def test_edgecore_connects_to_the_runtime_of_its_node(provisions_of: ProvisionsOf) -> None:
    provision = provisions_of("kubernetes+kubeedge")["edge-arm"]
    (config,) = (
        yaml.safe_load(file.content)
        for path, file in files_of(provision).items()
        if path.endswith("edgecore.yaml")
    )
    kubelet = config["modules"]["edged"]["tailoredKubeletConfig"]
    assert kubelet["containerRuntimeEndpoint"] == kubelet["imageServiceEndpoint"] == ENDPOINT
    assert "crio.service" in after(units_of(provision)["edgecore.service"])


def test_a_k3s_agent_connects_to_the_runtime_of_its_node(provisions_of: ProvisionsOf) -> None:
    provision = provisions_of("k3s+k3s")["edge-arm"]
    config = yaml.safe_load(text_of(provision, "/etc/rancher/k3s/config.yaml"))
    assert config["container-runtime-endpoint"] == ENDPOINT
    assert "crio.service" in after(units_of(provision)["k3s-agent.service"])


@pytest.mark.parametrize("name", ["server", "edge-riscv"])
def test_other_nodes_are_given_nothing_of_it(provisions_of: ProvisionsOf, name: str) -> None:
    provision = provisions_of(STACK)[name]
    assert not {CONFIG, STORAGE_CONFIG, IMPORT} & files_of(provision).keys()
    assert not {"crio.service", "containerd.service"} & units_of(provision).keys()
    assert not {f"bin/{program}" for program in COMPONENTS} & {
        file.path for file in provision.payload
    }


# -- units ---------------------------------------------------------------------------------


def test_containerd_is_masked(node: Provision) -> None:
    assert files_of(node)["/etc/systemd/system/containerd.service"].content == b""
    assert "containerd.service" not in node.units


@pytest.mark.skipif(not shutil.which("systemctl"), reason="no systemctl here")
@pytest.mark.parametrize("masked", [False, True])
def test_systemd_takes_the_empty_file_for_a_mask(
    node: Provision, tmp_path: Path, masked: bool
) -> None:
    packaged = tmp_path / "usr/lib/systemd/system/containerd.service"
    packaged.parent.mkdir(parents=True)
    packaged.write_text("[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
    if masked:
        own = tmp_path / "etc/systemd/system/containerd.service"
        own.parent.mkdir(parents=True)
        own.write_bytes(files_of(node)["/etc/systemd/system/containerd.service"].content)
    done = subprocess.run(
        ["systemctl", f"--root={tmp_path}", "is-enabled", "containerd.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip() == "masked") == masked


def test_its_units_are_enabled_and_awaited(lab: Topology, node: Provision) -> None:
    assert {"crio.service", "edge-lab-images.service"} <= set(node.units)
    arm = lab.node("edge-arm")
    assert CriO().units(lab, arm, get_stack(STACK)) == ("crio.service",)
    assert CriO().units(lab, lab.server, get_stack(STACK)) == ()


def test_systemd_accepts_the_units(node: Provision, tmp_path: Path) -> None:
    units = units_of(node)
    for name in ("crio.service", "edge-lab-images.service"):
        folder = tmp_path / name
        folder.mkdir()
        verify(folder, {name: with_program(units[name])})


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_would_complain_of_a_unit_that_is_wrong(node: Provision, tmp_path: Path) -> None:
    text = with_program(units_of(node)["crio.service"])
    with pytest.raises(AssertionError, match="nothing"):
        verify(tmp_path, {"crio.service": text.replace("Type=notify", "Type=nothing")})


def with_program(unit: str) -> str:
    """The unit with a program that exists here: systemd wants to see one that it could run."""
    found = "\n".join(
        "ExecStart=/bin/true" if line.startswith("ExecStart=") else line
        for line in unit.splitlines()
    )
    assert found != unit
    return f"{found}\n"


def test_containers_outlive_crio(node: Provision) -> None:
    unit = units_of(node)["crio.service"]
    settings = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    assert settings["Type"] == "notify"
    assert settings["KillMode"] == "process"
    assert settings["Delegate"] == "yes"
    assert settings["TasksMax"] == "infinity"
    assert settings["ExecStart"] == "/opt/edge-lab/bin/crio"


def test_images_are_imported_after_crio_has_looked_at_its_storage() -> None:
    unit = images_service().render()
    assert after(unit) == ["crio.service"]
    assert f"ExecStart={IMPORT}" in unit


# -- topologies ----------------------------------------------------------------------------


def test_programs_of_the_release_are_wanted_for_its_nodes_alone(lab: Topology) -> None:
    assert set(CriO().wants(lab, get_stack(STACK))) == {
        Want(name, Arch.AARCH64) for name in COMPONENTS
    }
    assert {CATALOG[name].version for name in COMPONENTS} == {"v1.34.8"}


def test_riscv64_and_the_server_lack_the_capability(lab: Topology) -> None:
    able = {node.name: CriO().capabilities(lab, node, get_stack(STACK)) for node in lab.nodes}
    assert able == {"server": frozenset(), "edge-arm": {CRI_O}, "edge-riscv": frozenset()}


def edited(tmp_path: Path, old: str, new: str) -> tuple[InputError, str]:
    """Why the lab with another text is refused, and the line that is named."""
    text = (LABS / "cri-o.yaml").read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "lab.yaml"
    file.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_topology(file)
    assert caught.value.line is not None
    return caught.value, file.read_text().splitlines()[caught.value.line - 1]


def test_riscv64_is_refused_with_the_line_and_a_remedy(tmp_path: Path) -> None:
    error, line = edited(tmp_path, "arch: riscv64", "arch: riscv64\n    cri: cri-o")
    assert "CRI-O is not released for riscv64" in error.message
    assert "containerd" in error.remedy
    assert line.strip() == "cri: cri-o"


def test_a_node_cannot_have_it_without_the_add_on(tmp_path: Path) -> None:
    error, line = edited(tmp_path, "addons: [cri-o, ", "addons: [")
    assert "cri-o" in error.message
    assert error.remedy == "Add cri-o to `addons`."
    assert line.strip() == "cri: cri-o"


def test_the_add_on_alone_changes_nothing_and_is_refused(tmp_path: Path) -> None:
    error, line = edited(tmp_path, "    cri: cri-o\n", "")
    assert "cri: cri-o" in error.message
    assert line.startswith("addons:")


def test_an_unknown_runtime_is_refused(tmp_path: Path) -> None:
    error, line = edited(tmp_path, "cri: cri-o", "cri: docker")
    assert "containerd" in str(error)
    assert line.strip() == "cri: docker"


def test_an_external_node_keeps_its_containerd(lab: Topology) -> None:
    external = External(address="board", key=Path("key"), known_hosts=Path("known_hosts"))
    nodes = tuple(
        node.model_copy(update={"external": external}) if node.cri is Cri.CRI_O else node
        for node in lab.nodes
    )
    with pytest.raises(TopologyProblem, match="external"):
        CriO().check(lab.model_copy(update={"nodes": nodes}))


def test_a_topology_without_the_option_is_dumped_as_before(default_topology: Topology) -> None:
    assert "cri" not in default_topology.model_dump_json()
    assert {cri_of(node) for node in default_topology.nodes} == {cri.CONTAINERD}


# -- add-ons that change containerd --------------------------------------------------------


def test_gvisor_is_not_installed_beside_it(lab: Topology) -> None:
    arm = lab.node("edge-arm")
    assert not has_gvisor(arm)
    assert has_gvisor(arm.model_copy(update={"cri": Cri.CONTAINERD}))
    nodes = tuple(
        node.model_copy(update={"container_runtime": GVISOR}) if node == arm else node
        for node in lab.nodes
    )
    gvisor = lab.model_copy(update={"nodes": nodes, "addons": (*lab.addons, GVISOR)})
    with pytest.raises(TopologyProblem, match="edge-arm has cri-o"):
        Gvisor().check(gvisor)


@pytest.mark.parametrize("name", ["cache", "pull-through"])
def test_it_does_not_pull_through_a_cache(lab: Topology, name: str) -> None:
    cached = lab.model_copy(update={"addons": (*lab.addons, name)})
    stack = get_stack(STACK)
    able = {node.name: pulls_through(cached, node, stack) for node in cached.edges}
    assert able == {"edge-arm": False, "edge-riscv": True}
    assert find_addon(name).capabilities(cached, lab.node("edge-arm"), stack) == frozenset()
    assert CERTS_D not in crio_config()
