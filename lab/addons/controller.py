"""A controller of an add-on: a unit of the server node that is a client of the API server."""

from __future__ import annotations

from edge_lab.addons.base import AddOnContext
from edge_lab.addons.kinds import kinds_file
from edge_lab.addons.tlsfiles import ClientPlace, ServerClient
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node


def controller_provision(
    ctx: AddOnContext, node: Node, service: Service, place: ClientPlace, client: ServerClient
) -> Provision:
    """The unit, its kubeconfig, its certificate, the program of `wait_for_kinds`, and its own
    program, which is a component with the name of the unit."""
    kubeconfig = place.keys.kubeconfig(ctx.api.url)
    unit = service.provision(
        GuestFile.text(place.kubeconfig, kubeconfig, 0o600),
        kinds_file(client.folder),
        *client.files(ctx.given.pki),
    )
    return unit + Provision(payload=(ctx.given.binary(service.name, node),))
