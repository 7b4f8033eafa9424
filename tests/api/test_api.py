"""The API over real HTTP: what it answers, what it refuses, who is sent away, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI, Request
from PIL import Image, ImageDraw

from tests import api_malformed
from tests.api_server import PATIENCE, server_process, serving, until
from tests.sample_namer import SampleNamer
from unprompt import colouring
from unprompt.api import doodles
from unprompt.api.auth import Credentials
from unprompt.api.bodies import BodyLimit
from unprompt.api.contract import Img2ImgRequest
from unprompt.api.errors import add_handlers
from unprompt.api.server import Service, bind, create_app
from unprompt.bundle.loaded import LoadedBundle
from unprompt.colouring.hints import read_colour
from unprompt.doodles.samples import draw_samples
from unprompt.doodles.steps import Steps
from unprompt.errors import CheckpointError, ConfigError
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.samples import sample_scenes
from unprompt.serving.painters import Order, PocketPainter, Sd2Painter
from unprompt.serving.worker import Worker
from unprompt.storage.images import encode_png

SCENE = sample_scenes(1)[0]
LONG = {"prompt": SCENE.prompt, "width": 2048, "height": 2048, "batch_size": 16}  # takes many seconds


@pytest.fixture(scope="module")
def url(loaded: LoadedBundle) -> Iterator[str]:
    with serving(create_app(loaded, PocketPainter())) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as made:
        yield made


@pytest.fixture(scope="module")
def pictures(scenes: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((scenes / "images").iterdir())[:3]]


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("RGB")


def taken(client: httpx.Client) -> int:
    """Requests that wait or are at work."""
    return int(client.get("/healthz").json()["requests"])


def hanging_post(url: str, path: str, body: dict[str, Any]) -> socket.socket:
    """A POST on a connection of its own that can be hung up."""
    host, port = url.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    line = socket.create_connection((host, int(port)))
    line.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return line


# --- ours


def test_embeddings_are_the_bundles(client: httpx.Client, loaded: LoadedBundle) -> None:
    texts = ["a red bus", "", "ein Käfer \U0001f41e", "a red bus"]
    answer = client.post("/v1/embed", json={"texts": texts})
    rows = np.array(answer.json()["embeddings"], dtype=np.float32)
    assert np.allclose(rows, loaded.embed(texts), atol=1e-6)
    assert np.array_equal(rows[0], rows[3])
    assert client.post("/v1/embed", json={"texts": []}).json() == {"embeddings": []}


def test_many_at_once_get_each_their_own(client: httpx.Client, loaded: LoadedBundle) -> None:
    texts = [f"a picture of {number} birds" + " and a tree" * (number % 7) for number in range(48)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda text: client.post("/v1/embed", json={"texts": [text]}).json(), texts))
    rows = np.array([answer["embeddings"][0] for answer in answers])
    assert np.allclose(rows, loaded.embed(texts), atol=1e-5)


def test_predictions_are_the_bundles(
    client: httpx.Client, loaded: LoadedBundle, pictures: list[bytes]
) -> None:
    sent = [base64_of(pictures[0]), f"data:image/png;base64,{base64_of(pictures[1])}"]
    answer = client.post("/v1/predict", json={"images": sent}).json()
    assert answer["bundle"] == "lite"
    readings = loaded.predict([opened(content) for content in pictures[:2]])
    for got, reading in zip(answer["predictions"], readings, strict=True):
        assert got["prompt"] == reading.prompt
        assert got["prompts"] == reading.prompts
        assert np.allclose(got["embedding"], reading.embedding, atol=1e-5)
        assert got["members"].keys() == reading.members.keys()
    assert client.post("/v1/predict", json={"images": []}).json()["predictions"] == []


def test_a_bad_image_is_named_and_harms_no_other(client: httpx.Client, pictures: list[bytes]) -> None:
    good, bad = {"image": base64_of(pictures[0])}, {"image": base64_of(pictures[1][:500])}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda body: client.post("/sdapi/v1/interrogate", json=body), [good, bad] * 4)
        )
    assert [answer.status_code for answer in answers] == [200, 422] * 4
    answer = client.post("/v1/predict", json={"images": [good["image"], bad["image"]]})
    assert answer.status_code == 422
    assert answer.json()["error"] == "UnreadableImageError"
    assert answer.json()["detail"].startswith("image 2 cannot be read: damaged or truncated")


def test_a_negative_prompt_is_not_made_up(client: httpx.Client, pictures: list[bytes]) -> None:
    body = {"image": base64_of(pictures[0])}
    answer = client.post("/v1/negative", json=body).json()
    assert answer["negative_prompt"] == ""
    assert "which words fit a picture is not told well enough here" in answer["why_not"]
    worded = {**body, "words": ["quality", "marks"], "without_words": ["lowres"]}
    words = client.post("/v1/negative", json=worded).json()["negative_prompt"].split(", ")
    assert {"blurry", "watermark"} <= set(words)
    assert "lowres" not in words
    refused = client.post("/v1/negative", json={**body, "words": ["colour"]})
    assert refused.status_code == 422
    assert "some of quality, anatomy, marks, framing" in refused.json()["detail"]


# --- colouring pages


@pytest.mark.parametrize(("form", "begins"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")])
def test_a_picture_becomes_a_page(
    client: httpx.Client, pictures: list[bytes], form: str, begins: bytes
) -> None:
    body = {"image": base64_of(pictures[0]), "format": form, "dpi": 72, "numbers": True, "colours": 6}
    answer = client.post("/v1/page", json=body)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert base64.b64decode(told.pop("page")).startswith(begins)
    assert told.pop("method") in ("own lines", "pix2pix, stage 1", "pix2pix, stage 2")
    assert told == {"format": form, "blank": False, "numbered": True}


def test_the_page_of_a_blank_picture_is_blank_and_bad_ones_are_told(client: httpx.Client) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(stream, "PNG")
    body = {"image": base64_of(stream.getvalue()), "dpi": 72}
    told = client.post("/v1/page", json={**body, "numbers": True}).json()
    assert (told["blank"], told["numbered"]) == (True, False)
    for wrong, said in (
        ({"image": base64_of(b"nothing")}, "the image cannot be read: not"),
        ({"title": "two\nlines"}, "title must be one line"),
        ({"margin": 51}, "margin"),
        ({"numbers": True, "original": "grey"}, "original: a page to paint by numbers has no small picture"),
        ({"colours": 5}, "colours: belongs to numbers, without which it does nothing; send numbers as true"),
        ({"detial": "low"}, "detail"),
    ):
        answer = client.post("/v1/page", json={**body, **wrong})
        assert answer.status_code == 422
        assert said in answer.json()["detail"]


@pytest.mark.parametrize("size", [(1, 1), (2000, 20), (1, 3000)], ids=["dot", "wide", "tall"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "L", "I;16"])
def test_pictures_of_odd_shapes_and_modes_become_pages(
    client: httpx.Client, size: tuple[int, int], mode: str
) -> None:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, "JPEG" if mode == "CMYK" else "PNG")
    answer = client.post("/v1/page", json={"image": base64_of(stream.getvalue()), "dpi": 72, "format": "svg"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["blank"] is True


# --- colouring by words


def boxes(mode: str = "L") -> bytes:
    """Two boxes beside each other as a PNG, with black lines on white, or on nothing with the mode RGBA."""
    image = Image.new("L", (96, 64), 255)
    for left in (8, 52):
        ImageDraw.Draw(image).rectangle((left, 8, left + 36, 56), outline=0, width=2)
    if mode == "RGBA":
        ink = Image.eval(image, lambda grey: 255 - grey)
        image = Image.new("RGBA", image.size, (0, 0, 0, 0))
        image.putalpha(ink)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def pixels(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def test_line_art_is_coloured_as_python_does(client: httpx.Client) -> None:
    body = {"image": base64_of(boxes()), "words": "a dark red box and a #2e8b57 one", "seed": 2}
    answer = client.post("/v1/colour", json={**body, "variants": 3, "crayons": "16"})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    of_python = colouring.paint(boxes(), body["words"], seed=2, variants=3, crayons="16")
    assert [base64.b64decode(text) for text in told["pictures"]] == list(map(encode_png, of_python))
    assert told["seeds"] == [2, 3, 4]
    assert told["regions"] == 3
    assert [colour["text"] for colour in told["colours"]] == ["dark red", "#2e8b57"]
    assert told["colours"][1] == {"text": "#2e8b57", "hex": "#2e8b57", "basic": "green"}
    silent = client.post("/v1/colour", json={"image": base64_of(boxes())}).json()
    assert silent["colours"] == []
    assert "there are no words: everything got its usual colours" in silent["told"]


def test_seeds_of_pictures_in_colour_begin_again_at_their_end(client: httpx.Client) -> None:
    body = {"image": base64_of(boxes()), "words": "a red box"}
    told = client.post("/v1/colour", json={**body, "seed": 2**32 - 1, "variants": 3}).json()
    assert told["seeds"] == [2**32 - 1, 0, 1]
    for seed, picture in zip(told["seeds"], told["pictures"], strict=True):
        assert client.post("/v1/colour", json={**body, "seed": seed}).json()["pictures"] == [picture]


def test_hints_and_transparency_are_taken_and_a_picture_can_be_the_answer(client: httpx.Client) -> None:
    hints = [{"x": 24, "y": 32, "colour": "light blue"}, {"x": 2, "y": 2, "colour": "paper"}]
    body = {"image": base64_of(boxes()), "hints": hints, "transparent": True, "format": "png"}
    answer = client.post("/v1/colour", json=body)
    assert answer.headers["content-type"] == "image/png"
    picture = pixels(answer.content)
    assert picture.shape == (64, 96, 4)
    assert tuple(picture[32, 24]) == (
        *(read_colour("light blue") >> shift & 255 for shift in (16, 8, 0)),
        255,
    )
    assert picture[2, 2, 3] == 0
    # What is transparent stays so, without being asked for.
    body = {"image": base64_of(boxes("RGBA")), "hints": hints, "format": "png"}
    assert pixels(client.post("/v1/colour", json=body).content)[2, 2, 3] == 0


def test_a_file_is_coloured_as_it_is_sent(client: httpx.Client) -> None:
    answer = client.post(
        "/v1/colour/upload",
        params={"words": "a red box", "crayons": "8"},
        content=boxes(),
        headers={"content-type": "image/png"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == encode_png(colouring.paint(boxes(), "a red box", crayons="8"))
    for content, parameters, said in (
        (b"nothing", {}, "the image cannot be read: not"),
        (b"", {}, "the image cannot be read: the file is empty"),
        (boxes(), {"crayons": "9"}, "crayons"),
        (boxes(), {"seed": -1}, "seed"),
        (boxes(), {"words": "a" * 20_001}, "words"),
        (boxes(), {"wrods": "a red box"}, "unknown keys: 'wrods' (did you mean 'words'?)"),
        (boxes(), {"variants": 3}, "unknown keys: 'variants'"),
        (boxes(), {"words": ["a red box", "a box"], "seed": 1}, "repeated keys: 'words'; give each once"),
    ):
        refused = client.post("/v1/colour/upload", params=parameters, content=content)
        assert refused.status_code == 422
        assert said in refused.json()["detail"]
    refused = client.post("/v1/colour/upload", files={"file": ("boxes.png", boxes(), "image/png")})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("the body is a form; send the picture's file alone")


def test_what_cannot_be_coloured_is_told(client: httpx.Client) -> None:
    body = {"image": base64_of(boxes())}
    place = {"x": 1, "y": 1, "colour": "red"}
    for wrong, said in (
        ({"image": base64_of(b"nothing")}, "the image cannot be read: not"),
        ({"image": "http://example.org/a.png"}, "the image is an address"),
        ({"variants": 5}, "variants"),
        ({"variants": 2, "format": "png"}, "a PNG is one picture, not 2"),
        ({"crayons": 8}, "crayons"),
        ({"hints": [place, {**place, "colour": "rde"}]}, "hints.1.colour: 'rde' is no colour"),
        ({"hints": [{**place, "x": 96}]}, "(96, 1) lies outside the drawing of 96 x 64 pixels"),
        ({"hints": [place] * 257}, "hints"),
        ({"wrods": "a cat"}, "'wrods' (did you mean 'words'?)"),
    ):
        answer = client.post("/v1/colour", json={**body, **wrong})
        assert answer.status_code == 422, said
        assert said in answer.json()["detail"]
    blank = base64_of(encode_png(Image.new("L", (40, 30), 255)))
    told = client.post("/v1/colour", json={"image": blank, "words": "a red fox"}).json()["told"]
    assert "the picture is blank: there are no lines to colour between" in told


# --- doodles


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawings are named by what knows the sample doodles."""
    given = Steps(SampleNamer())
    monkeypatch.setattr(doodles, "open_steps", lambda config: given)


