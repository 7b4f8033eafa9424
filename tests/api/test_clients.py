"""The web UI's clients against the server: their bodies replayed, and the whole of sdwebuiapi.

The bodies are written from the fields that each program documents, with its defaults.
"""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, PngImagePlugin

from tests.api_server import PATIENCE, serving, until
from tests.marked_pictures import comfy_png, graph, png_with
from unprompt.api.server import create_app
from unprompt.bundle.loaded import LoadedBundle
from unprompt.doodles.ink import picture_of
from unprompt.doodles.samples import draw_samples
from unprompt.pocket.draw import draw_scene
from unprompt.pocket.grammar import read_scene
from unprompt.serving.painters import PocketPainter, Sd2Painter

ORIGIN = "http://localhost:3000"

SMALL = {"width": 64, "height": 64}  # instead of their 512, which takes longer to draw
SILLY_TAVERN = {
    "url": "http://127.0.0.1:7860", "auth": "", "prompt": "best quality, a red fox",
    "negative_prompt": "worst", "sampler_name": "DPM++ 2M", "scheduler": "karras", "steps": 20,
    "cfg_scale": 7, **SMALL,
    "restore_faces": False, "enable_hr": False, "hr_upscaler": "Latent", "hr_scale": 1, "seed": None,
    "hr_additional_modules": [], "denoising_strength": 0.7, "hr_second_pass_steps": 0, "clip_skip": 1,
    "override_settings": {"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic", "forge_modules": []},
    "override_settings_restore_afterwards": True, "save_images": True, "send_images": True,
    "do_not_save_grid": False, "do_not_save_samples": False,
}  # fmt: skip
TEXT_GENERATION_WEBUI = {
    "prompt": "a red fox", "seed": -1, "sampler_name": "DPM++ 2M", "enable_hr": False, "hr_scale": "1.0",
    "hr_upscaler": "ESRGAN_4x", "denoising_strength": 0.61, "steps": 32, "cfg_scale": 7, **SMALL,
    "restore_faces": False, "override_settings_restore_afterwards": True, "negative_prompt": "low quality",
}  # fmt: skip
OPEN_WEBUI = {
    "prompt": "a red fox", "batch_size": 2, **SMALL, "steps": 50, "negative_prompt": "", "cfg_scale": 7.0,
    "sampler_name": "Euler a", "scheduler": "Automatic",
}  # fmt: skip
LIBRE_CHAT = {
    "prompt": "a red fox, masterpiece", "negative_prompt": "bad", "cfg_scale": 4.5, "steps": 22, **SMALL,
}  # fmt: skip
AGENT = {
    "prompt": "a red fox", "negative_prompt": "", "sampler_index": "DDIM", "steps": "20", "config_scale": 7.0,
    "n_iter": 1, "styles": [""], "alwayson_scripts": {"ControlNet": {"args": []}}, "script_name": "None",
    **SMALL,
}  # fmt: skip
BODIES = {
    "SillyTavern": SILLY_TAVERN, "text-generation-webui": TEXT_GENERATION_WEBUI, "open-webui": OPEN_WEBUI,
    "LibreChat": LIBRE_CHAT, "an agent": AGENT,
}  # fmt: skip


@pytest.fixture(scope="module")
def url(loaded: LoadedBundle) -> Iterator[str]:
    with serving(create_app(loaded, PocketPainter(), origins=(ORIGIN,))) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{url}/sdapi/v1", timeout=PATIENCE, trust_env=False) as made:
        yield made


