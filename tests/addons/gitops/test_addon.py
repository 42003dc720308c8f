"""The add-on on each stack: what nodes have, who is let in, and what the cluster gets."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from edge_lab.addons import find_addon, get_platform
from edge_lab.addons.base import Stage
from edge_lab.addons.gitops.addon import BINARIES, KINDS
from edge_lab.addons.gitops.flux import repository_manifest
from edge_lab.addons.gitops.gitserver import REPOSITORY_PROGRAM, wrappers
from edge_lab.addons.gitops.identities import AUTHOR_NAME, CONTROLLERS, GIT_DOMAIN
from edge_lab.addons.gitops.names import (
    APPLIER,
    GIT_UNIT,
    GITOPS,
    HOME,
    KUSTOMIZE_UNIT,
    NAMESPACE,
    PROGRAMS,
    SERVES,
    SOURCE_UNIT,
    WITNESS_UNIT,
)
from edge_lab.addons.gitops.place import place_of
from edge_lab.addons.gitops.rights import RULES, rights
from edge_lab.artifacts import Want
from edge_lab.artifacts.catalog import CATALOG, FLUX
from edge_lab.data import IMAGES
from edge_lab.probes.endpoint import Reach
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import stack_names
from edge_lab.topology import Arch, Topology
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import after, files_of, flags_of, units_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+openyurt"
EDGES = ("edge-arm", "edge-riscv")
OURS = (GIT_UNIT, SOURCE_UNIT, KUSTOMIZE_UNIT, f"{SERVES}.service")


@pytest.mark.parametrize("stack", stack_names())
def test_the_server_has_git_and_flux_and_edge_nodes_have_witnesses(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    platform, provisions = platform_of(stack), provisions_of(stack)
    wanted, able = platform.units(topology), platform.capabilities(topology)
    assert set(OURS) <= set(wanted["server"])
    assert set(OURS) <= set(provisions["server"].units)
    for edge in EDGES:
        assert WITNESS_UNIT in wanted[edge]
        assert not set(OURS) & set(provisions[edge].units)
        assert GITOPS in able[edge]
    assert GITOPS not in able["server"]


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    provisions = provisions_of(STACK)
    texts = {**units_of(provisions["server"]), **units_of(provisions["edge-arm"])}
    ours = {
        name: re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", text)
        for name, text in texts.items()
        if name in (*OURS, WITNESS_UNIT)
    }
    assert len(ours) == 5
    verify(tmp_path, ours)


def test_the_server_alone_has_the_programs(provisions_of: ProvisionsOf) -> None:
    for name, provision in provisions_of(STACK).items():
        paths = [file.path for file in provision.payload]
        wanted = {f"bin/{program}" for program in BINARIES} | {
            f"debian/{program.name}" for program in PROGRAMS
        }
        assert wanted <= set(paths) if name == "server" else not wanted & set(paths)
        assert len(paths) == len(set(paths))


def test_git_finds_its_own_programs_by_wrappers(
    topology: Topology, provisions_of: ProvisionsOf
) -> None:
    files = files_of(provisions_of(STACK)["server"])
    place = place_of(topology)
    for wrapper in wrappers(place):
        assert files[wrapper.path].mode == 0o755
        assert wrapper.content.startswith(b"#!/bin/sh\nexec ")
    names = {wrapper.path.rpartition("/")[2] for wrapper in wrappers(place)}
    assert names == {"git", "git-http-backend", "git-remote-https"}
    assert REPOSITORY_PROGRAM in files


def test_controllers_wait_for_their_kinds_and_listen_on_loopback(
    provisions_of: ProvisionsOf,
) -> None:
    provision = provisions_of(STACK)["server"]
    units, files = units_of(provision), files_of(provision)
    for name, unit in CONTROLLERS.items():
        flags = flags_of(units[unit])
        assert flags["watch-all-namespaces"] == "false"
        assert all(
            address.startswith("127.0.0.1:")
            for flag, address in flags.items()
            if "addr" in flag and address
        )
        waiting = [line for line in units[unit].splitlines() if "kinds.py" in line]
        assert waiting
        assert all(kind in waiting[0] for kind in KINDS[name])
        config = yaml.safe_load(files[f"{HOME}/{name}.kubeconfig"].content)
        user = config["users"][0]["user"]
        assert files[user["client-key"]].mode == 0o600
        assert f"RUNTIME_NAMESPACE={NAMESPACE}" in units[unit]
        assert "systemd-networkd.service" in after(units[unit])


# -- who is let in ---------------------------------------------------------------------------------


def test_the_git_server_is_on_a_wire_and_nothing_else(
    topology: Topology, platform_of: PlatformOf
) -> None:
    endpoints = platform_of(STACK).endpoints(topology)
    names = ("edge-gitserver", "source-controller", "kustomize-controller")
    ours = [endpoint for endpoint in endpoints if endpoint.name.startswith(names)]
    wired = [endpoint.name for endpoint in ours if endpoint.reach is Reach.WIRE]
    assert wired == ["edge-gitserver"]
    assert len(ours) == 6
    others = {
        endpoint.port
        for endpoint in endpoints
        if endpoint.node == "server" and endpoint not in ours
    }
    assert len({endpoint.port for endpoint in ours} - others) == len(ours)


def test_the_author_alone_may_push(provisions_of: ProvisionsOf) -> None:
    provision = provisions_of(STACK)["server"]
    command = units_of(provision)[GIT_UNIT]
    assert f"-author={AUTHOR_NAME}" in command
    shown = x509.load_pem_x509_certificate(files_of(provision)[f"{HOME}/git-author.crt"].content)
    assert AUTHOR_NAME in shown.subject.rfc4514_string()


def test_the_readers_key_is_in_the_cluster_alone(
    topology: Topology, platform_of: PlatformOf, context_of: ContextOf, provisions_of: ProvisionsOf
) -> None:
    platform = platform_of(STACK)
    context = context_of(platform)
    (secret, repository, kustomization) = platform.manifests(context.given, Stage.NODES_READY)[
        GITOPS
    ]
    key = base64.b64decode(secret["data"]["tls.key"])
    for provision in provisions_of(STACK).values():
        assert all(file.content != key for file in provision.files)
    shown = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
    shown.verify_directly_issued_by(context.given.pki.authority(GIT_DOMAIN).certificate)
    assert repository == repository_manifest(place_of(topology))
    assert repository["spec"]["url"] == "https://10.77.0.1:3443/fleet.git"
    assert kustomization["spec"]["serviceAccountName"] == APPLIER


def test_rights_end_at_the_namespace() -> None:
    found = rights()
    assert {each["kind"] for each in found} == {
        "Namespace",
        "ServiceAccount",
        "Role",
        "RoleBinding",
    }
    assert all(
        each["metadata"].get("namespace") == NAMESPACE
        for each in found
        if each["kind"] != "Namespace"
    )
    for rules in RULES.values():
        for rule in rules:
            if "secrets" in rule["resources"]:
                assert set(rule["verbs"]) <= {"get", "list", "watch"}


def test_controllers_are_known_to_who_replaces_certificates(
    topology: Topology, platform_of: PlatformOf
) -> None:
    platform = platform_of(STACK)
    units = {held.unit for held in platform.further_certificates(topology)}
    assert set(CONTROLLERS.values()) <= units
    trusting = {unit for bundle in platform.trust_bundles(topology) for unit in bundle.units}
    assert set(CONTROLLERS.values()) <= trusting


# -- components ------------------------------------------------------------------------------------


def test_components_are_of_one_version_of_flux(topology: Topology) -> None:
    text = (IMAGES / "go" / "flux" / "go.mod").read_text()
    for name in CONTROLLERS:
        assert f"github.com/fluxcd/{name} {FLUX}" in text
        assert CATALOG[name].version == CATALOG[f"{name}-crds"].version == FLUX
    wants = find_addon(GITOPS).wants(topology, get_platform(STACK, topology).stack)
    assert {Want(name, Arch.X86_64) for name in BINARIES} <= set(wants)


def test_labs_without_it_pay_nothing(topology: Topology) -> None:
    without = topology.model_copy(update={"addons": ("workload",)})
    platform = get_platform(STACK, without)
    assert not set(BINARIES) & {want.component for want in platform.wants(without)}
    assert platform.programs(without) == ()