CAT = [stroke.round(1).tolist() for stroke in draw_samples()["Cat"].drawing.strokes]


@pytest.mark.usefixtures("named")
def test_a_doodle_is_named_and_described(client: httpx.Client) -> None:
    answer = client.post("/v1/doodle", json={"strokes": CAT})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["guesses"][0]["word"] == "cat"
    assert len(told["guesses"]) == 5
    assert (told["caption"], told["prompt"]) == ("a cat", "A photo of a cat")
    known = client.post("/v1/doodle", json={"strokes": CAT, "word": " umbrella ", "top": 1}).json()
    assert [guess["word"] for guess in known["guesses"]] == ["cat"]
    assert (known["caption"], known["prompt"]) == ("an umbrella", "A photo of an umbrella")
    dot = client.post("/v1/doodle", json={"strokes": [[[3, 4]]]})
    assert dot.status_code == 200, dot.text


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("strokes", "said"),
    [
        ("[]", "strokes: must have at least 1 value, has 0"),
        ("[[]]", "strokes.0: must have at least 1 value, has 0"),
        ("[[[1, 2, 3]]]", "strokes.0.0: must have at most 2 values, has 3"),
        ("[[[1]]]", "strokes.0.0: must have at least 2 values, has 1"),
        ("[[1, 2]]", "strokes.0.0: must be a list, got a number"),
        ('[[["1", 2]]]', "strokes.0.0.0: must be a number, got a text"),
        ("[[[NaN, 2]]]", "strokes.0.0.0: must be a number, got NaN or an infinity"),
        ("[[[1, Infinity]]]", "strokes.0.0.1: must be a number, got NaN or an infinity"),
        ("[[[1, null]]]", "strokes.0.0.1: must be a number, got null"),
        ("[[[1e9, 2]]]", "stroke 0 of a drawing has a coordinate beyond 10,000,000"),
        (f"[{','.join(['[[1, 2]]'] * 1001)}]", "strokes: must have at most 1,000 values, has 1,001"),
        (f"[[{','.join(['[1, 2]'] * 50_001)}]]", "strokes.0: must have at most 50,000 values, has 50,001"),
        (f"[[{','.join(['[1, 2]'] * 30_000)}],[{','.join(['[1, 2]'] * 30_000)}]]", "60,000 points"),
        ('{"points": []}', "strokes: must be a list, got an object"),
    ],
)
def test_what_is_no_drawing_is_told(client: httpx.Client, strokes: str, said: str) -> None:
    headers = {"content-type": "application/json"}
    answer = client.post("/v1/doodle", content=f'{{"strokes": {strokes}}}', headers=headers)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


