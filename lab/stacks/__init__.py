"""Stacks: what runs on the machines, a control plane with an edge runtime."""

from edge_lab.cluster.access import ClusterAccess, CommandOutput, MachineAccess
from edge_lab.stacks.base import (
    API_PORT,
    ApiCache,
    ApiEndpoint,
    Capability,
    ControlPlane,
    DmiServer,
    EdgeRuntime,
    StackContext,
    kubectl_want,
    wants_for,
)
from edge_lab.stacks.kubeconfig import kubeconfig, kubeconfig_of_files
from edge_lab.stacks.readiness import approve_requests
from edge_lab.stacks.registry import get_stack, stack_names
from edge_lab.stacks.stack import Stack

__all__ = [
    "API_PORT",
    "ApiCache",
    "ApiEndpoint",
    "Capability",
    "ClusterAccess",
    "CommandOutput",
    "ControlPlane",
    "DmiServer",
    "EdgeRuntime",
    "MachineAccess",
    "Stack",
    "StackContext",
    "approve_requests",
    "get_stack",
    "kubeconfig",
    "kubeconfig_of_files",
    "kubectl_want",
    "stack_names",
    "wants_for",
]
