"""What several tests of the devices share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.devices.opcua_bench import Bench


@pytest.fixture(scope="session")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    with bench.running():
        yield bench


@pytest.fixture(scope="module")
def bench(_served: Bench) -> Bench:
    """An OPC UA server with the device's services, without a device; its nodes are as at first."""
    _served.run(_served.reset())
    return _served
