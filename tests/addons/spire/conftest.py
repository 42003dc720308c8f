"""The default topology with the add-on, on each stack, with artifacts that are made up."""

from __future__ import annotations

import pytest

from edge_lab.addons.spire.names import SPIRE
from edge_lab.topology import Topology, load_topology
from tests.addons.services.conftest import context_of, platform_of, provisions_of
from tests.stacks.provisions import DEFAULT

__all__ = ["context_of", "platform_of", "provisions_of"]


@pytest.fixture(scope="session")
def topology() -> Topology:
    plain = load_topology(DEFAULT)
    return plain.model_copy(update={"addons": (*plain.addons, SPIRE)})
