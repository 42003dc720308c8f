"""The words of `lab status` for the runtime of a node."""

from __future__ import annotations

import pytest

from edge_lab.handle.status import with_versions


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({}, "openyurt"),
        ({"kubeletVersion": "v1.34.4"}, "openyurt (kubelet v1.34.4)"),
        (
            {"kubeletVersion": "v1.34.4", "containerRuntimeVersion": "containerd://1.7.24"},
            "openyurt (kubelet v1.34.4)",
        ),
        (
            {"kubeletVersion": "v1.34.4", "containerRuntimeVersion": "cri-o://1.34.8"},
            "openyurt (kubelet v1.34.4, cri-o 1.34.8)",
        ),
    ],
)
def test_the_container_runtime_is_named_where_it_is_not_containerd(
    info: dict[str, str], words: str
) -> None:
    assert with_versions("openyurt", info) == words
