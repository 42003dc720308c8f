"""Addresses that are the same in all clusters."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

SERVICE_SUBNET = IPv4Network("10.96.0.0/16")
"""Cluster addresses of services. Nothing answers on them without the add-on `services` or K3s."""

API_SERVICE_IP = IPv4Address("10.96.0.1")
"""The first one is always default/kubernetes; it is in the API server's certificate."""

LOOPBACK = IPv4Address("127.0.0.1")
