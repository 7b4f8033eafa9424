"""From drawings to pictures: the pocket world, a tiny Stable Diffusion in real files, a web UI over HTTP."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.doodles.own import HOUSE
from tests.doodles.scenes_of_own import CAPTION, SCENE, KnowsCaption, KnowsParts
from tests.tiny_sd import write_tiny_adapter, write_tiny_controlnet, write_tiny_sd
from tests.web_ui_server import answering, encoded, opened, picture, serving
from unprompt import doodles
from unprompt.cli import main
from unprompt.diffusion.engine import Sd2Engine, Sd2Renderer
from unprompt.diffusion.model import repainting
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.paint_config import FOLLOW, DoodlePaint
from unprompt.doodles.paint_drawing import DoodlePainter, open_drawing
from unprompt.doodles.painters import (
    Order,
    PocketPainter,
    SdPainter,
    check_painter,
    choose_kind,
    open_painter,
    webui_fields,
)
from unprompt.doodles.sheet import black_on_white, white_on_black
from unprompt.doodles.wording import negative_prompt_of
from unprompt.errors import ConfigError, InputError
from unprompt.painting.engine import Picture
from unprompt.painting.watch import StoppedError, Watch
from unprompt.painting.webui_errors import WebUIError

pytestmark = pytest.mark.usefixtures("one_thread")
PROMPT = "a house"
SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 4, "device": "cpu"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("models")
    model = write_tiny_sd(folder / "sd", attention_first=True)
    return {
        "model": str(model),
        "controlnet": write_tiny_controlnet(folder / "controlnet", model),
        "adapter": write_tiny_adapter(folder / "adapter"),
    }


@pytest.fixture(scope="module")
def painters(models: dict[str, Any]) -> dict[str, tuple[DoodlePaint, SdPainter]]:
    """Each kind of Stable Diffusion's painters, opened from folders."""
    parts = {"controlnet": "controlnet", "controlnet-img2img": "controlnet", "t2i-adapter": "adapter"}
    found = {}
    for kind in ("txt2img", "img2img", "controlnet", "controlnet-img2img", "t2i-adapter"):
        more = {parts[kind]: models[parts[kind]]} if kind in parts else {}
        config = DoodlePaint(painter=kind, model=models["model"], **more, **SMALL)
        painter = open_painter(config)
        assert isinstance(painter, SdPainter)
        found[kind] = (config, painter)
    return found


def pixels(images: list[Image.Image] | tuple[Image.Image, ...]) -> np.ndarray:
    return np.stack([np.asarray(image) for image in images]).astype(int)


# --- settings


def test_the_defaults_are_the_seeds() -> None:
    config = DoodlePaint(painter="img2img")
    assert (config.numbers.strength, config.guidance, config.seed, config.steps) == (0.95, 10.5, 1024, 50)
    assert config.steps_taken == 47


