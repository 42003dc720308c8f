"""The endpoints of a Service, read from kube-proxy's table as `nft list table` prints it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from suites.pools.rules import endpoints_in
from tests.budget import examples


def endpoint(name: str, address: str) -> str:
    return f"goto endpoint-AAAAAAAA-edge-pools/{name}/tcp/http__{address}/8080"


TABLE = f"""\
table ip kube-proxy {{
\tcomment "rules for kube-proxy"
\tchain service-5OJB2KTY-edge-pools/site/tcp/http {{
\t\tip daddr 10.96.4.4 tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
\t\tnumgen random mod 2 vmap {{ 0 : {endpoint("site", "10.244.1.5")},
\t\t\t\t\t   1 : {endpoint("site", "10.244.1.6")} }}
\t}}

\tchain service-6OJB2KTY-edge-pools/site-everywhere/tcp/http {{
\t\tnumgen random mod 2 vmap {{ 0 : {endpoint("site-everywhere", "10.244.1.5")}, \
1 : {endpoint("site-everywhere", "10.244.2.7")} }}
\t}}

\tchain endpoint-EEEEEEEE-edge-pools/site/tcp/http__10.244.9.9/8080 {{
\t\tip saddr 10.244.9.9 jump mark-for-masquerade
\t\tmeta l4proto tcp dnat to 10.244.9.9:8080
\t}}
}}
"""


def test_a_service_has_the_endpoints_that_its_chain_goes_to() -> None:
    assert endpoints_in(TABLE, "edge-pools", "site") == {"10.244.1.5", "10.244.1.6"}


def test_a_service_with_a_longer_name_is_another_one() -> None:
    everywhere = endpoints_in(TABLE, "edge-pools", "site-everywhere")
    assert everywhere == {"10.244.1.5", "10.244.2.7"}
    assert endpoints_in(TABLE, "edge-pools", "sit") == frozenset()


def test_a_chain_of_a_former_endpoint_does_not_count() -> None:
    assert "10.244.9.9" not in endpoints_in(TABLE, "edge-pools", "site")


def test_a_service_without_endpoints_has_no_chain() -> None:
    assert endpoints_in(TABLE, "edge-pools", "nothing") == frozenset()


def test_names_in_quotes_are_the_same() -> None:
    quoted = TABLE.replace(
        "chain service-5OJB2KTY-edge-pools/site/tcp/http {",
        'chain "service-5OJB2KTY-edge-pools/site/tcp/http" {',
    )
    assert endpoints_in(quoted, "edge-pools", "site") == {"10.244.1.5", "10.244.1.6"}


@settings(max_examples=examples(60))
@given(st.text(alphabet=st.sampled_from('\t\n {}chain service-AAAAAAAA-edge-pools/site/tcp_0.1"')))
def test_no_text_is_too_strange(text: str) -> None:
    assert all(address.count(".") == 3 for address in endpoints_in(text, "edge-pools", "site"))
