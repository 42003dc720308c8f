"""The kinds EdgeModel and ModelNode, who may change them, and the first objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from edge_lab.addons.models.identities import OPERATOR_USER, agent_user
from edge_lab.addons.models.names import (
    CLOUD_STAGE,
    EDGE_MODEL,
    GROUP,
    MODEL,
    MODEL_NODE,
    NAMESPACE,
    NO_REGION,
    OPERATOR,
    REPOSITORY,
    VERSION,
)
from edge_lab.cluster.labels import REGION_LABEL
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import Rule, binding_manifest, role_manifest, rule
from edge_lab.topology import Topology

SAMPLES = 12
"""Live samples of a comparison; a boiler heats and cools in about twice as many."""
TOLERANCE = 0.1

_VERSION_SCHEMA = {
    "type": "object",
    "required": ["tag", "digest"],
    "properties": {
        "tag": {"type": "string"},
        "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    },
}
_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_EDGE_MODEL_SPEC = {
    "type": "object",
    "required": ["repository", "version", "stages"],
    "properties": {
        "repository": {"type": "string"},
        "version": _VERSION_SCHEMA,
        "stages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "nodes"],
                "properties": {
                    "name": {"type": "string"},
                    "nodes": {"type": "array", "items": {"type": "string"}},
                    "canarySamples": {
                        "type": "integer",
                        "minimum": 0,
                        "description": "Live samples on which the stage must confirm a version "
                        "before the next stage gets it.",
                    },
                },
            },
        },
        "wish": {
            "type": "number",
            "description": "Another number makes another wish of the same version.",
        },
        "gate": {
            "type": "object",
            "properties": {
                "samples": {"type": "integer", "minimum": 0},
                "tolerance": {"type": "number", "minimum": 0},
            },
        },
    },
}
_NODE_SPEC = {
    "type": "object",
    "properties": {
        "models": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["repository", "version", "generation"],
                "properties": {
                    "repository": {"type": "string"},
                    "version": _VERSION_SCHEMA,
                    "generation": {"type": "integer"},
                    "samples": {"type": "integer"},
                    "tolerance": {"type": "number"},
                },
            },
        }
    },
}
_COLUMNS = {
    EDGE_MODEL: {"Version": ".spec.version.tag", "Phase": ".status.phase"},
    MODEL_NODE: {"Beat": ".status.beat"},
}


def definitions() -> tuple[Manifest, ...]:
    """The CustomResourceDefinitions."""
    return (
        _definition("EdgeModel", EDGE_MODEL, _EDGE_MODEL_SPEC),
        _definition("ModelNode", MODEL_NODE, _NODE_SPEC),
    )


def _definition(kind: str, plural: str, spec: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {
                            "name": name,
                            "type": "integer" if name == "Beat" else "string",
                            "jsonPath": path,
                        }
                        for name, path in _COLUMNS[plural].items()
                    ],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "required": ["spec"],
                            "properties": {"spec": spec, "status": _ANYTHING},
                        }
                    },
                }
            ],
        },
    }


# -- rights --------------------------------------------------------------------------------------


def rights(nodes: Sequence[str]) -> tuple[Manifest, ...]:
    """The operator may tell nodes; a node's agent may read its own object and report to it."""
    found: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *_granted(
            OPERATOR,
            OPERATOR_USER,
            _rule((EDGE_MODEL,), ("get", "list", "watch", "patch")),
            _rule((f"{EDGE_MODEL}/status",), ("patch",)),
            _rule((MODEL_NODE,), ("list", "patch")),
        ),
    ]
    for node in nodes:
        found += _granted(
            f"models-agent-{node}",
            agent_user(node),
            _rule((MODEL_NODE,), ("get",), node),
            _rule((f"{MODEL_NODE}/status",), ("patch",), node),
        )
    return tuple(found)


def _granted(name: str, user: str, *rules: Rule) -> tuple[Manifest, ...]:
    return (
        role_manifest(name, rules, namespace=NAMESPACE),
        binding_manifest(name, name, [user], subject_kind="User", namespace=NAMESPACE),
    )


_rule = partial(rule, GROUP)


# -- objects -------------------------------------------------------------------------------------


Stages = Mapping[str, Sequence[str]]
"""Nodes by the name of their stage, in the order of the rollout."""


def rollout_stages(topology: Topology) -> Stages:
    """The edge nodes, whose live samples judge a version, by their region; then the cloud.

    Regions and nodes are in the topology's order. A node without a region is in the stage `edge`.
    """
    found: dict[str, list[str]] = {}
    for node in topology.edges:
        found.setdefault(node.labels.get(REGION_LABEL, NO_REGION), []).append(node.name)
    return {**found, CLOUD_STAGE: [topology.server.name]}


def rollout_order(topology: Topology) -> tuple[str, ...]:
    """All nodes."""
    return tuple(node for nodes in rollout_stages(topology).values() for node in nodes)


def stage_specs(stages: Stages, canary_samples: int = 0) -> list[dict[str, Any]]:
    """For an EdgeModel; the first stage has to confirm a version on that many live samples."""
    return [
        {
            "name": name,
            "nodes": list(nodes),
            "canarySamples": 0 if index else canary_samples,
        }
        for index, (name, nodes) in enumerate(stages.items())
    ]


def node_manifest(node: str) -> Manifest:
    return _object("ModelNode", node, {"models": {}})


def edge_model_manifest(
    stages: Stages,
    version: Mapping[str, str],
    *,
    samples: int = SAMPLES,
    tolerance: float = TOLERANCE,
) -> Manifest:
    """`version` has a tag and a digest."""
    spec = {
        "repository": REPOSITORY,
        "version": dict(version),
        "stages": stage_specs(stages),
        "gate": {"samples": samples, "tolerance": tolerance},
    }
    return _object("EdgeModel", MODEL, spec)


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> Manifest:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": dict(spec),
    }
