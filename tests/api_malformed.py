"""Requests that no server should take, and that none may fall over: the same ones each time."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

from PIL import Image

# Keys that are not known are refused by these alone.
OURS = ("/v1/embed", "/v1/predict", "/v1/negative")
PATHS = ("/sdapi/v1/interrogate", "/sdapi/v1/txt2img", "/sdapi/v1/options", "/v1/embed", "/v1/predict")
MAIN_KEY = {
    "/sdapi/v1/interrogate": "image",
    "/sdapi/v1/txt2img": "prompt",
    "/sdapi/v1/options": "sd_model_checkpoint",
    "/v1/embed": "texts",
    "/v1/predict": "images",
}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Malformed:
    """A POST; `what` says what is wrong with it."""

    what: str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))


def requests(count: int, seed: int = 0) -> Iterator[Malformed]:
    """`count` malformed requests, all kinds of them in turn."""
    dice = random.Random(seed)
    for number in range(count):
        way = WAYS[number % len(WAYS)]
        yield way(dice, dice.choice(PATHS))


def picture(dice: random.Random, size: int = 24) -> bytes:
    """A PNG of noise."""
    stream = io.BytesIO()
    Image.frombytes("RGB", (size, size), dice.randbytes(3 * size * size)).save(stream, "PNG")
    return stream.getvalue()


def with_picture(what: str, dice: random.Random, content: bytes) -> Malformed:
    """A request that is well-formed but for its picture."""
    text = base64.b64encode(content).decode()
    path, body = dice.choice(
        [("/sdapi/v1/interrogate", {"image": text}), ("/v1/predict", {"images": [text]})]
    )
    return Malformed(what, path, json.dumps(body).encode())


def no_json(dice: random.Random, path: str) -> Malformed:
    return Malformed("no JSON", path, dice.randbytes(dice.randrange(1, 200)))


def cut_json(dice: random.Random, path: str) -> Malformed:
    whole = json.dumps({MAIN_KEY[path]: "x" * 50, "steps": [1, 2, {"a": None}]}).encode()
    return Malformed("JSON cut short", path, whole[: dice.randrange(1, len(whole))])


def empty(dice: random.Random, path: str) -> Malformed:
    path = dice.choice(["/sdapi/v1/interrogate", "/v1/embed", "/v1/predict"])
    return Malformed("nothing", path, dice.choice([b"", b"{}", b"null", b"[]", b'""', b"7"]))


def other_type(dice: random.Random, path: str) -> Malformed:
    value = dice.choice([7, -1.5, True, {"a": 1}, [[]], [7], [None], {}])
    return Malformed("another type", path, json.dumps({MAIN_KEY[path]: value}).encode())


def unknown_key(dice: random.Random, path: str) -> Malformed:
    path = dice.choice(OURS)
    key = "".join(dice.choices("abcé\u202e\U0001f600 \n\0", k=dice.randrange(1, 400)))
    return Malformed("an unknown key", path, json.dumps({key: 1}).encode())


def half_a_surrogate(dice: random.Random, path: str) -> Malformed:
    body = dice.choice(
        [b'{"prompt": "\\ud800"}', b'{"texts": ["\\udfff"]}', b'{"\\ud83d": 1}', b'{"images": ["\\ud800"]}']
    )
    path = "/v1/embed" if b"texts" in body else dice.choice(OURS)
    return Malformed("half a surrogate pair", path, body)


def deep(dice: random.Random, path: str) -> Malformed:
    path = dice.choice(OURS)
    depth = dice.choice([100, 5_000, 100_000])
    return Malformed("nested deeply", path, b'{"a":' * depth + b"1" + b"}" * depth)


def long_number(dice: random.Random, path: str) -> Malformed:
    digits = b"9" * dice.choice([30, 5_000])
    body = (
        b'{"prompt": "a cat", "seed": '
        + dice.choice([digits, b"-" + digits, b"1e999", b"NaN", b"-Infinity"])
        + b"}"
    )
    return Malformed("a number out of range", "/sdapi/v1/txt2img", body)


def wrong_utf8(dice: random.Random, path: str) -> Malformed:
    return Malformed("wrong UTF-8", path, b'{"' + MAIN_KEY[path].encode() + b'": "\xff\xfe\xc3"}')


def other_content(dice: random.Random, path: str) -> Malformed:
    kind = dice.choice(
        ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", "//;=,", "json"]
    )
    return Malformed("another content type", path, b'{"texts": 3}', {"Content-Type": kind})


def no_base64(dice: random.Random, path: str) -> Malformed:
    text = "".join(dice.choices("AB=+/-_ é,;:\\", k=dice.randrange(1, 100)))
    return Malformed("no base64", "/sdapi/v1/interrogate", json.dumps({"image": f"data:{text}é"}).encode())


def huge_base64(dice: random.Random, path: str) -> Malformed:
    return Malformed(
        "much base64 of no picture",
        "/v1/predict",
        json.dumps({"images": ["A" * 4 * dice.randrange(1 << 18)]}).encode(),
    )


def truncated_picture(dice: random.Random, path: str) -> Malformed:
    whole = picture(dice)
    return with_picture("a picture cut short", dice, whole[: dice.randrange(1, len(whole) - 30)])


def damaged_picture(dice: random.Random, path: str) -> Malformed:
    """The header is broken, so that no decoder can make anything of it."""
    broken = bytearray(picture(dice))
    broken[dice.randrange(8)] ^= 0xFF
    return with_picture("a damaged picture", dice, bytes(broken))


def bomb(dice: random.Random, path: str) -> Malformed:
    return with_picture("a decompression bomb", dice, white(dice.choice([9_000, 30_000]), 9_000))


@cache
def white(width: int, height: int) -> bytes:
    """A PNG of very many pixels in few bytes."""
    stream = io.BytesIO()
    Image.new("1", (width, height), 1).save(stream, "PNG")
    return stream.getvalue()


def out_of_range(dice: random.Random, path: str) -> Malformed:
    value = dice.choice(
        [
            {"steps": 0}, {"steps": 10**6}, {"width": -8}, {"batch_size": 1000},
            {"batch_size": 4, "n_iter": 8},
            {"height": 513.5}, {"sampler_name": "x" * 9999}, {"enable_hr": True},
            {"alwayson_scripts": {"a": {}}},
            {"override_settings": {"a": 1}}, {"width": 64, "height": 128}, {"prompt": "no scene at all !"},
        ]
    )  # fmt: skip
    return Malformed("a value out of range", "/sdapi/v1/txt2img", json.dumps(value).encode())


def too_many(dice: random.Random, path: str) -> Malformed:
    path, body = dice.choice(
        [("/v1/embed", {"texts": ["a"] * 257}), ("/v1/predict", {"images": ["QUJD"] * 17})]
    )
    return Malformed("too many", path, json.dumps(body).encode())


WAYS: tuple[Callable[[random.Random, str], Malformed], ...] = (
    no_json, cut_json, empty, other_type, unknown_key, half_a_surrogate, deep, long_number, wrong_utf8,
    other_content, no_base64, huge_base64, truncated_picture, damaged_picture, out_of_range, too_many, bomb,
)  # fmt: skip
