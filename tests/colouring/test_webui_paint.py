"""Colouring by a web UI: what it is asked for, what comes back, and what belongs to which engine."""

from __future__ import annotations

import base64
import io
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.web_ui_server import answering, encoded, opened, picture, serving
from unprompt.cli import main
from unprompt.colouring.webui_config import WebUIPaint
from unprompt.colouring.webui_paint import WebUIPainter
from unprompt.errors import ConfigError, InputError


def line_art(size: tuple[int, int] = (90, 60)) -> Image.Image:
    image = Image.new("L", size, 255)
    image.paste(0, (20, 10, 24, 50))
    return image


def decoded(text: str) -> Any:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def test_the_web_ui_is_asked_to_edit_the_drawing_and_its_answer_has_the_drawings_size() -> None:
    colour, control = picture(1, (96, 64)), picture(2, (96, 64))
    with serving(200, answering(encoded(colour), encoded(control))) as server:
        config = WebUIPaint(url=server.url, size=96, controlnet="lineart [x]", guidance=6, seed=5, variants=2)
        first, second = WebUIPainter(config).variants(line_art(), "a red box")
        bare = WebUIPainter(WebUIPaint(url=server.url, size=96, keep_lines=True)).paint(line_art(), "red")
    assert np.array_equal(first, second)
    assert np.array_equal(first, colour.resize((90, 60), Image.Resampling.LANCZOS))
    path, _, body = server.asked[1]
    assert path == "/sdapi/v1/img2img"
    assert (body["prompt"], body["seed"], body["cfg_scale"], body["image_cfg_scale"]) == (
        "a red box",
        6,
        6,
        1.5,
    )
    assert (body["width"], body["height"], body["denoising_strength"]) == (96, 64, 1)
    sent = np.asarray(line_art().convert("RGB").resize((96, 64), Image.Resampling.LANCZOS))
    assert np.array_equal(decoded(body["init_images"][0]), sent)
    (unit,) = body["alwayson_scripts"]["controlnet"]["args"]
    assert np.array_equal(decoded(unit["image"]), 255 - sent)  # white lines on black
    assert (unit["model"], unit["module"]) == ("lineart [x]", "none")
    assert "alwayson_scripts" not in server.asked[2][2]
    assert (np.asarray(bare)[10:50, 20:24] == 0).all()  # its lines lie on top


def test_the_command_colours_by_a_web_ui(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNPROMPT_WEBUI_AUTH", "ann:secret")
    drawing, out = tmp_path / "box.png", tmp_path / "made.png"
    line_art().save(drawing)
    colour = ["colour", "paint", str(drawing), "a red box", "--out", str(out)]
    with serving(200, answering(encoded(picture(1, (512, 344))))) as server:
        assert not main([*colour, "--engine", "webui", "--url", server.url, "--variants", "2"])
    assert Image.open(tmp_path / "made-2.png").size == (90, 60)
    assert [body["seed"] for *_, body in server.asked] == [0, 1]
    assert server.asked[0][1]["Authorization"] == f"Basic {base64.b64encode(b'ann:secret').decode()}"
    capsys.readouterr()
    for wrong, said in (
        (["--engine", "webui"], "a web UI needs its address: --url"),
        (["--url", "http://x"], "--url belongs to --engine webui; the engine here is small"),
        (["--engine", "webui", "--url", "http://x", "--lora", "x"], "--lora belongs to --engine instruct"),
        (["--engine", "webui", "--url", "http://x", "--model", "x"], "--model belongs to --engine instruct"),
        (["--engine", "webui", "--url", server.url], "no server answers"),
    ):
        assert main([*colour, *wrong])
        assert said in capsys.readouterr().err, wrong


@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_painted_stays_where_a_later_variant_fails(
    as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = tmp_path / "box.png"
    line_art().save(drawing)
    body = answering(encoded(picture(1, (512, 344))))

    def answer(request: BaseHTTPRequestHandler) -> None:
        status, said = (200, body) if not (tmp_path / "made.png").exists() else (500, b"{}")
        request.send_response(status)
        request.send_header("Content-Length", str(len(said)))
        request.end_headers()
        request.wfile.write(said)

    with opened(answer) as server:
        colour = ["colour", "paint", str(drawing), "red", "--out", str(tmp_path / "made.png")]
        colour += ["--engine", "webui", "--url", server.url, "--variants", "3", *["--json"] * as_json]
        assert main(colour) == 1
    assert Image.open(tmp_path / "made.png").size == (90, 60)
    told, made = capsys.readouterr().out, str(tmp_path / "made.png")
    assert json.loads(told)["files"] == [made] if as_json else told == f"coloured: {made}\n"


def test_an_svg_is_coloured_by_a_web_ui_too(tmp_path: Path) -> None:
    pytest.importorskip("resvg_py", reason="drawing SVGs needs resvg_py")
    drawing, out = tmp_path / "box.svg", tmp_path / "made.png"
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 60">'
    drawing.write_text(f'{head}<path d="M20 10v40" stroke="#000" stroke-width="4"/></svg>')
    with serving(200, answering(encoded(picture(1, (512, 344))))) as server:
        command = ["colour", "paint", str(drawing), "a red box", "--out", str(out), "--engine", "webui"]
        assert not main([*command, "--url", server.url])
    assert Image.open(out).size == (1536, 1024)
    sent = decoded(server.asked[0][2]["init_images"][0])
    assert (sent[0, 0] == 255).all()  # transparent is white
    assert sent.min() < 80


def test_a_drawing_that_cannot_be_read_is_told_before_an_engine_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["colour", "paint", str(tmp_path / "none.svg"), "red", "--out", str(tmp_path / "made.png")]
    assert main([*command, "--engine", "instruct", "--model", str(tmp_path / "none")])
    assert "none.svg cannot be read" in capsys.readouterr().err


def test_what_makes_no_sense_is_told() -> None:
    with pytest.raises(ConfigError, match="needs its address"):
        WebUIPaint()
    with pytest.raises(InputError, match="no words"):
        WebUIPainter(WebUIPaint(url="http://127.0.0.1:9")).paint(line_art(), " ")
