"""The default topology with made-up artifacts, as for the stacks."""

from tests.stacks.conftest import context_for, pki, topology, workload

__all__ = ["context_for", "pki", "topology", "workload"]
