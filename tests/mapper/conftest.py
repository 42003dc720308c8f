"""What tests of the mapper share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mapper.fake_api import FakeApi
from tests.mapper.twins import model


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """An API server that knows the model of the tests' devices."""
    monkeypatch.setattr("images.mapper.edge_mapper.api.RETRY_SECONDS", 0.1)
    with FakeApi().serving() as found:
        found.put("devicemodels", model())
        yield found
