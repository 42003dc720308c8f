"""A digest of all that the guests of a lab get, to detect stale checkpoints.

The guests of a checkpoint were provisioned by an earlier version of the code. The current code
computes the same again with the keys of the checkpoint, without applying it: seed disks, payload
disks, domains, and the objects of the cluster. If the result differs, the checkpoint is stale,
whichever file was edited; if it is equal, no edit matters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from edge_lab.addons import Stage
from edge_lab.bringup.plan import Plan
from edge_lab.bringup.processes import guest_specs
from edge_lab.handle.state import LabState
from edge_lab.images import payload_digest
from edge_lab.machines import Accelerator, LabKeys, domain_on_paper, guest_seed
from edge_lab.pki import Pki

GUEST_FORMAT = 3
"""Increase it if guests change in a way that the digest does not cover, such as a program that is
started in running guests, or if existing checkpoints must not be used any more."""


def given_digest(plan: Plan, state: LabState, keys: Path, accelerator: Accelerator) -> str:
    """Hex digest of all that the machines of a lab get, with the keys in `keys`.

    Ports are excluded: they change with each restore.

    Raises:
        LabError: the keys are not those of such a lab.
    """
    total = hashlib.sha256(str(GUEST_FORMAT).encode())
    for name, content in sorted(_parts(plan, state, keys, accelerator)):
        total.update(f"\0{name}\0{hashlib.sha256(content).hexdigest()}".encode())
    return total.hexdigest()


def _parts(
    plan: Plan, state: LabState, keys: Path, accelerator: Accelerator
) -> Iterator[tuple[str, bytes]]:
    """Each part, by its name."""
    state = state.model_copy(update={"ports": state.ports.blank()})
    context = plan.context(Pki.load(keys), state.ports.api)
    provisions = plan.platform.provision(context)
    for spec in guest_specs(state, provisions):
        of_guest = accelerator.of(spec.arch)
        yield f"{spec.name} seed", guest_seed(spec, LabKeys(keys), of_guest)
        yield f"{spec.name} domain", domain_on_paper(spec, of_guest).encode()
        yield f"{spec.name} payload", payload_digest(provisions[spec.name].payload).encode()
    for stage in Stage:
        for origin, manifests in plan.platform.manifests(context, stage).items():
            yield f"{origin} {stage}", json.dumps(manifests, sort_keys=True).encode()
