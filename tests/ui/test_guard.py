"""Who may talk to the page: its own address, its own origin, and whoever knows the token."""

from __future__ import annotations

import hmac

import pytest

from edge_lab.core.errors import InputError
from edge_lab.live.lab import LiveLab
from tests.ui.conftest import HOST, TOKEN, Open

CUT = {"words": ["cut", "link=arm-cloud"]}

PROTECTED = (
    ("GET", "/api/snapshot"),
    ("GET", "/api/events"),
    ("GET", "/api/picture"),
    ("GET", "/api/forms"),
    ("GET", "/api/logs"),
    ("GET", "/api/log"),
    ("POST", "/api/faults"),
    ("POST", "/api/heal"),
)


def test_every_route_but_files_is_protected(opened: Open) -> None:
    from edge_lab.ui.guard import PROTECTED as PREFIX

    app: object = opened().app
    routes = [(method, route.path) for route in app.routes for method in route.methods]  # type: ignore[attr-defined]
    asked = {route for route in routes if route[1].startswith(PREFIX) and route[0] != "HEAD"}
    assert asked == set(PROTECTED)


@pytest.mark.parametrize(
    "said", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer é"]
)
def test_nothing_is_said_or_done_without_the_token(opened: Open, live: LiveLab, said: str) -> None:
    page = opened(token=None)
    headers = {b"Authorization": said.encode()} if said else {}
    for method, path in PROTECTED:
        body = CUT if method == "POST" else None
        answer = page.request(method, path, headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (401, "token"), path
    assert live.snapshot().actions == ()


def test_the_token_is_not_taken_from_the_address_or_a_cookie(opened: Open) -> None:
    page = opened(token=None)
    assert page.get("/api/snapshot", params={"token": TOKEN}).status_code == 401
    page.cookies.set("token", TOKEN)
    assert page.get("/api/snapshot").status_code == 401


def test_the_token_is_compared_in_constant_time(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    original = hmac.compare_digest

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return original(one, other)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert opened().get("/api/snapshot").status_code == 200
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:18000", "127.0.0.1", "127.0.0.1:18001", ""]
)
@pytest.mark.parametrize("path", ["/", "/api/snapshot"])
def test_another_name_for_the_page_is_refused(opened: Open, host: str, path: str) -> None:
    answer = opened().get(path, headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host")


@pytest.mark.parametrize("host", [HOST, "localhost:18000"])
def test_the_pages_own_names_are_served(opened: Open, host: str) -> None:
    answer = opened().get("/api/snapshot", headers={"Host": host, "Origin": f"http://{host}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{HOST}"},
        {"Origin": "http://127.0.0.1:18001"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_requests_of_other_sites_are_refused_even_with_the_token(
    opened: Open, live: LiveLab, headers: dict[str, str]
) -> None:
    page = opened()
    for method, path in (*PROTECTED, ("GET", "/"), ("OPTIONS", "/api/faults")):
        body = CUT if method == "POST" else None
        answer = page.request(method, path, headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "origin"), path
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert live.snapshot().actions == ()


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_what_a_form_of_another_site_can_send_is_no_request(opened: Open, kind: str) -> None:
    answer = opened().post("/api/heal", content=b'{"ids": []}', headers={"Content-Type": kind})
    assert answer.status_code == 415


def test_a_request_is_short_and_says_so(opened: Open) -> None:
    headers = {"Content-Type": "application/json"}
    answer = opened().post("/api/heal", content=b" " * 20_000, headers=headers)
    assert answer.status_code == 413
    chunks = iter([b'{"ids"', b": []}"])
    assert opened().post("/api/heal", content=chunks, headers=headers).status_code == 411


@pytest.mark.parametrize("path", ["/", "/assets/app.js", "/api/snapshot", "/nothing", "/api/log"])
def test_no_inline_script_no_frame_and_nothing_from_elsewhere(opened: Open, path: str) -> None:
    headers = opened().get(path).headers
    policy = dict(
        part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "set-cookie" not in headers


def test_assets_have_no_inline_script_or_style_and_build_no_markup() -> None:
    from edge_lab.ui.app import ASSETS

    html = (ASSETS / "index.html").read_text(encoding="utf-8")
    assert html.count("<script") == html.count('<script type="module" src=')
    assert "style=" not in html
    assert "<style" not in html
    for script in ASSETS.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert sink not in text, script.name


def test_the_page_is_on_loopback_or_read_only() -> None:
    from edge_lab.ui.serve import bound, hosts_of

    with bound("127.0.0.1", 0, read_only=False) as listener:
        port = listener.getsockname()[1]
        assert hosts_of(listener) == (f"127.0.0.1:{port}", f"localhost:{port}")
        listener.listen()
        with pytest.raises(InputError):
            bound("127.0.0.1", port, read_only=False)
    for address in ("192.0.2.1", "0.0.0.0", "here"):
        with pytest.raises(InputError):
            bound(address, 0, read_only=False)
    for address in ("192.0.2.1", "0.0.0.0", "::"):  # not of this host; of no single name
        with pytest.raises(InputError):
            bound(address, 0, read_only=True)
