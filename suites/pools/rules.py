"""The endpoints of a Service in the rules of kube-proxy on a node: where its traffic goes.

A chain `service-HASH-namespace/name/protocol/port` goes to chains `endpoint-HASH-…__address/port`
(Kubernetes 1.34, pkg/proxy/nftables). Chains of former endpoints stay for a while, so only those
that the chain of the Service goes to count.
"""

from __future__ import annotations

import re

RULES = "/usr/sbin/nft list table ip kube-proxy"

_ENDPOINT = re.compile(r"\bendpoint-\w+-[^\s\"]*?__(\d+\.\d+\.\d+\.\d+)/\d+")


def endpoints_in(text: str, namespace: str, service: str) -> frozenset[str]:
    """The addresses that the table's chains for all ports of the Service go to."""
    name = re.escape(f"{namespace}/{service}/")
    chain = re.compile(
        rf'^\tchain "?service-\w+-{name}[^\s"]*"? \{{\n(.*?)^\t\}}', re.MULTILINE | re.DOTALL
    )
    return frozenset(address for body in chain.findall(text) for address in _ENDPOINT.findall(body))
