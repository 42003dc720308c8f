"""What the guests of a lab were given, as one digest: by it a checkpoint is found to be stale.

A checkpoint holds guests that were made by the code of its day. They are made again on paper, with
the keys of the checkpoint, by the code of today: seed disks, payload disks, domains, and the
objects that were applied to the cluster. Where that comes to something else the checkpoint fits no
more, whichever file was edited; where it comes to the same, no edit matters.
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
"""Raised when guests change in a way that nothing below shows, such as a program that is started in
them once they are up, or when checkpoints that were written before must not be used any more."""


def given_digest(plan: Plan, state: LabState, keys: Path, accelerator: Accelerator) -> str:
    """Hex digest of all that the machines of a lab are given, with the keys in `keys`.

    Its ports do not count: they are others after each restore.

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
    """Each thing that is given, by its name."""
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
