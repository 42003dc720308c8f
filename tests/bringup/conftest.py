"""Keys that are made once: here nobody speaks TLS with them."""

from __future__ import annotations

import functools

import pytest

from edge_lab.pki import authority, pki

_make, _load = functools.cache(authority.new_key), functools.cache(authority.load_key)


@pytest.fixture(autouse=True)
def _keys_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (authority, pki):
        monkeypatch.setattr(module, "new_key", _make)
    monkeypatch.setattr(authority, "load_key", _load)
