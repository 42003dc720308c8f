"""The add-on `metrics-thanos`: what nodes are given, and who can read the credentials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from edge_lab.addons import get_platform, load_topology
from edge_lab.addons.metrics.identities import METRICS_DOMAIN
from edge_lab.addons.metrics.names import QUERY, RECEIVER, SIDECAR, unit
from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.senders import SIDECAR_SENDER, VMAGENT
from edge_lab.addons.metrics.thanos import ACCESS_KEY, endpoints_config, secret_key
from edge_lab.addons.metrics.view import archive_view, sender_view
from edge_lab.artifacts import Want
from edge_lab.artifacts.catalog import CATALOG
from edge_lab.data import LABS
from edge_lab.pki import Pki
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Arch, Topology
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import files_of, units_of

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+openyurt"
EDGES = ("edge-arm", "edge-riscv")
HOME = "/etc/edge-lab-metrics"


def test_each_node_has_the_components_that_it_runs(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf
) -> None:
    for name, provision in provisions_of(STACK).items():
        programs = {file.path for file in provision.payload}
        assert "bin/thanos" in programs
        assert ("bin/versitygw" in programs) == (name == "server")
    wanted = {
        (want.component, want.arch)
        for want in platform_of(STACK).wants(topology)
        if want.component in ("thanos", "versitygw")
    }
    assert wanted == {("versitygw", Arch.X86_64), *(("thanos", arch) for arch in Arch)}


def test_the_lab_for_it_needs_no_component_for_riscv64() -> None:
    topology = load_topology(LABS / "edge-thanos.yaml")
    wants = get_platform(STACK, topology).wants(topology)
    assert Want("thanos", Arch.AARCH64) in wants
    assert Arch.RISCV64 not in {want.arch for want in wants}


def test_thanos_is_built_with_the_tag_without_which_it_panics() -> None:
    source = CATALOG["thanos"].go
    assert source is not None
    assert set(source.tags) == {"netgo", "slicelabels"}


def test_credentials_are_in_files_of_their_owner_alone(provisions_of: ProvisionsOf) -> None:
    given = provisions_of(STACK)
    config = yaml.safe_load(files_of(given["edge-arm"])[f"{HOME}/objects.yaml"].content)["config"]
    secret = config["secret_key"]
    assert len(secret) == 40
    assert config["access_key"] == ACCESS_KEY
    for provision in given.values():
        holders = {
            path: file.mode
            for path, file in files_of(provision).items()
            if secret.encode() in file.content
        }
        assert f"{HOME}/objects.yaml" in holders
        assert set(holders.values()) == {0o600}
    server = files_of(given["server"])[f"{HOME}/objects.env"]
    assert f"ROOT_SECRET_KEY={secret}" in server.content.decode().splitlines()
    assert (
        f"EnvironmentFile={HOME}/objects.env"
        in units_of(given["server"])["edge-lab-metrics-objects.service"]
    )


def test_each_lab_has_a_secret_of_its_own(
    tmp_path: Path, topology: Topology, platform_of: PlatformOf, context_of: ContextOf
) -> None:
    ours = context_of(platform_of(STACK)).given.pki
    other = Pki.create(tmp_path / "other", platform_of(STACK).identities(topology))
    assert secret_key(ours) == secret_key(Pki(ours.folder))
    assert secret_key(ours) != secret_key(other)


def test_the_sidecar_is_dialled_by_its_address(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, context_of: ContextOf
) -> None:
    given = provisions_of(STACK)
    endpoints = yaml.safe_load(files_of(given["server"])[f"{HOME}/endpoints.yaml"].content)
    by_address = {endpoint["address"]: endpoint for endpoint in endpoints["endpoints"]}
    authority = context_of(platform_of(STACK)).given.pki.authority(METRICS_DOMAIN).certificate
    for edge in EDGES:
        address = topology.cluster_link(edge).address
        dialled = by_address.pop(f"{address}:10901")
        # Otherwise it is left out without a warning as soon as it does not answer.
        assert dialled["strict"] is True
        assert set(dialled["client_config"]["tls_config"]) == {"ca_file", "cert_file", "key_file"}
        files = files_of(given[edge])
        shown = x509.load_pem_x509_certificate(files[f"{HOME}/sidecar.crt"].content)
        shown.verify_directly_issued_by(authority)
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.IPAddress) == [address]
        assert files[f"{HOME}/sidecar.key"].mode == 0o600
    # The store gateway, on loopback.
    assert list(by_address) == ["127.0.0.1:10905"]


def test_its_prometheus_leaves_blocks_to_the_sidecar(provisions_of: ProvisionsOf) -> None:
    units = units_of(provisions_of(STACK)["edge-arm"])
    words = units[SIDECAR_SENDER.unit].split()
    assert "--storage.tsdb.min-block-duration=2m" in words
    assert "--storage.tsdb.max-block-duration=2m" in words
    # 2.53.3 has no such option.
    separate = "--no-storage.tsdb.allow-overlapping-compaction"
    assert separate not in words
    assert separate in units_of(provisions_of(STACK)["edge-riscv"])[SIDECAR_SENDER.unit].split()
    config = files_of(provisions_of(STACK)["edge-arm"])[f"{HOME}/thanos.yaml"].content
    # It writes to nobody.
    assert "remote_write" not in yaml.safe_load(config)
    assert f"--tsdb.path=/var/lib/edge-lab-metrics/{SIDECAR_SENDER.name}" in units[unit(SIDECAR)]
    assert f"--storage.tsdb.path=/var/lib/edge-lab-metrics/{SIDECAR_SENDER.name}" in words


def test_queries_go_where_the_samples_are(topology: Topology, provisions_of: ProvisionsOf) -> None:
    units = units_of(provisions_of(STACK)["server"])
    for sender, name in ((SIDECAR_SENDER, QUERY), (VMAGENT, RECEIVER)):
        port = sender_view(topology, sender).url.rpartition(":")[2]
        assert f"0.0.0.0:{port}" in units[unit(name)]
    assert sender_view(topology, SIDECAR_SENDER).parameters == ()
    assert archive_view(topology).parameters == (
        ("storeMatch[]", '{__address__="127.0.0.1:10905"}'),
    )


@pytest.mark.parametrize("strict", [True, False])
def test_only_sidecars_may_be_lenient(strict: bool) -> None:
    place = Place("server", "10.77.0.1:9090", "trixie")
    config = yaml.safe_load(endpoints_config(place, ("10.77.0.11:10901",), strict=strict))
    assert [endpoint["strict"] for endpoint in config["endpoints"]] == [strict, True]
