"""The collector's ports; samplers only listen in the pod network."""

from __future__ import annotations

from edge_lab.addons.spire.names import SPIFFE_ROOT, has_spire
from edge_lab.addons.workload.accounts import SAMPLER_ID, SECURE_PORT
from edge_lab.addons.workload.manifests import COLLECTOR, COLLECTOR_PORT
from edge_lab.pki import CertificateSpec
from edge_lab.probes.alerts import AlertNumber
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.expected import ANYONE_BY_HTTP, MUTUAL_TLS, alert, let_in
from edge_lab.probes.request import Request
from edge_lab.topology import Topology

_REFUSED = alert(
    AlertNumber.BAD_CERTIFICATE,
    note="go-spiffe verifies in a callback: one alert for all reasons; its log names the reason",
)

BY_SVID = MUTUAL_TLS.but(
    "mutual TLS, by SPIFFE ID",
    foreign_ca=_REFUSED,
    foreign_ca_same_name=_REFUSED,
    self_signed=_REFUSED,
    wrong_name=_REFUSED,
    expired=_REFUSED,
    not_yet_valid=_REFUSED,
    server_certificate=let_in(note="an SVID is for both sides, and its usages are not checked"),
    sha1_signature=_REFUSED,
    # The server issues no tickets.
    stolen_ticket=None,
)
"""go-spiffe's MTLSServerConfig, for one SPIFFE ID."""


def workload_endpoints(topology: Topology) -> tuple[Endpoint, ...]:
    server = topology.server.name
    for_reading = Endpoint(
        name=COLLECTOR,
        node=server,
        port=COLLECTOR_PORT,
        speaks=Speaks.HTTP,
        purpose="samples of the edge nodes",
        admits="anyone on the cloud's network, without authentication: samples are not secret",
        policy=ANYONE_BY_HTTP,
        request=Request("/healthz"),
    )
    if not has_spire(topology):
        return (for_reading,)
    return (
        for_reading,
        Endpoint(
            name=f"{COLLECTOR}-mtls",
            node=server,
            port=SECURE_PORT,
            speaks=Speaks.HTTPS,
            purpose="samples from the edge nodes' samplers",
            admits=f"{SAMPLER_ID}; all other identities are refused",
            policy=BY_SVID,
            domain=SPIFFE_ROOT,
            right=CertificateSpec("sampler", uris=(SAMPLER_ID,)),
            request=Request("/healthz"),
        ),
    )