def test_how_closely_to_follow_in_words_is_in_order_and_numbers_go_before() -> None:
    loosely, closely, exactly = (DoodlePaint(follow=word).numbers for word in FOLLOW)
    assert loosely.strength > closely.strength > exactly.strength
    assert loosely.conditioning < closely.conditioning < exactly.conditioning
    own = DoodlePaint(follow="loosely", strength=0.3, conditioning=0.7).numbers
    assert (own.strength, own.conditioning, own.until) == (0.3, 0.7, 1.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"painter": "img2img", "strength": 0.01}, r"strength 0.01 of 50 steps is less than one step"),
        ({"strength": 0}, "strength must be above 0"),
        ({"conditioning": 2.5}, "conditioning must be at least 0 and at most 2"),
        ({"follow": "slavishly"}, "follow must be one of loosely, closely, exactly"),
        ({"painter": "dall-e"}, "painter must be one of auto, pocket"),
        ({"painter": "controlnet"}, "needs a ControlNet's folder"),
        ({"painter": "t2i-adapter"}, "needs a T2I-Adapter's folder"),
        ({"painter": "pocket", "url": "http://127.0.0.1"}, "url belongs to the painter webui, not to pocket"),
        ({"painter": "pocket", "model": "SD"}, "model belongs to the painter txt2img or .*, not to pocket"),
        ({"painter": "webui", "model": "SD", "url": "http://x"}, "model belongs to .*, not to webui"),
        ({"painter": "webui"}, "webui needs an address"),
        ({"webui_controlnet": "scribble"}, "webui_controlnet is a name in a web UI: give its address, url"),
        ({"url": "http://x", "controlnet": Path("a")}, "url and controlnet belong to different painters"),
        ({"url": "http://x", "model": "SD"}, "url and model belong to different painters"),
        ({"controlnet": Path("a"), "adapter": Path("b")}, "controlnet and adapter belong to different"),
        ({"model": "SD", "steps": 1}, "strength 0.95 of 1 steps is less than one step"),
        ({"url": "http://x", "steps": 1}, "strength 0.95 of 1 steps is less than one step"),
        ({"width": 8}, "width must be at least 64"),
        ({"seed": -2}, "seed must be at least -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_words(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        DoodlePaint(**settings)


def test_what_auto_stands_for(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose_kind(DoodlePaint()) == "pocket"
    assert choose_kind(DoodlePaint(model="sd")) == "img2img"
    assert choose_kind(DoodlePaint(model="sd", controlnet=models["controlnet"])) == "controlnet"
    assert choose_kind(DoodlePaint(model="sd", adapter=models["adapter"])) == "t2i-adapter"
    assert choose_kind(DoodlePaint(url="http://127.0.0.1:7860")) == "webui"
    assert choose_kind(DoodlePaint(model="sd", painter="txt2img")) == "txt2img"


def test_few_steps_are_refused_only_where_painting_begins_with_the_drawing(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("unprompt.doodles.painters.installed_model", lambda: None)
    assert isinstance(open_painter(DoodlePaint(steps=1)), PocketPainter)
    assert DoodlePaint(steps=1, controlnet=models["controlnet"]).named_painter == "controlnet"
    monkeypatch.setattr(
        "unprompt.doodles.painters.installed_model", lambda: str(tmp_path)
    )  # where there is no model
    for look in (open_painter, check_painter):
        with pytest.raises(ConfigError, match="less than one step"):
            look(DoodlePaint(steps=1))


OWN: dict[str, Any] = {
    "steps": 20,
    "guidance": 1.5,
    "scheduler": "euler",
    "dtype": "float32",
    "follow": "exactly",
}
NUMBERS: dict[str, Any] = {"strength": 0.5, "conditioning": 0.7}


@pytest.mark.parametrize(
    ("painter", "unused"),
    [
        ("pocket", ["steps", "guidance", "strength", "conditioning", "scheduler", "dtype"]),
        ("txt2img", ["follow", "strength", "conditioning"]),
        ("img2img", ["conditioning"]),
        ("controlnet", ["strength"]),
        ("controlnet-img2img", []),
        ("t2i-adapter", ["strength"]),
        ("webui", ["conditioning", "scheduler", "dtype"]),
    ],
)
def test_settings_that_a_painter_passes_over_are_known(painter: str, unused: list[str]) -> None:
    assert DoodlePaint(**OWN, **NUMBERS).unused_by(painter) == unused
    assert DoodlePaint().unused_by(painter) == []
    scribbling = DoodlePaint(**NUMBERS, url="http://x", webui_controlnet="scribble")
    assert scribbling.unused_by("webui") == []


# --- Stable Diffusion


def test_what_a_stable_diffusion_passes_over_is_told(
    painters: dict[str, tuple[DoodlePaint, SdPainter]],
) -> None:
    config, painter = painters["txt2img"]
    given = replace(config, guidance=1, **NUMBERS)
    assert painter.paint(Order(HOUSE, PROMPT, "a cat", (5,), given)).told == [
        "txt2img makes no use of strength, conditioning and the negative prompt"
    ]
    plain = Order(HOUSE, PROMPT, negative_prompt_of("photo"), (5,), replace(config, guidance=1))
    assert painter.paint(plain).told == []  # the style's was not asked for
    alone = Order(HOUSE, PROMPT, "a cat", (5,), replace(config, guidance=1))
    assert painter.paint(alone).told == ["txt2img makes no use of the negative prompt at guidance 1"]


def test_img2img_begins_with_the_sheet_as_diffusers_own_does(
    painters: dict[str, tuple[DoodlePaint, SdPainter]], models: dict[str, Any]
) -> None:
    config, painter = painters["img2img"]
    made = painter.paint(Order(HOUSE, PROMPT, "", (5,), config))
    engine = Sd2Engine(
        model=models["model"], steps=4, width=64, height=64, save_size=None, device="cpu", guidance=10.5
    )
    plain = engine.open()
    sheet = black_on_white(HOUSE, 64, 64)
    own = Sd2Renderer(engine, repainting(plain.pipeline), 1).repaint([Picture("a", PROMPT, 5)], sheet, 0.95)
    assert np.array_equal(pixels(made.images), pixels(own))
    assert made.told == []


def test_a_conditioning_of_0_equals_img2img_bit_for_bit_and_another_drawing_does_not(
    painters: dict[str, tuple[DoodlePaint, SdPainter]],
) -> None:
    config, painter = painters["img2img"]
    plain = pixels(painter.paint(Order(HOUSE, PROMPT, "", (5,), config)).images)
    for conditioning, same in ((0.0, True), (1.0, False)):
        other, controlled = painters["controlnet-img2img"]
        settings = DoodlePaint(
            painter=other.painter,
            model=other.model,
            controlnet=other.controlnet,
            conditioning=conditioning,
            **SMALL,
        )
        made = pixels(controlled.paint(Order(HOUSE, PROMPT, "", (5,), settings)).images)
        assert np.array_equal(plain, made) == same


@pytest.mark.parametrize("kind", ["txt2img", "img2img", "controlnet", "controlnet-img2img", "t2i-adapter"])
def test_variants_equal_singles_and_the_drawing_counts(
    painters: dict[str, tuple[DoodlePaint, SdPainter]], kind: str
) -> None:
    config, painter = painters[kind]
    together = pixels(painter.paint(Order(HOUSE, PROMPT, "", (7, 8), config)).images)
    singly = [painter.paint(Order(HOUSE, PROMPT, "", (seed,), config)).images[0] for seed in (7, 8)]
    assert np.array_equal(together, pixels(singly))
    assert not np.array_equal(together[0], together[1])
    other = pixels(painter.paint(Order(SCENE, PROMPT, "", (7,), config)).images)
    assert np.array_equal(together[0], other[0]) == (kind == "txt2img")
    negative = pixels(painter.paint(Order(HOUSE, PROMPT, "a cat", (7,), config)).images)
    assert not np.array_equal(together[0], negative[0])


def test_odd_sizes_are_painted_at_multiples_and_come_as_asked(
    painters: dict[str, tuple[DoodlePaint, SdPainter]],
) -> None:
    for kind in ("controlnet-img2img", "t2i-adapter"):
        config, painter = painters[kind]
        settings = DoodlePaint(
            painter=kind,
            controlnet=config.controlnet,
            adapter=config.adapter,
            **{**SMALL, "width": 70, "height": 85},
        )
        made = painter.paint(Order(HOUSE, PROMPT, "", (1,), settings))
        assert made.images[0].size == (70, 85)
        assert made.told[0].startswith("painted at 72 x 88, since")


class Impatient(Watch):
    """Stops at a step."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._step = step

    def tell(self, done: int, total: int) -> None:
        if done == self._step:
            self.stop()
        super().tell(done, total)


@pytest.mark.parametrize("kind", ["txt2img", "img2img", "controlnet", "controlnet-img2img", "t2i-adapter"])
def test_a_painting_that_is_stopped_ends_at_its_next_step_and_harms_no_later_one(
    painters: dict[str, tuple[DoodlePaint, SdPainter]], kind: str
) -> None:
    config, painter = painters[kind]
    steps = config.steps_taken if "img2img" in kind.split("-") else config.steps
    whole, looks = Watch(), []
    before = painter.paint(Order(HOUSE, PROMPT, "", (7, 8), config, whole)).images
    assert (whole.done, whole.total) == (2 * steps, 2 * steps)
    hook = painter._renderer.pipeline.unet.register_forward_hook(lambda *_: looks.append(1))
    with pytest.raises(StoppedError):
        painter.paint(Order(HOUSE, PROMPT, "", (7,), config, Impatient(2)))
    hook.remove()
    assert len(looks) == 2
    assert np.array_equal(
        pixels(before), pixels(painter.paint(Order(HOUSE, PROMPT, "", (7, 8), config)).images)
    )


@pytest.mark.parametrize("kind", ["img2img", "controlnet", "t2i-adapter"])
def test_pictures_are_taken_as_soon_as_each_is_done(
    painters: dict[str, tuple[DoodlePaint, SdPainter]], kind: str
) -> None:
    config, painter = painters[kind]
    whole = painter.paint(Order(HOUSE, PROMPT, "", (7, 8), config)).images
    taken: list[Image.Image] = []
    steps = config.steps_taken if kind == "img2img" else config.steps
    with pytest.raises(StoppedError):
        painter.paint(Order(HOUSE, PROMPT, "", (7, 8), config, Impatient(steps + 1), taken.append))
    assert np.array_equal(pixels(taken), pixels(whole[:1]))


def test_of_several_pictures_of_the_pocket_world_those_after_a_stop_are_not_drawn() -> None:
    watch, taken = Impatient(1), list[Image.Image]()
    with pytest.raises(StoppedError):
        own_painter().paint(SCENE, "a house", variants=3, watch=watch, take=taken.append)
    assert (watch.done, watch.total, len(taken)) == (1, 3, 1)


# --- the web UI


def test_the_web_ui_gets_the_sheet_and_the_fields_of_its_controlnet_extension() -> None:
    first, control = picture(1, (72, 64)), picture(2, (72, 64))
    config = DoodlePaint(
        painter="webui", url="http://x", webui_controlnet="control_v11p_sd15_scribble [d4ba51ff]",
        follow="loosely", width=72, height=64,
    )  # fmt: skip
    with serving(200, answering(encoded(first), encoded(control))) as server:
        painter = open_painter(DoodlePaint(painter="webui", url=server.url))
        made = painter.paint(Order(HOUSE, PROMPT, "a cat", (3, 4), config))
    assert np.array_equal(pixels(made.images), pixels([first, first]))  # not the extension's own
    path, _, body = server.asked[1]
    assert path == "/sdapi/v1/img2img"
    assert (body["prompt"], body["negative_prompt"], body["seed"]) == (PROMPT, "a cat", 4)
    assert (body["denoising_strength"], body["cfg_scale"], body["steps"]) == (1.0, 10.5, 50)
    assert np.array_equal(decoded(body["init_images"][0]), np.asarray(black_on_white(HOUSE, 72, 64)))
    (unit,) = body["alwayson_scripts"]["controlnet"]["args"]
    assert np.array_equal(decoded(unit["image"]), np.asarray(white_on_black(HOUSE, 72, 64)))
    assert (unit["module"], unit["weight"], unit["guidance_end"]) == ("none", 0.6, 0.6)
    assert unit["model"] == config.webui_controlnet


def test_the_unit_has_fields_that_the_web_uis_python_client_has_too() -> None:
    webuiapi = pytest.importorskip("webuiapi")
    known = webuiapi.ControlNetUnit(image=black_on_white(HOUSE, 64, 64), model="scribble").to_dict()
    config = DoodlePaint(painter="webui", url="http://x", webui_controlnet="scribble")
    (unit,) = webui_fields(Order(HOUSE, PROMPT, "", (3,), config), 3)["alwayson_scripts"]["controlnet"][
        "args"
    ]
    assert set(unit) <= set(known)
    assert {name: known[name] for name in ("control_mode", "module", "model", "weight", "enabled")} == {
        name: unit[name] for name in ("control_mode", "module", "model", "weight", "enabled")
    }


def test_without_its_controlnet_the_web_ui_gets_img2img_and_what_goes_wrong_is_said() -> None:
    config = DoodlePaint(painter="webui", url="http://x")
    assert "alwayson_scripts" not in webui_fields(Order(HOUSE, PROMPT, "", (3,), config), 3)
    with serving(500, json.dumps({"detail": "no such script"}).encode()) as server:
        painter = open_painter(DoodlePaint(url=server.url))
        with pytest.raises(WebUIError, match="no such script"):
            painter.paint(Order(HOUSE, PROMPT, "", (3,), config))


def test_pictures_that_a_web_ui_painted_stay_where_a_later_one_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = picture(1, (64, 64))
    answers = [(200, answering(encoded(shown)))] * 2 + [(500, json.dumps({"detail": "worn out"}).encode())]

    def answer(request: BaseHTTPRequestHandler) -> None:
        status, body = answers.pop(0)
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    out = tmp_path / "photo.png"
    line = ["doodle", "paint", str(write_house(tmp_path)), "--prompt", "a house", "--variants", "3"]
    with opened(answer) as server:
        code = main([*line, "--url", server.url, "--width", "64", "--height", "64", "--out", str(out)])
    assert code == 1
    files = [out, tmp_path / "photo-2.png"]
    assert sorted(tmp_path.glob("*.png")) == sorted(files)
    assert all(np.array_equal(np.asarray(Image.open(file)), np.asarray(shown)) for file in files)
    said = capsys.readouterr().err
    assert f"2 of 3 pictures had been painted and stay: {files[0]}, {files[1]}" in said
    assert "worn out" in said


def write_house(folder: Path) -> Path:
    file = folder / "house.ndjson"
    file.write_text(json.dumps({"drawing": [stroke.T.tolist() for stroke in HOUSE.strokes]}) + "\n")
    return file


def test_user_and_password_of_the_web_ui_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNPROMPT_WEBUI_AUTH", "ann:a secret:")
    with serving(200, answering(encoded(picture(1, (512, 512))))) as server:
        open_painter(DoodlePaint(url=server.url)).paint(Order(HOUSE, PROMPT, "", (3,), DoodlePaint()))
    header = server.asked[0][1]["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")) == b"ann:a secret:"
    monkeypatch.delenv("UNPROMPT_WEBUI_AUTH")
    with serving(401, json.dumps({"detail": "Not authenticated"}).encode()) as server:
        painter = open_painter(DoodlePaint(url=server.url))
        with pytest.raises(WebUIError, match=r"set \$UNPROMPT_WEBUI_AUTH to USER:PASSWORD"):
            painter.paint(Order(HOUSE, PROMPT, "", (3,), DoodlePaint()))
    assert "Authorization" not in server.asked[0][1]


@pytest.mark.parametrize(
    ("given", "says"),
    [("secret", "has no ':'"), (":secret", "has no user"), ("ann:secret\udce9", "AUTH is not UTF-8")],
)
def test_a_user_and_password_that_are_none_are_refused_and_not_shown(
    given: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNPROMPT_WEBUI_AUTH", given)
    with pytest.raises(ConfigError, match=says) as told:
        open_painter(DoodlePaint(url="http://127.0.0.1:7860"))
    assert "secret" not in str(told.value)


def decoded(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


# --- the whole way


def own_painter(**settings: Any) -> DoodlePainter:
    config = DoodlePaint(painter="pocket", **{"width": 96, "height": 80, **settings})
    return DoodlePainter(config, KnowsCaption(), painter=PocketPainter(KnowsParts()))


def test_a_drawing_is_described_worded_and_painted_and_all_is_said() -> None:
    painted = own_painter().paint(SCENE, variants=2)
    assert painted.caption == CAPTION
    assert painted.prompt == f"A photo of {CAPTION}"
    assert "line art" in painted.negative_prompt
    assert painted.painter == "pocket"
    assert painted.seeds == (1024, 1025)
    assert painted.told == ("drawn by the pocket world, which is not Stable Diffusion",)
    assert [image.size for image in painted.images] == [(96, 80)] * 2
    second = own_painter(seed=1025).paint(SCENE)
    assert np.array_equal(np.asarray(painted.images[1]), np.asarray(second.image))


def test_the_prompt_can_be_edited_and_what_is_left_out_is_said() -> None:
    painted = own_painter().paint(SCENE, "a red cat at night beside a roller coaster", "dogs")
    assert (painted.caption, painted.prompt) == ("", "a red cat at night beside a roller coaster")
    assert painted.negative_prompt == "dogs"
    assert "the pocket world has no drawing of a roller coaster; left out" in painted.told
    unplaced = own_painter().paint(SCENE, "ten cats and ten dogs")
    assert any("things lie as the words say" in sentence for sentence in unplaced.told)
    loosely = own_painter(follow="loosely").paint(SCENE, "a house")
    assert not any("as the words say" in sentence for sentence in loosely.told)
    numbers = own_painter(strength=0.5, steps=1).paint(SCENE, None, "dogs")
    assert numbers.told[-1] == "the pocket world makes no use of steps, strength and the negative prompt"


def test_styles_reach_the_prompt_and_the_pocket_world() -> None:
    plain, oil = (own_painter(style=style).paint(SCENE) for style in ("photo", "oil"))
    assert oil.prompt == f"An oil painting of {CAPTION}"
    assert not np.array_equal(np.asarray(plain.image), np.asarray(oil.image))
    for style in ("cinematic", "cartoon", "pixels", "plush", "render", "none"):
        assert len(own_painter(style=style).paint(SCENE).told) == 1  # its own words are no missing things


def test_a_seed_by_chance_is_another_each_time_and_is_said() -> None:
    seeds = {own_painter(seed=-1).paint(SCENE, variants=2).seeds for _ in range(3)}
    assert len(seeds) == 3
    assert all((first + 1) % 2**32 == second for first, second in seeds)


@pytest.mark.parametrize(
    ("prompt", "variants", "says"),
    [("  ", 1, "the prompt is empty"), (None, 0, "variants must be from 1 to 16"), (None, 99, "variants")],
)
def test_what_cannot_be_painted_is_said(prompt: str | None, variants: int, says: str) -> None:
    with pytest.raises((InputError, ConfigError), match=says):
        own_painter().paint(SCENE, prompt, variants=variants)


def test_drawings_are_named_and_described_on_the_device_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def note(*_: Any, device: str, **__: Any) -> None:
        asked.append(device)

    monkeypatch.setattr("unprompt.networks.devices.choose_device", lambda name: f"the {name}")
    monkeypatch.setattr("unprompt.doodles.name.Namer.load", note)
    monkeypatch.setattr("unprompt.doodles.captioners.GroupCaptioner.load", note)
    painter = DoodlePainter(DoodlePaint(device="chip"))
    assert (painter.namer, painter.captioner) == (None, None)
    assert asked == ["the chip"] * 2


def test_an_empty_drawing_gets_a_sentence() -> None:
    with pytest.raises(InputError, match="draw something first"):
        own_painter().paint(Drawing(()), "a cat")
    with pytest.raises(InputError, match="draw something first"):
        own_painter().describe(Drawing(()))


# --- the face of Python


def test_transparent_pictures_are_drawings_on_white(tmp_path: Path) -> None:
    pytest.importorskip("unprompt.doodles.read")
    sheet = black_on_white(HOUSE, 300, 300)
    clear = Image.new("RGBA", sheet.size)
    clear.putalpha(Image.eval(sheet.convert("L"), lambda grey: 255 - grey))
    sheet.save(tmp_path / "white.png")
    clear.save(tmp_path / "clear.png")
    white, other = (open_drawing(tmp_path / name) for name in ("white.png", "clear.png"))
    assert np.abs(np.asarray(black_on_white(white, 96, 96), int) - black_on_white(other, 96, 96)).mean() < 2
    assert np.allclose(white.bounds, other.bounds, atol=3)


def test_the_python_face_paints_files_and_saves(tmp_path: Path) -> None:
    file = write_house(tmp_path)
    pytest.importorskip("unprompt.doodles.read")
    painted = doodles.paint(file, "a house", painter="pocket", width=64, height=64, variants=2)
    paths = painted.save(tmp_path / "photo.png")
    assert [path.name for path in paths] == ["photo.png", "photo-2.png"]
    assert np.array_equal(np.asarray(Image.open(paths[1])), np.asarray(painted.images[1]))
    assert np.array_equal(open_drawing(file).points, HOUSE.points)
    with pytest.raises(ConfigError, match=r"has to end in \.png"):
        painted.save(tmp_path / "photo.jpg")
    with pytest.raises(TypeError, match="no keyword 'sedd'; it has: negative_prompt, variants, painter"):
        doodles.paint(HOUSE, "a house", sedd=3)
