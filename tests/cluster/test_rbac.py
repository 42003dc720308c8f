"""Roles and bindings: what the helper writes; the objects of stacks and add-ons stay the same."""

from __future__ import annotations

import json
from pathlib import Path

from edge_lab.addons.services.objects import rights
from edge_lab.addons.twins.manifests import mapper_rights
from edge_lab.cluster.rbac import binding_manifest, role_manifest
from edge_lab.stacks.kubeedge import cloudcore_rights

DECLARED = json.loads((Path(__file__).parent / "rbac.json").read_text(encoding="utf-8"))


def test_the_objects_of_runtimes_and_add_ons_are_as_declared() -> None:
    found = {
        "cloudcore": cloudcore_rights(),
        "services": rights(False),
        "services-cache": rights(True),
        "twins": mapper_rights(),
    }
    assert json.loads(json.dumps(found)) == {name: DECLARED[name] for name in found}


def test_a_namespace_makes_a_role_of_that_namespace() -> None:
    role = role_manifest("reader", [], namespace="kube-system")
    binding = binding_manifest("reader", "reader", ["readers"], namespace="kube-system")
    assert (role["kind"], binding["kind"]) == ("Role", "RoleBinding")
    assert binding["roleRef"]["kind"] == "Role"
    assert role["metadata"] == binding["metadata"] == {"name": "reader", "namespace": "kube-system"}


def test_without_a_namespace_it_is_a_role_of_the_cluster() -> None:
    role = role_manifest("reader", [])
    binding = binding_manifest("readers", "reader", ["jane"], subject_kind="User")
    assert (role["kind"], binding["kind"]) == ("ClusterRole", "ClusterRoleBinding")
    assert "namespace" not in role["metadata"]
    assert binding["subjects"][0]["kind"] == "User"
