"""The list of fixture plugins; what they do is in fixtures/."""

from edge_lab.fixtures.plugin import pytest_plugins

__all__ = ["pytest_plugins"]