@pytest.mark.usefixtures("named")
def test_what_else_a_doodle_cannot_have_is_told(client: httpx.Client) -> None:
    for wrong, said in (
        ({"top": 0}, "top"),
        ({"top": 346}, "top"),
        ({"wrod": "cat"}, "'wrod' (did you mean 'word'?)"),
        ({"strokes": None}, "strokes"),
        ({"style": "of old"}, "there is no style 'of old'"),
        ({"word": "..."}, "word: '...' names nothing; say what the drawing shows"),
        ({"word": "a\0"}, r"word: 'a\x00' names nothing"),
    ):
        answer = client.post("/v1/doodle", json={"strokes": CAT, **wrong})
        assert answer.status_code == 422, said
        assert said in answer.json()["detail"]


def test_without_a_namer_the_server_says_so(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doodles, "open_steps", lambda config: Steps())
    answer = client.post("/v1/doodle", json={"strokes": CAT})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "nothing here names drawings"


# --- the web UI's


def test_interrogate_gives_the_bundles_prompt(
    client: httpx.Client, loaded: LoadedBundle, pictures: list[bytes]
) -> None:
    body = {"image": base64_of(pictures[0])}
    [reading] = loaded.predict([opened(pictures[0])])
    for model in ({}, {"model": "clip"}, {"model": "phrases"}):
        assert client.post("/sdapi/v1/interrogate", json={**body, **model}).json() == {
            "caption": reading.prompt
        }
    answer = client.post("/sdapi/v1/interrogate", json={**body, "model": "deepdanbooru"})
    assert answer.status_code == 404
    assert (
        answer.json()["detail"]
        == "there is no model 'deepdanbooru' to interrogate with; here are clip, phrases"
    )


