"""Known behaviour of OpenYurt's node pools."""

from __future__ import annotations

import pytest

a_change_restarts_all_pools = pytest.mark.known_failure(
    tracker="https://github.com/openyurtio/openyurt/pull/1890",
    seen="v1.7.0: the pods of all pools are replaced when the tweak of one pool changes, since the "
    "hash of the whole YurtAppSet is a label in the template of each pool's pods",
    look_again="2027-05-29",
)
"""The tracker is the proposal of this kind: no issue about it is known."""
