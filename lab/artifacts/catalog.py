"""Every component that a stack can ask for, as data.

A release entry needs a pinned digest for each file, so a component has one only where the
digests are known; the Kubernetes binaries are built from their Go modules, or taken from a
mirror of dl.k8s.io, which publishes a SHA-256 beside each file.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from lab.artifacts.model import Component, GoSource
from lab.errors import InputError

KUBERNETES = "v1.34.4"
KINE = "v0.16.3"
OPENYURT = "v1.7.0"
KUBEEDGE = "v1.23.1"
WORKLOAD = "0.1.0"

FLAT = "{name}-{version}-linux-{arch}"


def _kubernetes(name: str) -> Component:
    base = "k8s.io/component-base/version"
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {
        "gitVersion": KUBERNETES,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    return Component(
        name,
        KUBERNETES,
        go=GoSource(
            module="kubernetes",
            package=f"k8s.io/kubernetes/cmd/{name}",
            upstream="k8s.io/kubernetes",
            ldflags=tuple(f"-X {base}.{key}={value}" for key, value in values.items()),
        ),
        mirror=("release/{version}/bin/linux/{arch}/{name}", FLAT),
    )


_COMPONENTS = (
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubectl"),
    _kubernetes("kubelet"),
    Component(
        "kine",
        KINE,
        go=GoSource(
            module="kine",
            package="github.com/k3s-io/kine",
            upstream="github.com/k3s-io/kine",
            ldflags=(
                f"-X github.com/k3s-io/kine/pkg/version.Version={KINE}",
                f"-X github.com/k3s-io/kine/pkg/version.GitCommit={KINE}",
            ),
        ),
    ),
    Component(
        "yurthub",
        OPENYURT,
        go=GoSource(
            module="yurthub",
            package="github.com/openyurtio/openyurt/cmd/yurthub",
            upstream="github.com/openyurtio/openyurt",
            ldflags=(f"-X github.com/openyurtio/openyurt/pkg/projectinfo.gitVersion={OPENYURT}",),
        ),
    ),
    Component("cloudcore", KUBEEDGE),
    Component("edgecore", KUBEEDGE),
    Component("kubeedge-crds", KUBEEDGE),
    Component(
        "edge-workload",
        WORKLOAD,
        go=GoSource(
            module="workload",
            package="edge-lab/images/workload",
            ldflags=(f"-X main.version={WORKLOAD}",),
        ),
    ),
)

CATALOG: Mapping[str, Component] = MappingProxyType({each.name: each for each in _COMPONENTS})


def find_component(name: str, catalog: Mapping[str, Component] = CATALOG) -> Component:
    """The component of that name.

    Raises:
        InputError: there is none.
    """
    if name in catalog:
        return catalog[name]
    near = difflib.get_close_matches(name, catalog, n=1)
    raise InputError(
        f"no component is called {name!r}",
        remedy=(f"Did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(catalog)}.",
    )