@pytest.fixture(scope="module")
def sd_client(loaded: LoadedBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    pytest.importorskip("diffusers")
    from tests.tiny_sd import write_tiny_sd

    folder = write_tiny_sd(tmp_path_factory.mktemp("models") / "tiny-sd")
    app = create_app(loaded, Sd2Painter.open(str(folder), "cpu"))
    with (
        serving(app) as address,
        httpx.Client(base_url=f"{address}/sdapi/v1", timeout=PATIENCE, trust_env=False) as made,
    ):
        made.headers["X-Folder"] = str(folder)
        yield made


def base64_of(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def opened(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def noise(width: int = 64, height: int = 64) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


# --- bodies


@pytest.mark.parametrize("name", BODIES)
def test_bodies_of_clients_are_painted(client: httpx.Client, name: str) -> None:
    answer = client.post("/txt2img", json=BODIES[name])
    assert answer.status_code == 200, answer.text
    info = json.loads(answer.json()["info"])
    scene = read_scene("a red fox")
    for text, seed in zip(answer.json()["images"], info["all_seeds"], strict=True):
        assert opened(text).tobytes() == draw_scene(scene, seed, 64).tobytes()
    assert len(info["all_seeds"]) == BODIES[name].get("batch_size", 1)


def test_what_had_no_effect_is_said_in_info(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    body = {**SILLY_TAVERN, "zz\x1b[31m": 1, "override_settings": {"grid_format": "png"}}
    with caplog.at_level(logging.WARNING, "unprompt.api"):
        answers = [client.post("/txt2img", json=body).json() for _ in range(2)]
    notes = " ".join(json.loads(answers[0]["info"])["notes"])
    assert "drawn: 'a red fox'; not understood and left out: 'best quality'" in notes
    assert "'url', 'auth', 'hr_additional_modules', 'clip_skip'" in notes
    assert "settings that are not known here and were passed over: grid_format" in notes
    assert "the server keeps none" in notes
    said = [record.getMessage() for record in caplog.records if "zz" in record.getMessage()]
    assert len(said) == 1
    assert "\x1b" not in said[0]
    assert "url" not in answers[0]["parameters"]


def test_json_needs_no_content_type_but_no_other_is_guessed(client: httpx.Client, url: str) -> None:
    body = json.dumps({"prompt": "a red fox", **SMALL})
    bare = httpx.Request("POST", f"{url}/sdapi/v1/txt2img", content=body)
    assert "content-type" not in bare.headers
    assert client.send(bare).status_code == 200
    plain = client.post("/txt2img", content=body, headers={"Content-Type": "text/plain"})
    assert plain.status_code == 422
    assert "it came as text/plain; send content-type: application/json" in plain.json()["detail"]
    strict = httpx.post(f"{url}/v1/embed", content=b'{"texts": []}')
    assert strict.status_code == 422
    assert "it came without a type" in strict.json()["detail"]
    bare.headers["Origin"] = "http://evil.example"
    assert client.send(httpx.Request("POST", bare.url, content=body, headers=bare.headers)).status_code == 403


def test_options_are_taken_back_as_they_were_given(client: httpx.Client) -> None:
    options = client.get("/options").json()
    assert client.post("/options", json=options).json() is None
    assert client.post("/options", json={**options, "show_progress_every_n_steps": 5}).status_code == 200
    assert client.post("/options", json={**options, "sd_model_checkpoint": "sd_xl"}).status_code == 404


def test_a_browser_is_told_what_it_may_send(client: httpx.Client) -> None:
    asks = {
        "Origin": ORIGIN, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
    }  # fmt: skip
    told = client.options("/interrogate", headers=asks)
    assert told.status_code == 200
    assert told.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in told.headers["access-control-allow-headers"]
    answer = client.get("/options", headers={"Origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    refused = client.options("/interrogate", headers={**asks, "Origin": "http://evil.example"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


def test_interrogate_passes_over_what_it_does_not_know(client: httpx.Client) -> None:
    body = {"image": base64_of(noise()), "model": "clip", "clip_skip": 1}
    assert client.post("/interrogate", json=body).json()["caption"]
    assert client.post("/interrogate", json={**body, "model": None}).json()["caption"]


# --- a picture's file


def test_png_info_gives_back_what_txt2img_wrote(client: httpx.Client) -> None:
    """The common example of the web UI's API: the picture's text goes into a file of one's own."""
    painted = client.post("/txt2img", json={"prompt": "a red fox", "seed": 5, **SMALL}).json()
    [text] = painted["images"]
    said = client.post("/png-info", json={"image": f"data:image/png;base64,{text}"}).json()
    assert said["info"] == "a red fox\nSeed: 5, Size: 64x64, Model: pocket"
    assert said["info"] == json.loads(painted["info"])["infotexts"][0]
    assert said["parameters"] == {
        "Prompt": "a red fox", "Negative prompt": "", "Seed": "5", "Size": "64x64", "Size-1": "64",
        "Size-2": "64", "Model": "pocket",
    }  # fmt: skip
    own = PngImagePlugin.PngInfo()
    own.add_text("parameters", said["info"])
    opened(text).save(io.BytesIO(), "PNG", pnginfo=own)


def test_png_info_reads_other_programs_too(client: httpx.Client) -> None:
    def info_of(content: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = client.post(
            "/png-info", json={"image": base64.b64encode(content).decode()}
        ).json()
        return answer

    comfy = info_of(comfy_png(graph("a fox at dusk", "blurry")))
    assert comfy["info"].startswith("a fox at dusk\nNegative prompt: blurry\nSteps: ")
    assert "prompt" in comfy["items"]
    assert info_of(png_with(Title="mine")) == {"info": "", "items": {"title": "mine"}, "parameters": {}}
    bad = client.post("/png-info", json={"image": base64.b64encode(b"GIF89").decode()})
    assert bad.status_code == 422
    assert bad.json()["detail"].startswith("the picture cannot be read: ")


# --- painting from a picture


def test_the_pocket_world_says_that_it_cannot_begin_with_a_picture(client: httpx.Client) -> None:
    body = {"init_images": [base64_of(noise())], "prompt": "a red fox", **SMALL}
    answer = client.post("/img2img", json=body)
    assert answer.status_code == 422
    assert "img2img needs Stable Diffusion" in answer.json()["detail"]
    assert client.post("/img2img", json={"prompt": "a red fox"}).status_code == 422


def test_img2img_is_diffusers_own(sd_client: httpx.Client) -> None:
    import torch
    from diffusers import DDIMScheduler, StableDiffusionImg2ImgPipeline

    from unprompt.diffusion.model import load_pipeline

    start = noise()
    body = {
        "init_images": [base64_of(start)], "prompt": "a cat", "negative_prompt": "a dog", "seed": 9,
        "steps": 8, "cfg_scale": 5, "denoising_strength": 0.5, "sampler_name": "DDIM", "n_iter": 2, **SMALL,
    }  # fmt: skip
    answer = sd_client.post("/img2img", json=body)
    assert answer.status_code == 200, answer.text
    own = load_pipeline(Path(sd_client.headers["X-Folder"]), "ddim", "float32", "cpu")
    parts = {name: part for name, part in own.components.items() if name != "image_encoder"}
    reference = StableDiffusionImg2ImgPipeline(**parts, requires_safety_checker=False)
    assert isinstance(reference.scheduler, DDIMScheduler)
    for text, seed in zip(answer.json()["images"], (9, 10), strict=True):
        [expected] = reference(
            prompt="a cat", negative_prompt="a dog", image=start, strength=0.5, num_inference_steps=8,
            guidance_scale=5, generator=torch.Generator().manual_seed(seed), eta=0.0,
        ).images  # fmt: skip
        assert opened(text).convert("RGB").tobytes() == expected.tobytes()
    assert "Denoising strength: 0.5" in json.loads(answer.json()["info"])["infotexts"][0]
    assert answer.json()["parameters"]["init_images"] is None
    few = sd_client.post("/img2img", json={**body, "denoising_strength": 0.1})
    assert "is less than one step" in few.json()["detail"]
    masked = sd_client.post("/img2img", json={**body, "mask": base64_of(noise())})
    assert masked.status_code == 422
    assert "mask: there is no painting of a part" in masked.json()["detail"]


def test_img2img_begins_with_a_doodle_on_white_whether_its_ground_is_white_or_transparent(
    sd_client: httpx.Client,
) -> None:
    sheet = picture_of(draw_samples()["Cat"].drawing, 64)
    clear = Image.new("RGBA", sheet.size, (0, 0, 0, 0))
    clear.putalpha(Image.eval(sheet, lambda grey: 255 - grey))
    body = {"prompt": "A photo of a cat", "seed": 1024, "steps": 4, "denoising_strength": 0.95, **SMALL}
    painted = []
    for start in (sheet, clear, Image.new("L", sheet.size, 255)):
        answer = sd_client.post("/img2img", json={**body, "init_images": [base64_of(start)]})
        assert answer.status_code == 200, answer.text
        painted.append(opened(answer.json()["images"][0]).tobytes())
    assert painted[0] == painted[1] != painted[2]


def test_work_can_be_interrupted_and_skipped(loaded: LoadedBundle) -> None:
    from concurrent.futures import ThreadPoolExecutor

    body = {"prompt": "a red fox", "width": 1024, "height": 1024, "n_iter": 8, "seed": 1}
    with (
        serving(create_app(loaded, PocketPainter())) as address,
        httpx.Client(base_url=f"{address}/sdapi/v1", timeout=PATIENCE, trust_env=False) as client,
        ThreadPoolExecutor(1) as pool,
    ):

        def step() -> int:
            state = client.get("/progress").json()["state"]
            return int(state["sampling_step"]) if state["job"] == "txt2img" else -1

        for what in ("skip", "interrupt"):
            asked = pool.submit(client.post, "/txt2img", json=body)
            until(lambda: step() >= 1, "it paints")
            assert client.post(f"/{what}").json() == {}
            answer = asked.result(PATIENCE).json()
            info = json.loads(answer["info"])
            assert len(answer["images"]) == len(info["all_seeds"]) == len(info["infotexts"])
            assert any("interrupted or skipped" in note for note in info["notes"])
            if what == "skip":
                assert len(info["all_seeds"]) == 7
            else:
                assert 1 <= len(info["all_seeds"]) < 8
                assert info["all_seeds"] == list(range(1, 1 + len(info["all_seeds"])))


# --- sdwebuiapi, all that it can ask of a web UI without extensions


def test_every_getter_of_sdwebuiapi(url: str) -> None:
    webuiapi = pytest.importorskip("webuiapi")
    api = webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1")
    # The web UI itself no longer has these.
    gone = {"get_artists", "get_artist_categories", "get_endpoint"}
    names = [name for name in dir(api) if name.startswith("get_") and name not in gone]
    assert len(names) >= 17
    for name in names:
        found = getattr(api, name)()
        assert not (isinstance(found, dict) and "error" in found), name
    assert api.util_get_scheduler_names() == ["automatic", "karras", "uniform"]
    assert [one["name"] for one in api.get_upscalers()] == ["None"]
    assert api.get_loras() == api.get_sd_vae() == api.get_latent_upscale_modes() == []
    assert api.get_embeddings() == {"loaded": {}, "skipped": {}}
    assert api.get_scripts() == {"txt2img": [], "img2img": []}
    assert api.get_memory() == {"ram": {}, "cuda": {}}
    for ask in (api.interrupt, api.skip, api.refresh_checkpoints):
        assert ask() == {}
    for path in ("unload-checkpoint", "reload-checkpoint"):
        assert httpx.post(f"{url}/sdapi/v1/{path}").json() == {}
    assert httpx.get(f"{url}/internal/ping").json() == {}
    assert httpx.head(f"{url}/sdapi/v1/options").status_code == 200
    painted = api.txt2img(prompt="a red fox", seed=3, scheduler="Karras", sampler_name="DPM++ 2M", **SMALL)
    assert api.png_info(painted.image).info == painted.info["infotexts"][0]
    with pytest.raises(RuntimeError, match="img2img needs Stable Diffusion"):
        api.img2img(images=[painted.image], prompt="a red fox", **SMALL)


def test_sdwebuiapi_paints_from_a_picture(sd_client: httpx.Client) -> None:
    webuiapi = pytest.importorskip("webuiapi")
    api = webuiapi.WebUIApi(baseurl=str(sd_client.base_url).rstrip("/"))
    painted = api.img2img(images=[noise(80, 48)], prompt="a cat", steps=4, seed=1, resize_mode=2, **SMALL)
    again = api.img2img(images=[painted.image], prompt="a cat", steps=4, seed=1, batch_size=2, **SMALL)
    assert painted.image.size == (64, 64)
    assert again.info["all_seeds"] == [1, 2]
    assert again.images[0].tobytes() != painted.image.tobytes()