def test_txt2img_paints_what_the_pocket_world_draws(client: httpx.Client) -> None:
    body = {"prompt": SCENE.prompt, "seed": 11, "width": 64, "height": 64, "batch_size": 2, "n_iter": 2}
    answer = client.post("/sdapi/v1/txt2img", json=body).json()
    drawn = [opened(base64.b64decode(text)) for text in answer["images"]]
    for image, seed in zip(drawn, (11, 12, 13, 14), strict=True):
        assert image.tobytes() == draw_scene(SCENE, seed, 64).tobytes()
    assert json.loads(answer["info"])["all_seeds"] == [11, 12, 13, 14]


def test_a_prompt_that_cannot_be_painted_says_where(client: httpx.Client) -> None:
    answer = client.post("/sdapi/v1/txt2img", json={"prompt": "thinking of music"})
    assert answer.status_code == 422
    assert "knows nothing that the prompt 'thinking of music' names" in answer.json()["detail"]


def test_lists_and_options(client: httpx.Client) -> None:
    assert "Euler a" in [one["name"] for one in client.get("/sdapi/v1/samplers").json()]
    assert [one["title"] for one in client.get("/sdapi/v1/sd-models").json()] == ["pocket"]
    assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "pocket"
    assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "pocket"}).json() is None
    assert client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "xl"}).status_code == 404
    lora = client.post("/sdapi/v1/options", json={"sd_lora": "x"})
    assert "sd_lora: there are no LoRAs" in lora.json()["detail"]


