"""Which pages may use the server: their Origin, the Host they ask for, and what a browser asks beforehand."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from tests.api_server import serving
from unprompt.api.config import ServeConfig
from unprompt.api.origins import CheckedOrigin, HeadAsGet
from unprompt.errors import ConfigError
from unprompt.serving.hosts import host_of, is_own_name

ALLOWED = "http://localhost:3000"


def small_app(*origins: str, hosts: tuple[str, ...] = ()) -> FastAPI:
    app = FastAPI()

    @app.get("/thing")
    @app.post("/thing")
    async def thing() -> str:
        return "here"

    app.add_middleware(HeadAsGet)
    app.add_middleware(CheckedOrigin, origins=origins, hosts=hosts)
    return app


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(small_app(ALLOWED, hosts=("Paint.example.org",))) as address:
        yield address


def status(url: str, method: str = "POST", **headers: str) -> int:
    return httpx.request(
        method, f"{url}/thing", headers={name.replace("_", "-"): value for name, value in headers.items()}
    ).status_code


def test_programs_and_the_servers_own_pages_are_let_in(url: str) -> None:
    assert status(url) == 200
    assert status(url, Origin=url) == 200
    assert status(url, Host="localhost:7860", Origin="https://localhost:7860") == 200  # behind a TLS proxy


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://localhost:3001",
        "https://localhost:3000",
        "null",
        "http://127.0.0.1",
        "",
    ],
)
def test_pages_of_others_are_refused_whatever_they_send(url: str, origin: str) -> None:
    for method in ("POST", "GET", "HEAD", "OPTIONS"):
        assert status(url, method, Origin=origin) == 403
    told = httpx.post(f"{url}/thing", content="{}", headers={"Origin": origin}).json()["detail"]
    assert f"--cors-origins {origin}" in told


def test_allowed_pages_are_let_in(url: str) -> None:
    assert status(url, Origin=ALLOWED) == 200
    with serving(small_app("*")) as open_to_all:
        assert status(open_to_all, Origin="http://evil.example") == 200
    with serving(small_app()) as closed:
        assert status(closed, Origin=ALLOWED) == 403


def test_what_pages_fetch_without_an_origin_is_refused_but_a_link_may_be_followed(url: str) -> None:
    assert status(url, "GET", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors") == 403
    assert status(url, "GET", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 200
    assert status(url, "POST", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 403
    assert status(url, "GET", Sec_Fetch_Site="same-origin") == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("evil.example", 403), ("evil.example:7860", 403), ("127.0.0.1.evil.example", 403), ("example", 200),
        ("192.168.1.5:7860", 200), ("[::1]:7860", 200), ("host.docker.internal:7860", 200),
        ("printer.local", 200), ("localhost.", 200), ("paint.example.org", 200),
        ("paint.example.org.:80", 200), ("xlocal.evil", 403),
    ],
)  # fmt: skip
def test_names_of_websites_are_not_the_servers(url: str, host: str, expected: int) -> None:
    assert status(url, Host=host) == expected


def test_a_rebound_name_is_refused_although_page_and_server_agree(url: str) -> None:
    assert status(url, Host="evil.example", Origin="http://evil.example") == 403


def test_hosts_are_read() -> None:
    assert host_of("[FE80::1]:80") == "fe80::1"
    assert host_of("Example.org.:80") == "example.org"
    assert is_own_name("fe80::1")
    assert not is_own_name("local.evil")


def test_head_is_get_without_its_body(url: str) -> None:
    head, get = httpx.head(f"{url}/thing"), httpx.get(f"{url}/thing")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))


def test_origins_are_settings() -> None:
    assert ServeConfig().cors_origins == ()
    given = ServeConfig(cors_origins=("HTTP://Localhost:3000/", "*", "null", "app://obsidian.md"))
    assert given.cors_origins == ("http://localhost:3000", "*", "null", "app://obsidian.md")
    for wrong in ("localhost:3000", "http://a/b", "http://", "http://a b", "http://user@a"):
        with pytest.raises(ConfigError, match="is no origin; write"):
            ServeConfig(cors_origins=(wrong,))
