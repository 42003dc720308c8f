"""Whether a kubelet has mounted a part of a volume, by the status of the pod."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.hostile.subpath import SubPathPod
from edge_lab.oracles.sandbox.subpath import Mounted, mounted

REFUSAL = 'failed to prepare subPath for volumeMount "shared" of container "hostile"'
"""The kubelet's words (pkg/kubelet/kubelet_pods.go)."""


def pod(**state: Any) -> dict[str, Any]:
    return {"status": {"containerStatuses": [{"state": state}]}}


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ({}, None),
        (pod(), None),
        (pod(waiting={"reason": "PodInitializing"}), None),
        (pod(waiting={"reason": "CreateContainerConfigError", "message": "no Secret"}), None),
        (pod(waiting={"reason": "CreateContainerConfigError", "message": REFUSAL}), "refused"),
        (pod(running={}), "started"),
        (pod(terminated={"exitCode": 0}), "started"),
    ],
)
def test_a_refusal_is_told_from_all_else(seen: dict[str, Any], found: str | None) -> None:
    wanted = {"refused": Mounted.REFUSED, "started": Mounted.STARTED, None: None}[found]
    assert mounted(seen) is wanted


def test_the_link_is_made_before_it_is_mounted() -> None:
    spec = SubPathPod("p", "n", Setting.RUNC_DEFAULT, ("facts",), target="/").manifest()["spec"]
    (first,), (second,) = spec["initContainers"], spec["containers"]
    assert first["command"][-1].endswith("ln -s / /mnt/volume/way")
    assert second["volumeMounts"] == [
        {"name": "shared", "mountPath": "/mnt/volume", "subPath": "way"}
    ]
    assert "subPath" not in first["volumeMounts"][0]