def test_txt2img_can_be_off(loaded: LoadedBundle) -> None:
    with serving(create_app(loaded)) as url:
        assert httpx.get(f"{url}/sdapi/v1/sd-models").json() == []
        answer = httpx.post(f"{url}/sdapi/v1/txt2img", json={})
        assert answer.status_code == 404
        assert "--painter pocket" in answer.json()["detail"]


def test_the_clients_of_others_work(url: str, loaded: LoadedBundle, pictures: list[bytes]) -> None:
    webuiapi = pytest.importorskip("webuiapi")
    api = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1")
    painted = api.txt2img(prompt=SCENE.prompt, negative_prompt="a dog", seed=3, width=64, height=64, n_iter=2)
    assert [image.tobytes() for image in painted.images] == [
        draw_scene(SCENE, seed, 64).tobytes() for seed in (3, 4)
    ]
    assert painted.info["all_seeds"] == [3, 4]
    assert painted.parameters["negative_prompt"] == "a dog"
    found = api.interrogate(opened(pictures[0]))
    assert found.info == loaded.predict([opened(pictures[0])])[0].prompt
    assert "Euler a" in api.util_get_sampler_names()
    assert api.util_get_current_model() == "pocket"
    api.util_set_model("pocket")
    api.util_wait_for_ready(0.01)
    with pytest.raises(RuntimeError, match="no second pass"):
        api.txt2img(prompt=SCENE.prompt, enable_hr=True)


def test_easy_diffuser_sends_to_it(url: str, tmp_path: Path) -> None:
    webui = pytest.importorskip("unprompt.easy_diffuser.webui")
    out = tmp_path / "out.png"
    paths = webui.send(
        SCENE.prompt, "a dog", url=url, steps=3, out=out, seed=5, width=64, height=64, batch_size=2
    )
    assert [Image.open(path).convert("RGB").tobytes() for path in paths] == [
        draw_scene(SCENE, seed, 64).tobytes() for seed in (5, 6)
    ]


# --- Stable Diffusion


@pytest.fixture(scope="module")
def tiny_sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers")
    from tests.tiny_sd import write_tiny_sd

    return write_tiny_sd(tmp_path_factory.mktemp("models") / "tiny-sd")


def test_stable_diffusion_paints_as_render_does(loaded: LoadedBundle, tiny_sd: Path) -> None:
    from unprompt.diffusion.engine import Sd2Engine
    from unprompt.painting.engine import Picture

    body = {
        "prompt": "a cat", "negative_prompt": "a dog", "seed": 9, "steps": 3, "cfg_scale": 5, "width": 64,
        "height": 72, "n_iter": 2,
    }  # fmt: skip
    with serving(create_app(loaded, Sd2Painter.open(str(tiny_sd), "cpu"))) as url:
        for sampler, scheduler in (
            ("DPM++ 2M", "dpmsolver++-karras"),
            ("Euler a", "euler-a"),
            ("DDIM", "ddim"),
        ):
            answer = httpx.post(
                f"{url}/sdapi/v1/txt2img", json={**body, "sampler_name": sampler}, timeout=PATIENCE
            )
            engine = Sd2Engine(
                str(tiny_sd), steps=3, guidance=5, width=64, height=72, scheduler=scheduler, device="cpu",
                negative_prompt="a dog", save_size=None,
            )  # fmt: skip
            own = engine.open().render([Picture("a", "a cat", 9), Picture("b", "a cat", 10)])
            sent = [opened(base64.b64decode(text)).tobytes() for text in answer.json()["images"]]
            assert sent == [image.tobytes() for image in own], sampler
        noisy = httpx.post(
            f"{url}/sdapi/v1/txt2img", json={**body, "sampler_name": "DDIM", "eta": 1}, timeout=PATIENCE
        )
        assert opened(base64.b64decode(noisy.json()["images"][0])).tobytes() != sent[0]
        long = httpx.post(f"{url}/sdapi/v1/txt2img", json={**body, "prompt": "a cat " * 80}, timeout=PATIENCE)
        assert json.loads(long.json()["info"])["notes"] == [
            "prompt is longer than the model reads; its end has no effect"
        ]
        silent = httpx.post(f"{url}/sdapi/v1/txt2img", json={**body, "sampler_name": "Euler a", "eta": 0})
        assert silent.status_code == 422
        assert "'Euler a' always adds all its noise" in silent.json()["detail"]
        refused = httpx.post(f"{url}/sdapi/v1/txt2img", json={**body, "width": 70})
        assert refused.status_code == 422
        assert "width must be a multiple of 8" in refused.json()["detail"]


