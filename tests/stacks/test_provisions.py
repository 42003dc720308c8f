"""What every stack gives to its nodes and to its cluster."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from edge_lab.pki import CLUSTER
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack, StackContext
from edge_lab.stacks.identities import node_client
from edge_lab.stacks.k3s_node import CONFIG as K3S_CONFIG
from edge_lab.stacks.unit import Service
from edge_lab.topology import Topology
from tests.stacks.provisions import files_of, units_of, verify

OF_THE_IMAGE = {"containerd.service", "edge-lab-images.service"}
"""Units that are in the root image already."""


def test_every_node_is_provided_for(
    provisions: Mapping[str, Provision], topology: Topology
) -> None:
    assert set(provisions) == {node.name for node in topology.nodes}


def test_systemd_accepts_every_unit(provisions: Mapping[str, Provision], tmp_path: Path) -> None:
    for node, provision in provisions.items():
        folder = tmp_path / node
        folder.mkdir()
        # The programs are on the payload disk; systemd-analyze wants to see some program.
        verify(folder, {n: _with_a_program(text) for n, text in units_of(provision).items()})


@pytest.mark.parametrize("kind", ["exec", "notify", "oneshot"])
def test_systemd_reads_a_unit_without_a_complaint(kind: str, tmp_path: Path) -> None:
    service = Service(
        name="probe",
        description="100 % of it",
        command=("/bin/true", "a b", 'with "quotes"', "sqlite:///x?_a=b&c=%d"),
        kind=kind,  # type: ignore[arg-type]
        environment={"GOMEMLIMIT": "1MiB"},
        state_directory="probe",
        runtime_directory="probe",
        before_start=(("-/bin/false",),),
        mounts=("/",),
        oom_score_adjust=-5,
    )
    verify(tmp_path, {"probe.service": service.render()})


def _with_a_program(unit: str) -> str:
    lines = []
    for line in unit.splitlines():
        key, _, value = line.partition("=")
        if key in ("ExecStart", "ExecStartPre"):
            program, _, rest = value.partition(" ")
            line = f"{key}={'-' if program.startswith('-') else ''}/bin/true {rest}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def test_enabled_units_are_there_and_the_watched_ones_are_enabled(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology
) -> None:
    watched = stack.units(topology)
    for node, provision in provisions.items():
        assert set(provision.units) == set(units_of(provision))
        assert set(watched[node]) == {*provision.units, *OF_THE_IMAGE} - {"containerd.service"}


def test_units_name_no_unit_that_is_missing(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        units = units_of(provision)
        for text in units.values():
            for line in text.splitlines():
                key, _, names = line.partition("=")
                if key in ("After", "Wants"):
                    assert set(names.split()) <= {*units, *OF_THE_IMAGE}


def test_what_units_run_is_in_the_payload(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        payload = {f"/opt/edge-lab/{file.path}" for file in provision.payload}
        for text in units_of(provision).values():
            line = next(line for line in text.splitlines() if line.startswith("ExecStart="))
            program = line.removeprefix("ExecStart=").split()[0]
            assert program in payload or not program.startswith("/opt/edge-lab")


def test_no_secret_is_readable_by_others(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        for file in provision.files:
            secret = b"PRIVATE KEY" in file.content or b"client-key-data" in file.content
            assert not secret or stat.S_IMODE(file.mode) == 0o600, file.path


def test_only_the_server_holds_the_keys_of_the_cluster(
    provisions: Mapping[str, Provision], context: StackContext
) -> None:
    secrets = [
        context.pki.authority(CLUSTER).identity.key_pem,
        context.pki.identity(CLUSTER, "admin").key_pem,
    ]
    for node, provision in provisions.items():
        content = b"".join(file.content for file in provision.files)
        assert (secrets[0] in content) == (node == context.topology.server.name)
        assert secrets[1] not in content
        others = [n.name for n in context.topology.nodes if n.name != node]
        assert not any(node_client(context.pki, other).key_pem in content for other in others)


def test_every_yaml_and_json_file_can_be_read(provisions: Mapping[str, Provision]) -> None:
    for provision in provisions.values():
        for path, file in files_of(provision).items():
            if path.startswith("/etc/tmpfiles.d/"):
                continue
            if path.endswith((".yaml", ".conf", "kubeconfig")):
                # Of all that is configured with YAML, K3s alone reads no Kubernetes object.
                assert path == K3S_CONFIG or yaml.safe_load(file.content)["kind"]
            if path.endswith(".conflist"):
                assert json.loads(file.content)["plugins"]


def test_the_same_context_gives_the_same_files(stack: Stack, context: StackContext) -> None:
    assert stack.provision(context) == stack.provision(context)


def test_manifests_are_objects_with_names(stack: Stack, context: StackContext) -> None:
    found = [(each["kind"], each["metadata"]["name"]) for each in stack.manifests(context)]
    assert len(found) == len(set(found))
