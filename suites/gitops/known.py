"""Known behaviour of Kubernetes with unreachable nodes."""

from __future__ import annotations

import pytest

KUBERNETES_TRACKER = "https://github.com/kubernetes/kubernetes/issues"
KUBEEDGE_TRACKER = "https://github.com/kubeedge/kubeedge/issues"

update_waits_for_who_is_away = pytest.mark.known_failure(
    tracker=f"{KUBERNETES_TRACKER}/117204",
    seen="v1.34.4: a DaemonSet's update with the default strategy (maxUnavailable 1) goes on at no "
    "node while one is out of reach",
    look_again="2027-05-29",
)
"""By design, according to the tracker; the workaround is a number above that of the nodes."""

pods_pile_up = pytest.mark.known_failure(
    tracker=f"{KUBEEDGE_TRACKER}/3735",
    seen="v1.34.4: a Deployment whose pods are bound to a node gets another pod after each "
    "toleration of the taint on a node that is out of reach; none of them can run elsewhere",
    look_again="2027-05-29",
)

old_pods_of_a_silent_node_are_deleted = pytest.mark.known_failure(
    tracker="https://github.com/kubernetes/kubernetes/pull/96441",
    seen="v1.34.4: pods of an unreachable node are not Ready, and during an update the old pod of "
    "a surging DaemonSet is deleted when it is not Ready; the node ends it after the heal, before "
    "the new one has started",
    look_again="2027-05-29",
)
"""By design, according to the tracker: an old pod that is not Ready need not be kept."""
