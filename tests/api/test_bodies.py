"""Bodies together, drop by drop, and JSON that is meant to be too much."""

from __future__ import annotations

import json
import select
import socket
import threading
import time

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException

from tests.api_server import serving
from unprompt.api.bodies import BodyLimit, JsonRoute, parse_json
from unprompt.api.config import DEEPEST, MOST_VALUES
from unprompt.api.errors import add_handlers

NEST = "[" * DEEPEST + "]" * DEEPEST


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True], "b": "x,[{\"'"},
        "\\",
        '\\"',
        ["[" * 200, "," * (MOST_VALUES + 1), '"' * 100, "\\" * 101],
        json.loads(NEST),
        list(range(MOST_VALUES)),
        "ü\N{PILE OF POO}",
    ],
    ids=lambda value: repr(value)[:20],
)
def test_ordinary_json_is_read_as_pythons_own(value: object) -> None:
    for ascii_only in (True, False):
        text = json.dumps(value, ensure_ascii=ascii_only)
        assert parse_json(text.encode()) == value
        assert parse_json(text.encode("utf-8-sig")) == value


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 5_000_000, 413),
        (b"[" * 100_000, 422),
        (b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), 422),
        (b'{"texts":[' + b"1," * 10_000_000 + b"1]}", 413),
        (b'{"texts":[' + b'"",' * 1_000_000 + b'""]}', 413),
        (b'"' * 20_000_000, 413),
        (b'"' + b'\\"' * 8_000_000, None),
        (b'["\\\\' + b'","\\\\' * 600_000 + b'"]', 413),
        ('{"a": "b"}'.encode("utf-16"), 400),
        (b"\xff", 400),
        (b"", None),
        (b"{", None),
    ],
    ids=range(12),
)
def test_too_much_is_refused_before_it_is_parsed(body: bytes, status: int | None) -> None:
    begin = time.process_time()
    if status is None:
        with pytest.raises(json.JSONDecodeError):
            parse_json(body)
    else:
        with pytest.raises(HTTPException) as caught:
            parse_json(body)
        assert caught.value.status_code == status
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("depth", [0, 3])
def test_a_key_stands_once_in_an_object_where_that_is_asked_for(depth: int) -> None:
    before, after = b'[{"a": ' * depth, b"}]" * depth
    twice = before + b'{"a": 1, "b": 2, "a": 3}' + after
    assert parse_json(twice) == json.loads(twice)
    with pytest.raises(HTTPException) as caught:
        parse_json(twice, keys_once=True)
    assert caught.value.status_code == 422
    assert caught.value.detail == "repeated keys: 'a'; give each once"
    often = before + b'{"a": 1, "b": {"a": 2}, "c": [{"a": 1}, {"a": 2}]}' + after
    assert parse_json(often, keys_once=True) == json.loads(often)


def test_repeated_keys_are_named_within_bounds() -> None:
    keys = [f"{number}" + "x" * 1000 for number in range(1000)]
    body = "{" + ", ".join(f'"{key}": 1' for key in keys * 2) + ', "\\ud800": 1, "\\ud800": 2}'
    with pytest.raises(HTTPException) as caught:
        parse_json(body.encode(), keys_once=True)
    assert "996 more" in caught.value.detail
    assert len(caught.value.detail) < 1000


def small_app(**limits: float) -> FastAPI:
    app = FastAPI()
    router = APIRouter(route_class=JsonRoute)
    add_handlers(app)
    app.add_middleware(BodyLimit, most=100_000, **limits)

    @router.post("/length")
    async def length(request: Request, body: dict[str, str]) -> int:
        return len(body["a"])

    app.include_router(router)
    return app


def test_bodies_together_have_a_limit_and_one_alone_has_not() -> None:
    going, done = threading.Event(), threading.Event()

    def half() -> object:
        yield b'{"a": "' + b"x" * 50_000
        going.set()
        done.wait(10)
        yield b'"}'

    def send_half() -> None:
        httpx.post(f"{url}/length", content=half(), headers=json_type, trust_env=False)

    json_type = {"Content-Type": "application/json"}
    with serving(small_app(together=60_000)) as url:
        whole = {"a": "x" * 80_000}
        assert httpx.post(f"{url}/length", json=whole, trust_env=False).json() == 80_000  # larger, but alone
        thread = threading.Thread(target=send_half)
        thread.start()
        going.wait(10)
        refused = None
        while refused is None or refused.status_code == 200:  # until the half has come
            refused = httpx.post(f"{url}/length", json={"a": "x" * 20_000}, trust_env=False)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert httpx.post(f"{url}/length", json={"a": "x" * 900}, trust_env=False).json() == 900
        done.set()
        thread.join(10)
        assert httpx.post(f"{url}/length", json=whole, trust_env=False).json() == 80_000  # all is given back


def test_a_body_that_comes_drop_by_drop_has_an_end() -> None:
    with serving(small_app(longest=0.4)) as url:
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port), timeout=10) as line:
            line.sendall(b"POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n")
            drops = 0
            while not select.select([line], [], [], 0.05)[0]:
                line.sendall(b"x")
                drops += 1
            assert line.recv(1000).startswith(b"HTTP/1.1 408 ")
        assert 2 < drops < 60