def test_stable_diffusion_stops_at_the_next_step_when_the_client_hangs_up(
    loaded: LoadedBundle, tiny_sd: Path
) -> None:
    painter = Sd2Painter.open(str(tiny_sd), "cpu")
    with serving(create_app(loaded, painter)) as url, httpx.Client(base_url=url, timeout=PATIENCE) as client:
        body = {"prompt": "a cat", "steps": 150, "width": 512, "height": 512, "n_iter": 16}
        line = hanging_post(url, "/sdapi/v1/txt2img", body)
        until(lambda: client.get("/sdapi/v1/progress").json()["state"]["sampling_step"] > 1, "it paints")
        state = client.get("/sdapi/v1/progress").json()["state"]
        assert state["job"] == "txt2img"
        assert state["sampling_steps"] == 16 * 150
        line.close()
        until(lambda: taken(client) == 0, "the slot is free")
        until(lambda: client.get("/sdapi/v1/progress").json()["state"]["job"] == "", "the work stopped")


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not a whole Stable Diffusion folder"):
        Sd2Painter.open(str(tmp_path), "cpu")


# --- limits


def test_a_full_server_says_when_to_come_again_and_a_hung_up_client_frees_its_slot(
    loaded: LoadedBundle,
) -> None:
    with (
        serving(create_app(loaded, PocketPainter(), queue=2)) as url,
        httpx.Client(base_url=url, timeout=PATIENCE) as client,
    ):
        running = hanging_post(url, "/sdapi/v1/txt2img", LONG)
        until(lambda: client.get("/sdapi/v1/progress").json()["state"]["job"] == "txt2img", "it paints")
        waiting = hanging_post(url, "/sdapi/v1/txt2img", LONG)
        until(lambda: taken(client) == 2, "both are in")
        refused = client.post("/v1/embed", json={"texts": ["a cat"]})
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["error"] == "BusyError"
        assert client.get("/healthz").json()["queue"] == 2  # what needs no model is answered all the time
        waiting.close()
        until(lambda: taken(client) == 1, "the waiting one's slot is free")
        running.close()
        until(lambda: taken(client) == 0, "the running one's slot is free")
        assert client.post("/v1/embed", json={"texts": ["a cat"]}).status_code == 200


def test_bodies_are_limited_while_they_arrive() -> None:
    app = FastAPI()
    add_handlers(app)
    app.add_middleware(BodyLimit, most=1000)

    @app.post("/length")
    async def length(body: dict[str, str]) -> int:
        return len(body["a"])

    def sent_in_parts(size: int) -> Iterator[bytes]:
        yield b'{"a": "'
        for _ in range(size // 100):
            yield b"x" * 100
        yield b'"}'

    json_type = {"Content-Type": "application/json"}
    with serving(app) as url:
        assert httpx.post(f"{url}/length", json={"a": "x" * 900}).json() == 900
        assert httpx.post(f"{url}/length", content=sent_in_parts(900), headers=json_type).json() == 900
        announced = httpx.post(f"{url}/length", json={"a": "x" * 1000})
        unannounced = httpx.post(f"{url}/length", content=sent_in_parts(1000), headers=json_type)
    for answer in (announced, unannounced):
        assert answer.status_code == 413
        assert "larger than 1,000 bytes" in answer.json()["detail"]


def test_a_body_that_stops_coming_is_not_waited_for_but_an_answer_is() -> None:
    app = FastAPI()
    add_handlers(app)
    app.add_middleware(BodyLimit, most=1000, patience=0.3)

    @app.post("/slow")
    async def slow(request: Request, body: dict[str, str]) -> int:
        with suppress(asyncio.TimeoutError):  # as endpoints watch for a client that hangs up
            await asyncio.wait_for(request.receive(), 1.0)
        return len(body)

    with serving(app, keep_alive=1) as url:
        assert httpx.post(f"{url}/slow", json={"a": "b"}).json() == 1
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port), timeout=10) as line:
            line.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
            said = b"".join(iter(partial(line.recv, 1000), b""))  # until the server ends the connection
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"did not come within 0.3 seconds" in said


