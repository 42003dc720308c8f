"""Labels of nodes: who sets them, and which ones are refused."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.cluster.labels import check_labels, given_labels, own_labels
from edge_lab.core.errors import InputError
from edge_lab.stacks import Stack
from edge_lab.topology import Arch, Node, Role, Topology

label_text = st.one_of(
    st.text(st.characters(exclude_characters="/"), max_size=20),
    st.text("abcXYZ019-_.", max_size=70),
)


def node_with(labels: Mapping[str, str]) -> Node:
    return Node(name="n", arch=Arch.AARCH64, role=Role.EDGE, labels=dict(labels))


def topology_with(labels: Mapping[str, str], topology: Topology) -> Topology:
    first = topology.nodes[0].model_copy(update={"labels": dict(labels)})
    return topology.model_copy(update={"nodes": (first, *topology.nodes[1:])})


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "site",
                "example.org/rack",
                "kubernetes.io/odd",
                "node-role.kubernetes.io/gateway",
                "sub.k8s.io/x",
                "notkubernetes.io/x",
            ]
        ),
        st.sampled_from(["", "north", "A.b-c_9"]),
    )
)
def test_every_label_is_set_by_the_node_or_by_the_lab(labels: dict[str, str]) -> None:
    node = node_with(labels)
    own, given_ = own_labels(node), given_labels(node)
    assert labels.items() <= {**own, **given_}.items()
    assert not own.keys() & given_.keys()
    assert not any("kubernetes.io/" in key and "not" not in key for key in own)


@given(label_text, label_text)
def test_a_label_either_passes_or_is_named(key: str, value: str) -> None:
    topology = topology_with({key: value}, _small_topology())
    if usable(key, value):
        check_labels(topology)
    else:
        with pytest.raises(InputError, match="server") as refused:
            check_labels(topology)
        assert refused.value.remedy


def usable(key: str, value: str) -> bool:
    """The rule in other words: what kubectl would take, keys without a prefix only."""
    letters = string.ascii_letters + string.digits

    def fits(text: str) -> bool:
        plain = set(text) <= set(letters + "-_.")
        return plain and len(text) <= 63 and text[:1] in letters and text[-1:] in letters

    return bool(key) and fits(key) and (not value or fits(value))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"Site!": "x"}, "not a valid name"),
        ({"UPPER/site": "x"}, "not a DNS name"),
        ({"site": "nord süd"}, "not a valid value"),
        ({"x" * 64: ""}, "not a valid name"),
    ],
)
def test_a_label_that_kubernetes_would_refuse_is_refused_at_once(
    labels: dict[str, str], said: str, topology: Topology, stack: Stack
) -> None:
    with pytest.raises(InputError, match=said):
        stack.check(topology_with(labels, topology))


def _small_topology() -> Topology:
    description: dict[str, Any] = {
        "name": "small",
        "stacks": ["kubernetes+kubelet"],
        "networks": [{"name": "wire", "subnet": "10.1.0.0/24"}],
        "nodes": [{"name": "server", "arch": "x86_64", "role": "server"}],
        "links": [{"name": "l", "endpoint": "server", "network": "wire", "address": "10.1.0.1"}],
    }
    return Topology.model_validate(description)
