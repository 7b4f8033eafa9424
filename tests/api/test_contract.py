"""What the API takes and refuses, without a server: fields, samplers, pictures, passwords, the page."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from unprompt.api.auth import VARIABLE, Credentials, find_credentials
from unprompt.api.base64_pictures import bytes_of, decode, encode
from unprompt.api.complaints import complaints
from unprompt.api.config import ServeConfig
from unprompt.api.contract import EmbedRequest, Img2ImgRequest, NegativeRequest, Txt2ImgRequest
from unprompt.api.description import describe, read_endpoints
from unprompt.api.painting_orders import MISSING, SETTINGS, Painted, answer, fit_image, read_order
from unprompt.cli import build_parser
from unprompt.errors import CheckpointError, ConfigError, UnreadableImageError
from unprompt.serving.painters import (
    PAINTERS,
    SAMPLERS,
    NotHereError,
    Order,
    PocketPainter,
    find_sampler,
    open_painter,
)

POCKET = PocketPainter()


def png(width: int = 8, height: int = 8) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 40)).save(stream, "PNG")
    return stream.getvalue()


def order_of(**fields: Any) -> Order:
    return read_order(Txt2ImgRequest.model_validate({"prompt": "a cat", **fields}), POCKET)


class Painting(PocketPainter):
    """The pocket world as if it used everything that a request can say."""

    unused = ()


# --- fields


def test_unknown_keys_are_refused_by_name_with_the_nearest() -> None:
    with pytest.raises(ValidationError) as caught:
        NegativeRequest.model_validate({"image": "a", "without_word": "a dog", "zzz": 1})
    told = complaints(caught.value.errors())
    assert told == "unknown keys: 'without_word' (did you mean 'without_words'?), 'zzz'"


def test_the_web_uis_bodies_are_taken_as_its_own_server_takes_them() -> None:
    request = Txt2ImgRequest.model_validate(
        {"hr_scale": "1.0", "steps": "20", "seed": None, "enable_hr": "no", "prompt": None, "neg_prompt": 3}
    )
    assert (request.hr_scale, request.steps, request.seed, request.enable_hr) == (1.0, 20, -1, False)
    assert request.prompt == ""
    assert request.passed_over == ("'neg_prompt' (did you mean 'negative_prompt'?)",)
    assert "neg_prompt" not in request.known()


def test_an_unknown_key_need_not_be_unicode() -> None:
    with pytest.raises(ValidationError) as caught:
        EmbedRequest.model_validate({"\ud83d": 1})
    assert complaints(caught.value.errors()) == r"unknown keys: '\ud83d'"


def test_unknown_keys_are_named_within_bounds() -> None:
    with pytest.raises(ValidationError) as caught:
        EmbedRequest.model_validate({f"{number}" * 500: 1 for number in range(1, 10)})
    told = complaints(caught.value.errors())
    assert "and 4 more" in told
    assert len(told) < 500


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", "many"), ("steps", 20.5), ("steps", 0), ("steps", 151), ("seed", -2), ("seed", 2**32),
        ("cfg_scale", float("nan")), ("cfg_scale", "nan"), ("cfg_scale", 0.5), ("width", 8), ("prompt", 7),
        ("prompt", "\ud800"), ("enable_hr", "perhaps"), ("eta", float("inf")),
        ("prompt", "x" * 20_001),
    ],
)  # fmt: skip
def test_values_of_another_kind_or_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Txt2ImgRequest.model_validate({field: value})
    assert complaints(caught.value.errors()).startswith(f"{field}: ")


def test_json_has_one_kind_of_number() -> None:
    assert Txt2ImgRequest.model_validate({"steps": 20.0, "cfg_scale": 7}).steps == 20


def test_the_defaults_are_the_web_uis() -> None:
    request = Txt2ImgRequest()
    assert (request.steps, request.cfg_scale, request.width, request.height) == (50, 7.0, 512, 512)
    assert (request.seed, request.sampler_index, request.seed_resize_from_h) == (-1, "Euler", -1)
    for name, (is_harmless, _) in MISSING.items():
        assert is_harmless(getattr(request, name, None))


# --- orders


WANTED = {
    "enable_hr": True, "restore_faces": True, "tiling": True, "styles": ["noir"], "subseed_strength": 0.5,
    "seed_resize_from_h": 64, "seed_resize_from_w": 64, "s_min_uncond": 0.5, "s_churn": 1, "s_noise": 1.1,
    "refiner_checkpoint": "xl", "firstpass_image": "aGk=", "script_name": "x/y plot",
    "alwayson_scripts": {"ControlNet": {"args": [{}]}}, "infotext": "Steps: 3", "mask": "aGk=",
    "latent_mask": "aGk=", "initial_noise_multiplier": 1.1,
}  # fmt: skip


@pytest.mark.parametrize("field", MISSING)
def test_what_would_change_the_picture_and_cannot_is_refused_by_name(field: str) -> None:
    body = {"init_images": ["aGk="], field: WANTED[field]}
    kind = Txt2ImgRequest if field in Txt2ImgRequest.model_fields else Img2ImgRequest
    with pytest.raises(ConfigError, match=f"^{field}: .*; leave these fields out$"):
        read_order(kind.model_validate(body), POCKET)


def test_all_that_is_refused_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"enable_hr: .*tiling: "):
        order_of(enable_hr=True, tiling=True)


def test_seeds_count_up_and_begin_again_at_their_end() -> None:
    assert order_of(seed=5, batch_size=2, n_iter=2).seeds == (5, 6, 7, 8)
    assert order_of(seed=2**32 - 1, batch_size=2).seeds == (2**32 - 1, 0)


def test_a_seed_of_chance_is_another_each_time() -> None:
    seeds = {order_of().seeds for _ in range(20)}
    assert len(seeds) == 20
    assert all(0 <= seed < 2**32 for (seed,) in seeds)


def test_pictures_are_counted_over_batches() -> None:
    with pytest.raises(ConfigError, match="batch_size x n_iter is 20; the limit here is 16"):
        order_of(batch_size=4, n_iter=5)


def test_pocket_pictures_have_any_shape() -> None:
    order = order_of(prompt="a fox on a green meadow", width=64, height=96, seed=5)
    [(seed, image)] = POCKET.paint(order, lambda done, total: None)
    assert (seed, image.size) == (5, (64, 96))


def test_only_the_model_that_is_here_can_be_named() -> None:
    assert order_of(override_settings={"sd_model_checkpoint": "pocket"}).seeds
    with pytest.raises(NotHereError, match="no model 'sd_xl'; here is pocket"):
        order_of(override_settings={"sd_model_checkpoint": "sd_xl"})
    with pytest.raises(ConfigError, match="override_settings: sd_model_checkpoint must be a text"):
        order_of(override_settings={"sd_model_checkpoint": 3})


@pytest.mark.parametrize(
    ("name", "harmless", "wanted"),
    [
        ("CLIP_stop_at_last_layers", (1, "1", 1.0, None, 0), 2), ("sd_vae", ("Automatic", "none"), "a.pt"),
        ("eta_noise_seed_delta", (0, "0"), 31337), ("sd_hypernetwork", ("None",), "x"),
        ("tiling", (False,), True), ("sd_lora", ("None",), "x"), ("sd_unet", ("Automatic",), "x"),
        ("token_merging_ratio", (0.0,), 0.5),
    ],
)  # fmt: skip
def test_settings_may_stand_at_what_is_so_already(name: str, harmless: tuple[Any, ...], wanted: Any) -> None:
    assert name in SETTINGS
    for value in harmless:
        request = Txt2ImgRequest(prompt="a cat", override_settings={name: value, "grid_format": "png"})
        assert read_order(request, Painting()).prompt == "a cat"
    with pytest.raises(ConfigError, match=f"^override_settings: {name}: .*; leave it out$"):
        read_order(Txt2ImgRequest(prompt="a cat", override_settings={name: wanted}), Painting())


def test_a_painter_without_a_text_encoder_has_no_layers_to_skip() -> None:
    assert order_of(override_settings={"CLIP_stop_at_last_layers": 2}).prompt == "a cat"


def test_start_pictures_are_fitted() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (10, 0, 30, 20))
    stretched, cut, filled = (fit_image(image, (20, 20), mode) for mode in (0, 1, 2))
    assert {stretched.size, cut.size, filled.size} == {(20, 20)}
    assert stretched.getpixel((0, 0)) == (255, 0, 0)
    assert cut.getcolors() == [(400, (0, 0, 255))]  # the middle square
    assert filled.getpixel((0, 10)) == (255, 0, 0)
    assert filled.getpixel((10, 10)) == (0, 0, 255)
    assert fit_image(image, image.size, 2).tobytes() == image.tobytes()


@pytest.mark.parametrize(
    "name", ["override_settings", "alwayson_scripts", "styles", "script_args", "comments", "inpaint_full_res"]
)
def test_what_no_answer_could_repeat_is_refused_before_anything_is_painted(name: str) -> None:
    half = {"a": ["\ud800"]}
    sent = {"init_images": ["a"], name: [half] if name == "styles" else half}
    with pytest.raises(ValidationError, match=f"{name} has half a character"):
        Img2ImgRequest.model_validate(sent)
    whole = {"a": ["\N{PILE OF POO}", float("nan")]}
    sent[name] = [whole] if name == "styles" else whole
    assert Img2ImgRequest.model_validate(sent).known()[name]


@pytest.mark.parametrize("size", [(4000, 1), (1, 4000), (4000, 3)])
def test_a_start_picture_far_longer_than_wide_is_fitted_too(size: tuple[int, int]) -> None:
    fitted = fit_image(Image.new("RGB", size, "red"), (64, 32), 2)
    assert (fitted.size, fitted.getpixel((32, 16))) == ((64, 32), (255, 0, 0))


def test_samplers_have_the_web_uis_names() -> None:
    assert order_of(sampler_name="k_euler_a").sampler.scheduler == "euler-a"
    assert order_of(sampler_index="DDIM").sampler.scheduler == "ddim"
    assert order_of(sampler_name="UniPC", sampler_index="DDIM").sampler.name == "UniPC"
    assert find_sampler("DPM++ 2M", "Automatic").scheduler == "dpmsolver++-karras"  # as in the web UI
    assert find_sampler("DPM++ 2M").scheduler == "dpmsolver++-karras"
    assert find_sampler("DPM++ 2M", "uniform").scheduler == "dpmsolver++"
    assert find_sampler("dpmsolver++").scheduler == "dpmsolver++"  # by its name in `unprompt render`
    assert find_sampler("DPM++ 2M Karras", "Karras").scheduler == "dpmsolver++-karras"
    assert find_sampler("DDIM", "Karras").scheduler == "ddim"  # has no effect in the web UI either
    assert find_sampler("dpm++ 2m", "Karras").scheduler == "dpmsolver++-karras"
    with pytest.raises(NotHereError, match="no sampler 'LMS'; here are Euler, Euler a"):
        find_sampler("LMS")
    for name in ("Euler", "Heun"):
        assert find_sampler(name).scheduler == find_sampler(f"{name} Karras", "Uniform").scheduler
        assert find_sampler(name).name == find_sampler(name, "uniform").name == name
        scheduler = f"{name.lower()}-karras"
        assert find_sampler(name, "Karras").scheduler == find_sampler(f"{name} Karras").scheduler == scheduler
    assert find_sampler("k_euler_ka").name == "Euler Karras"
    assert find_sampler("euler", "karras").name == "Euler Karras"
    with pytest.raises(ConfigError, match="'karras' does not go with the sampler 'Euler a'"):
        find_sampler("Euler a", "Karras")
    with pytest.raises(ConfigError, match="no scheduler 'beta'; here are Automatic, Uniform, Karras"):
        find_sampler("Euler", "beta")


def test_every_sampler_is_a_scheduler_of_render() -> None:
    from unprompt.diffusion.model import SCHEDULERS

    assert {one.scheduler for one in SAMPLERS} == set(SCHEDULERS)


def test_the_answer_says_how_each_picture_was_made_and_what_had_no_effect() -> None:
    request = Txt2ImgRequest(
        prompt="a cat", seed=7, batch_size=2, width=64, height=64, negative_prompt="a dog"
    )
    order = read_order(request, POCKET)
    images = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    given = answer(request, order, Painted(images, order.seeds, ["a note"]), POCKET)
    info = json.loads(given.info)
    assert info["all_seeds"] == [7, 8]
    assert info["notes"] == ["a note"]
    assert "negative_prompt" in info["unused"]
    decoded = [Image.open(io.BytesIO(base64.b64decode(text, validate=True))) for text in given.images]
    assert [image.format for image in decoded] == ["PNG", "PNG"]
    assert [image.getpixel((0, 0)) for image in decoded] == [(255, 0, 0), (0, 0, 255)]
    texts = [getattr(image, "text")["parameters"] for image in decoded]  # noqa: B009
    assert texts == info["infotexts"]
    assert texts[1] == "a cat\nSeed: 8, Size: 64x64, Model: pocket"  # nothing that had no effect
    assert given.parameters["negative_prompt"] == "a dog"


def test_pictures_can_be_left_out_of_the_answer() -> None:
    request = Txt2ImgRequest(prompt="a cat", seed=7, send_images=False)
    order = read_order(request, POCKET)
    assert answer(request, order, Painted([Image.new("RGB", (8, 8))], order.seeds, []), POCKET).images == []


# --- pictures


def test_base64_is_read_with_and_without_what_browsers_put_before_it() -> None:
    encoded = base64.b64encode(png()).decode()
    for text in (encoded, f"data:image/png;base64,{encoded}", encoded[:40] + "\n" + encoded[40:]):
        assert bytes_of(text) == png()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not base64!", "not base64"),
        ("abc", "not base64"),
        ("é", "not base64"),
        ("data:image/png,abcd", "without base64"),
        ("https://example.org/a.png", "fetches nothing"),
    ],
)
def test_what_is_not_base64_is_told(text: str, told: str) -> None:
    with pytest.raises(UnreadableImageError, match=told):
        bytes_of(text)


def test_pixels_are_counted_before_they_are_decoded() -> None:
    bomb = png(5000, 4000)
    assert len(bomb) < 100_000
    with pytest.raises(UnreadableImageError, match="5000 x 4000 pixels, the limit is 16,777,216; scale"):
        decode(bomb)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", png()[:40], png()[:-30], b"\x89PNG\r\n\x1a\n" + bytes(99)]
)
def test_damaged_files_are_told_in_words(content: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        decode(content)


def test_pictures_keep_their_pixels_and_parameters() -> None:
    image = Image.effect_noise((40, 30), 80).convert("RGB")
    back = Image.open(io.BytesIO(base64.b64decode(encode(image, "ein Käfer\nSeed: 1"))))
    assert back.tobytes() == image.tobytes()
    assert getattr(back, "text")["parameters"] == "ein Käfer\nSeed: 1"  # noqa: B009


# --- passwords


def test_credentials_match_only_themselves() -> None:
    known = Credentials.parse("ann:pass:word é", "--auth")

    def header(text: str, scheme: str = "Basic") -> str:
        return f"{scheme} {base64.b64encode(text.encode()).decode()}"

    assert known.match(header("ann:pass:word é"))
    assert known.match(header("ann:pass:word é", "basic"))
    for wrong in ("ann:pass:word", "ann:", "ann", "", "bob:pass:word é", "ann:pass:word éx"):
        assert not known.match(header(wrong))
    for wrong in ("", "Basic", "Basic ???", "Basic é", f"Bearer {base64.b64encode(b'ann:x').decode()}"):
        assert not known.match(wrong)
    assert "pass" not in repr(known)


def test_credentials_come_from_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_credentials() is None
    monkeypatch.setenv(VARIABLE, "ann:fromthere")
    assert find_credentials() == Credentials("ann", "fromthere")
    file = tmp_path / "auth"
    file.write_text("bob:fromfile\nmore\n")
    assert find_credentials(file=file) == Credentials("bob", "fromfile")
    assert find_credentials("eve:given") == Credentials("eve", "given")
    with pytest.raises(ConfigError, match="exclude"):
        find_credentials("eve:given", file)


def test_credentials_that_are_not_utf8_are_refused_without_being_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = os.fsdecode(b"ann:secret\xe9")  # what Python makes of Latin-1 in the environment
    with pytest.raises(ConfigError, match="--auth is not UTF-8") as caught:
        find_credentials(given)
    assert "secret" not in str(caught.value)
    monkeypatch.setenv(VARIABLE, given)
    with pytest.raises(ConfigError, match=rf"\${VARIABLE} is not UTF-8"):
        find_credentials()


@pytest.mark.parametrize("text", ["", "ann", "ann:", ":secret"])
def test_halves_of_credentials_are_refused_without_being_said(text: str) -> None:
    with pytest.raises(ConfigError, match="must be USER:PASSWORD") as caught:
        find_credentials(text)
    assert "secret" not in str(caught.value)


# --- settings and the page


def test_settings_are_checked() -> None:
    for wrong in (
        {"port": 70000},
        {"queue": 0},
        {"grace": -1},
        {"painter": "oil"},
        {"host": ""},
        {"painter": "none", "sd": "SD"},
    ):
        with pytest.raises(ConfigError):
            ServeConfig(**wrong)  # type: ignore[arg-type]
    assert ServeConfig().is_local
    assert ServeConfig(host="127.1.2.3").is_local
    assert not ServeConfig(host="0.0.0.0").is_local


def test_listening_to_other_machines_without_a_password_is_warned_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    parser = build_parser(["serve"])
    for arguments, warned in (([], True), (["--auth", "ann:secret"], False)):
        options = parser.parse_args(["serve", "--host", "192.0.2.1", *arguments])  # nobody's address
        with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1, port 7860"):
            options.run(options)
        assert ("whoever does needs no password" in capsys.readouterr().err) == warned


def test_painters_are_opened_by_name() -> None:
    assert open_painter("none", None, "cpu") is None
    pocket = open_painter("pocket", None, "cpu")
    assert pocket is not None
    assert pocket.title == "pocket"


def test_a_painter_without_its_model_says_what_to_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"checkpoint 'stable-diffusion-2' .* not found in"):
        open_painter("sd2", None, "cpu")
    for name in PAINTERS:  # a model is Stable Diffusion's
        with pytest.raises(CheckpointError, match="there is no model folder 'nowhere'"):
            open_painter(name, "nowhere", "cpu")
    with pytest.raises(ConfigError, match="painter must be one of pocket, sd2, none, got 'oil'"):
        ServeConfig(painter="oil")


OPENAPI: dict[str, Any] = {
    "info": {"title": "t", "version": "1", "summary": "s"},
    "paths": {
        "/a": {
            "post": {
                "description": "Does <b>a</b>.",
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}
                },
                "responses": {
                    "200": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}},
                    },
                    "422": {"description": "no"},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "In": {
                "required": ["steps"],
                "properties": {
                    "steps": {"type": "integer", "minimum": 1, "maximum": 9},
                    "width": {"type": "number", "exclusiveMinimum": 0.0, "maximum": 5.0, "default": 1},
                    "texts": {"type": "array", "items": {"type": "string", "maxLength": 5}, "maxItems": 3},
                    "name": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": "x"},
                },
            },
            "Out": {"properties": {}},
        }
    },
}


def test_endpoints_are_read_from_the_description() -> None:
    [endpoint] = read_endpoints(OPENAPI)
    assert (endpoint.method, endpoint.path, endpoint.gives_kind) == ("POST", "/a", "Out")
    assert [(one.kind, one.default) for one in endpoint.takes] == [
        ("integer from 1 to 9", None),
        ("number above 0 to 5", "1"),
        ("list of at most 3 (string of at most 5 characters)", "[]"),
        ("string or null", '"x"'),
    ]


def test_the_page_asks_nothing_of_the_network() -> None:
    page = describe(OPENAPI)
    assert "Does &lt;b&gt;a&lt;/b&gt;." in page
    assert "must be given" in page
    assert not re.findall(r"(?:src|href)=\"(?!#|data:|openapi\.json)", page)
    assert "http" not in page.replace("http-equiv", "")