def test_pictures_to_begin_with_are_read_one_at_a_time_whoever_hangs_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    class Over:
        title, unused = "over", ()

        def check(self, order: Order) -> None: ...

        def notes(self, order: Order) -> list[str]:
            return []

        def paint(self, order: Order, tell: object) -> Iterator[tuple[int, Image.Image]]:
            assert order.start
            yield 0, order.start.image

    def fit(image: Image.Image, *_: object) -> Image.Image:
        threads.append(threading.current_thread())
        reading.set()
        assert go_on.wait(PATIENCE)
        return image

    monkeypatch.setattr("unprompt.api.painting_orders.fit_image", fit)
    request = Img2ImgRequest(init_images=[base64_of(encode_png(Image.new("RGB", (8, 8))))], prompt="a cat")
    loaded = SimpleNamespace(embed=None, predict=None, interrogate=None, modes=(), device="cpu")

    async def ask() -> None:
        service = Service(loaded, Over(), Worker(4))  # type: ignore[arg-type]
        first = asyncio.ensure_future(service.paint(request))
        assert await asyncio.to_thread(reading.wait, PATIENCE)
        first.cancel()
        others = [asyncio.ensure_future(service.paint(request)) for _ in range(2)]
        await asyncio.wait([first])
        others.pop().cancel()
        asyncio.get_running_loop().call_soon(go_on.set)
        assert (await others[0]).images
        await service.close()

    asyncio.run(ask())
    assert len(threads) == 2  # who hung up while waiting costs nothing
    assert len(set(threads)) == 1
    assert threads[0] is not threading.main_thread()


def test_a_password_is_asked_for_everywhere_but_in_healthz(loaded: LoadedBundle) -> None:
    with serving(create_app(loaded, PocketPainter(), credentials=Credentials("ann", "secret"))) as url:
        for path in ("/", "/docs", "/openapi.json", "/sdapi/v1/options", "/nowhere"):
            answer = httpx.get(url + path)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
            assert httpx.get(url + path, auth=("ann", "wrong")).status_code == 401
        assert httpx.get(f"{url}/sdapi/v1/options", auth=("ann", "secret")).status_code == 200
        assert httpx.get(f"{url}/healthz").status_code == 200
        webuiapi = pytest.importorskip("webuiapi")
        api = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", username="ann", password="secret")
        assert api.util_get_current_model() == "pocket"


def test_every_error_has_the_same_shape(client: httpx.Client) -> None:
    answers = [
        client.get("/nowhere"),
        client.get("/v1/embed"),
        client.post("/v1/embed", content=b"{", headers={"Content-Type": "application/json"}),
        client.post("/v1/embed", json={"text": ["a cat"]}),
        client.get("/sdapi/v1/progress", params={"skip_current_image": "perhaps"}),
    ]
    assert [answer.status_code for answer in answers] == [404, 405, 422, 422, 422]
    for answer in answers:
        assert answer.json().keys() == {"error", "detail"}
        assert isinstance(answer.json()["detail"], str)
    assert [answer.json()["detail"] for answer in answers] == [
        "Not Found: there is no /nowhere here; /docs lists what there is",
        "Method Not Allowed: /v1/embed is asked by POST, not by GET",
        "the body is not JSON: Expecting property name enclosed in double quotes at character 2",
        "unknown keys: 'text' (did you mean 'texts'?)",
        "query.skip_current_image: must be true or false",
    ]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/v1/embed", "", "the body is empty; send a JSON object"),
        ("/v1/embed", "[]", "the body must be a JSON object, got a list"),
        ("/sdapi/v1/interrogate", '"x"', "the body must be a JSON object, got a text"),
        ("/v1/embed", "{}", "texts: missing; it has to be given"),
        ("/v1/embed", '{"texts": "a cat"}', "texts: must be a list, got a text"),
        ("/v1/embed", '{"texts": [null, true]}',
         "texts.0: must be a text, got null; texts.1: must be a text, got true"),
        ("/v1/embed", '{"texts": ["\\ud800"]}',
         "texts.0: has half a character (\\ud800 to \\udfff); send whole ones"),
        ("/v1/embed", '{"n": ' + "9" * 5000 + "}",
         "the JSON has a number with too many digits; send a smaller one"),
        ("/v1/embed", '{"texts": ["a cat"], "texts": ["a dog"]}', "repeated keys: 'texts'; give each once"),
        ("/v1/colour", '{"image": "a", "hints": [{"x": 1, "y": 1, "x": 2, "colour": "red", "y": 3}]}',
         "repeated keys: 'x', 'y'; give each once"),
        ("/v1/negative", '{"image": ""}', "image: must not be empty"),
        ("/v1/negative", '{"image": "/a.png"}',
         "the image is not base64: it has the character '.'; send the picture's file as base64"),
        ("/sdapi/v1/interrogate", '{"image": "abcde"}',
         "the image is not base64: its length is 5, no multiple of 4, as if its end were missing; send"),
        ("/sdapi/v1/interrogate", '{"image": "", "image": "abcde"}',
         "the image is not base64: its length is 5"),
        ("/v1/page", '{"image": "ab=c"}', "the image is not base64: it has = before its end; send"),
        ("/v1/page", '{"image": "a", "dpi": 72.5}', "dpi: must be a whole number, got a fraction"),
        ("/v1/page", '{"image": "a", "dpi": 9e9}', "dpi: must be at most 300"),
        ("/v1/page", '{"image": "a", "line_width": 0}', "line_width: must be above 0"),
        ("/v1/page", '{"image": "a", "format": "gif"}', "format: must be 'png', 'svg' or 'pdf'"),
        ("/v1/colour", '{"image": "a", "seed": 4294967296}', "seed: must be below 4,294,967,296"),
        ("/v1/colour", '{"image": "a", "hints": [[1]]}', "hints.0: must be an object, got a list"),
        ("/sdapi/v1/txt2img", '{"steps": "many"}', "steps: must be a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_body_is_said_with_its_place_and_kind(
    client: httpx.Client, path: str, body: str, said: str
) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"].startswith(said)


