"""Control plane and edge runtimes: what their programs are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import yaml

from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack, StackContext, get_stack
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.kubelet import CLIENT_PEM, kubelet_config
from edge_lab.topology import Arch, Node, Role, Taint, Timing
from tests.stacks.provisions import ContextFor, after, files_of, flags_of, units_of


def test_the_api_server_trusts_only_known_kubelets(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+kubelet")
    provisions = stack.provision(context_for(stack))
    flags = flags_of(units_of(provisions["server"])["kube-apiserver.service"])
    assert flags["kubelet-certificate-authority"] == "/etc/kubernetes/pki/ca.crt"
    assert flags["authorization-mode"] == "Node,RBAC"
    assert flags["enable-admission-plugins"] == "NodeRestriction"
    assert flags["advertise-address"] == "10.77.0.1"


def test_the_server_is_up_when_its_control_plane_serves(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    server = stack.provision(context_for(stack))["server"]
    units = units_of(server)
    serves = "edge-lab-api-server-serves.service"
    assert after(units[serves]) == ["kube-apiserver.service"]
    assert "Type=oneshot" in units[serves]
    for unit in ("kube-controller-manager", "kube-scheduler"):
        assert after(units[f"{unit}.service"]) == [serves]
    assert serves in after(units["kubelet.service"])
    both = ["kube-controller-manager.service", "kube-scheduler.service"]
    assert after(units["edge-lab-control-plane-serves.service"]) == both
    assert set(server.units) >= {serves, "edge-lab-control-plane-serves.service"}


def test_the_scheduler_s_metrics_are_read_on_its_own_node_alone(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+kubelet")
    units = units_of(stack.provision(context_for(stack))["server"])
    flags = flags_of(units["kube-scheduler.service"])
    assert flags["bind-address"] == "127.0.0.1"
    assert "/metrics" in flags["authorization-always-allow-paths"].split(",")
    # Given, the option has nothing but what it names.
    assert "/readyz" in flags["authorization-always-allow-paths"].split(",")


def test_every_file_that_a_program_is_pointed_to_is_there(
    provisions: Mapping[str, Provision],
) -> None:
    made_by_it = {
        "/var/log/kubernetes/audit.log",
        "/var/lib/yurthub",
        "/etc/kubernetes/cache/",
        "/var/lib/kubelet/config.d",
    }
    for provision in provisions.values():
        for text in units_of(provision).values():
            for flag, value in flags_of(text).items():
                if value.startswith(("/etc/", "/var/")):
                    assert value in files_of(provision) or value in made_by_it, flag


def test_timing_reaches_the_programs(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    plain = context_for(stack)
    timing = Timing(node_monitor_grace=100, edge_heartbeat=20)
    slow = replace(plain, topology=plain.topology.model_copy(update={"timing": timing}))
    provisions = stack.provision(slow)
    manager = flags_of(units_of(provisions["server"])["kube-controller-manager.service"])
    assert manager["node-monitor-grace-period"] == "100s"
    hub = flags_of(units_of(provisions["edge-arm"])["yurthub.service"])
    assert hub["heartbeat-interval-seconds"] == hub["heartbeat-timeout-seconds"] == "20"
    server = flags_of(units_of(provisions["server"])["kube-apiserver.service"])
    assert server["default-unreachable-toleration-seconds"] == "300"


def test_an_emulated_cluster_says_no_more_than_it_must(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    provisions = stack.provision(context_for(stack))
    datastore = flags_of(units_of(provisions["server"])["kine.service"])
    assert datastore["watch-progress-notify-interval"] == "1m"
    server = flags_of(units_of(provisions["server"])["kube-apiserver.service"])
    assert server["etcd-count-metric-poll-period"] == "0"
    assert "DetectCacheInconsistency=false" in server["feature-gates"]
    kubelet = yaml.safe_load(
        files_of(provisions["edge-arm"])["/var/lib/kubelet/config.yaml"].content
    )
    # Left out it would be as often as the other, with or without news.
    assert kubelet["nodeStatusUpdateFrequency"] == "10s"
    assert kubelet["nodeStatusReportFrequency"] == "5m"
    hub = flags_of(units_of(provisions["edge-arm"])["yurthub.service"])
    assert int(hub["heartbeat-timeout-seconds"]) > 2


def test_behind_yurthub_the_kubelet_knows_nothing_but_yurthub(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+openyurt")
    provision = stack.provision(context_for(stack))["edge-arm"]
    config = yaml.safe_load(files_of(provision)["/var/lib/kubelet/kubeconfig"].content)
    assert config["clusters"][0]["cluster"] == {"server": "http://127.0.0.1:10261"}
    assert config["users"][0]["user"] == {}
    hub = yaml.safe_load(files_of(provision)["/etc/kubernetes/kubelet.conf"].content)
    assert hub["clusters"][0]["cluster"]["server"] == "https://10.77.0.1:6443"
    assert hub["users"][0]["user"]["client-certificate"] == CLIENT_PEM
    pem = files_of(provision)[CLIENT_PEM].content
    assert pem.count(b"-----BEGIN") == 2


def test_the_plain_kubelet_goes_to_the_api_server_itself(context_for: ContextFor) -> None:
    stack = get_stack("kubernetes+kubelet")
    provision = stack.provision(context_for(stack))["edge-arm"]
    config = yaml.safe_load(files_of(provision)["/var/lib/kubelet/kubeconfig"].content)
    assert config["clusters"][0]["cluster"]["server"] == "https://10.77.0.1:6443"
    assert "yurthub.service" not in provision.units


def test_the_host_reaches_the_api_server_by_its_forwarded_port(
    stack: Stack, context: StackContext
) -> None:
    config = yaml.safe_load(stack.admin_kubeconfig(context))
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:26443"


def test_a_kubeconfig_without_an_identity_says_so() -> None:
    assert yaml.safe_load(kubeconfig("http://x"))["users"][0]["user"] == {}


def test_the_kubelet_is_told_of_taints() -> None:
    taint = Taint(key="site", value="far", effect="NoExecute")
    node = Node(name="n", arch=Arch.AARCH64, role=Role.EDGE, taints=(taint,))
    config = yaml.safe_load(kubelet_config(node, Timing()))
    assert config["registerWithTaints"] == [{"key": "site", "value": "far", "effect": "NoExecute"}]
    assert config["evictionHard"]["memory.available"] == "100Mi"