def test_500_malformed_requests_leave_the_server_answering(
    client: httpx.Client, loaded: LoadedBundle
) -> None:
    statuses: Counter[int] = Counter()
    for one in api_malformed.requests(500):
        answer = client.post(one.path, content=one.body, headers=one.headers)
        assert 400 <= answer.status_code < 500, (one.what, one.path, one.body[:80], answer.text)
        assert answer.json().keys() == {"error", "detail"}
        assert len(answer.text) < 70_000, one.what
        statuses[answer.status_code] += 1
    assert taken(client) == 0
    row = client.post("/v1/embed", json={"texts": ["a cat"]}).json()["embeddings"]
    assert np.allclose(row, loaded.embed(["a cat"]), atol=1e-6)
    assert set(statuses) >= {400, 422}


# --- the page, the start, the end


def test_the_page_describes_every_endpoint_and_asks_nothing_of_the_network(client: httpx.Client) -> None:
    page = client.get("/docs").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:|openapi\.json)", page)
    assert client.get("/").headers["location"] == "docs"


def test_an_address_that_is_taken_is_told() -> None:
    with bind("127.0.0.1", 0) as first:
        first.listen()
        with pytest.raises(ConfigError, match="give another --port"):
            bind("127.0.0.1", first.getsockname()[1])


@pytest.mark.slow
def test_on_sigterm_it_finishes_what_it_has_begun_takes_no_more_and_ends_well() -> None:
    with server_process("--bundle", "lite", UNPROMPT_AUTH="ann:secret") as served:
        with httpx.Client(base_url=served.url, timeout=PATIENCE, auth=("ann", "secret")) as client:
            body = {**LONG, "width": 512, "height": 512}
            answers: list[httpx.Response] = []
            asking = threading.Thread(
                target=lambda: answers.append(client.post("/sdapi/v1/txt2img", json=body))
            )
            asking.start()
            until(lambda: httpx.get(f"{served.url}/healthz").json()["requests"] == 1, "it paints")
            served.process.send_signal(signal.SIGTERM)

            def is_closed() -> bool:
                try:
                    httpx.get(f"{served.url}/healthz")
                except httpx.TransportError:
                    return True
                return False

            until(is_closed, "nobody is let in")
            asking.join(PATIENCE)
        assert len(answers[0].json()["images"]) == 16
        _, errors = served.process.communicate(timeout=PATIENCE)
        assert served.process.returncode == 0
        assert "Traceback" not in errors


@pytest.mark.slow
def test_schemathesis_finds_no_fault(url: str) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    tried: Counter[str] = Counter()
    mode_of = schemathesis.GenerationMode
    operations = [result.ok() for result in schema.get_all_operations()]
    paths = schema.raw_schema["paths"]
    with_body = [one for one in operations if "requestBody" in paths[one.path][one.method]]
    wrong = [(one, mode_of.NEGATIVE) for one in with_body]
    for operation, mode in [*((one, mode_of.POSITIVE) for one in operations), *wrong]:

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers_as_described(case: Any) -> None:
            # A schema cannot say which texts are pictures or scenes, so some that fit it are refused.
            excluded = [positive_data_acceptance]
            if case.path.startswith("/sdapi/"):  # where "20" is a number too, as the clients are used to
                excluded.append(negative_data_rejection)
            case.call_and_validate(timeout=PATIENCE, excluded_checks=excluded)
            tried[case.path] += 1

        answers_as_described()
    assert set(tried) == set(schema.raw_schema["paths"])
