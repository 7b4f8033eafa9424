"""Stable Diffusion, run for real on a tiny random model: pixels, seeds, memory, and broken folders."""

from __future__ import annotations

import json
import logging
import pickle
import re
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny_sd import LATENT_CHANNELS, SCHEDULER, bins_only, write_tiny_sd
from unprompt.diffusion.config import PRESETS
from unprompt.diffusion.engine import Sd2Engine, Sd2Renderer
from unprompt.diffusion.memory import batch_for
from unprompt.diffusion.model import SCHEDULERS, model_files, model_sha256
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.networks.checkpoints import declared
from unprompt.networks.devices import is_out_of_memory
from unprompt.painting.engine import Picture, RenderEngine

PICTURES = [
    Picture("a", "a red cat", 11),
    Picture("b", "two dogs in the snow", 22),
    Picture("c", "x", 33),
    Picture("d", "a lighthouse, oil on canvas", 2**32 - 1),
    Picture("e", "a red cat", 12),
]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd(tmp_path_factory.mktemp("sd") / "tiny")


@pytest.fixture
def own_model(model: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(model, tmp_path / "own"))


@pytest.fixture(scope="module")
def engine(model: Path) -> Sd2Engine:
    return Sd2Engine(model=str(model), steps=3, width=64, height=64, save_size=None, device="cpu")


@pytest.fixture(scope="module")
def renderer(engine: Sd2Engine) -> Sd2Renderer:
    return engine.open()


def pixels(images: Sequence[Image.Image]) -> np.ndarray:
    """Images -> (N, H, W, 3) int."""
    return np.stack([np.asarray(image) for image in images]).astype(int)


def drawn(engine: Sd2Engine, pictures: Sequence[Picture] = PICTURES[:1]) -> np.ndarray:
    return pixels(engine.open().render(pictures))


# --- settings


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("steps", 0, "steps must be at least 1, got 0"),
        ("guidance", 0.5, r"guidance must be between 1 \(none\) and 100, got 0.5"),
        ("guidance", float("nan"), "guidance must be"),
        ("width", 700, "width must be a multiple of 8 and at least 64, got 700"),
        ("height", 0, "height must be a multiple of 8"),
        ("save_size", 0, "save_size must be at least 1"),
        ("scheduler", "DDIM", "there is no scheduler 'DDIM'; there are: ddim, dpmsolver"),
        ("batch", -1, "batch must be at least 1, or 0"),
        ("dtype", "fp16", "dtype must be auto or one of float16, bfloat16, float32, got 'fp16'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting: str, value: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Sd2Engine(**{setting: value})


def test_a_negative_prompt_that_would_do_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="no effect with guidance 1"):
        Sd2Engine(negative_prompt="blurry", guidance=1)


def test_the_presets_are_the_two_settings_in_use() -> None:
    light, competition = Sd2Engine(**PRESETS["light"]), Sd2Engine(**PRESETS["competition"])
    assert (light.steps, light.width, light.height, light.save_size) == (35, 712, 712, None)
    assert (competition.steps, competition.width, competition.height, competition.save_size) == (
        50,
        768,
        768,
        512,
    )
    assert competition == Sd2Engine()  # what the command line shows as defaults


def test_settings_are_json_and_say_all_that_decides_the_pixels(engine: Sd2Engine) -> None:
    settings = engine.settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings == replace(engine, batch=7).settings()
    different = {
        "steps": 4,
        "guidance": 3.0,
        "width": 72,
        "height": 72,
        "save_size": 32,
        "scheduler": "pndm",
        "negative_prompt": "grey",
        "dtype": "float16",
    }
    for name, value in different.items():
        assert replace(engine, **{name: value}).settings() != settings, name
    assert settings["dtype"] == "float32"  # never "auto", which depends on the machine


def test_settings_name_the_model_by_its_content_not_by_its_path(engine: Sd2Engine, own_model: Path) -> None:
    moved = replace(engine, model=str(own_model))
    assert moved.settings() == engine.settings()
    path = own_model / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert moved.settings() != engine.settings()


def test_an_engine_travels_to_another_process(engine: Sd2Engine) -> None:
    travelled: RenderEngine = pickle.loads(pickle.dumps(engine))
    assert travelled == engine
    assert travelled.name == "sd2"


def test_a_device_that_is_not_there_is_refused(engine: Sd2Engine) -> None:
    with pytest.raises(ConfigError, match="there is no device 'cuda:99'"):
        replace(engine, device="cuda:99").open()


# --- prompts


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_empty_prompts_are_refused(engine: Sd2Engine, empty: str) -> None:
    with pytest.raises(InputError, match="2 of 4 prompts are empty, first: number 2; remove them"):
        engine.check(["a cat", empty, "a dog", empty])


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What transformers and diffusers log, on their usual level to begin with."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("transformers", "diffusers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
    yield lines
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_prompts_that_are_cut_are_told_once_with_their_count(engine: Sd2Engine, said: list[str]) -> None:
    """A letter is a token here; 77 with the two marks."""
    fits, long = "c " * 75, "c " * 76
    with pytest.warns(
        UserWarning, match="2 of 2,003 prompts are longer than .* cut, first: number 1001"
    ) as told:
        engine.check([fits] * 1000 + [long, *["a cat"] * 1001, long])
    assert len(told) == 1
    assert said == []  # the tokenizer does not tell it in its own words too


def test_prompts_that_fit_are_not_told(engine: Sd2Engine) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.check(["c " * 75, "x"])


def test_what_is_cut_changes_nothing_and_is_not_told_again(engine: Sd2Engine, said: list[str]) -> None:
    renderer = engine.open()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cut, longer = pixels(renderer.render([Picture("a", "c " * length, 1) for length in (75, 200)]))
    assert np.array_equal(cut, longer)
    assert said == []


# --- pixels


def by_hand(folder: Path, pictures: Sequence[Picture], scheduler: str = "ddim", **options: Any) -> np.ndarray:
    """What diffusers itself draws, one picture after the other."""
    import diffusers

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    class_name, changes = SCHEDULERS[scheduler]
    kind = getattr(diffusers, class_name)
    pipeline.scheduler = kind.from_config(pipeline.scheduler.config, **changes)
    options = {"num_inference_steps": 3, "guidance_scale": 7.5, "width": 64, "height": 64} | options
    return pixels(
        [
            pipeline(
                picture.prompt, generator=torch.Generator("cpu").manual_seed(picture.seed), **options
            ).images[0]
            for picture in pictures
        ]
    )


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_pixels_are_those_of_diffusers(engine: Sd2Engine, model: Path, scheduler: str) -> None:
    ours = drawn(replace(engine, scheduler=scheduler), PICTURES[:2])
    assert np.array_equal(ours, by_hand(model, PICTURES[:2], scheduler))


@pytest.mark.parametrize("scheduler", [name for name in SCHEDULERS if name.endswith("-karras")])
def test_karras_spreads_the_noise_as_his_paper_does(engine: Sd2Engine, scheduler: str) -> None:
    """(smax^(1/7) + i / (n - 1) (smin^(1/7) - smax^(1/7)))^7, equation 5 of Karras et al. 2022."""
    used = replace(engine, scheduler=scheduler).open().pipeline.scheduler
    used.set_timesteps(12)
    sigmas = np.unique(used.sigmas.numpy())[::-1]  # Heun has each twice, and a 0 stands at the end
    highest, *_, lowest, zero = sigmas
    ramp = np.linspace(highest ** (1 / 7), lowest ** (1 / 7), len(sigmas) - 1) ** 7
    np.testing.assert_allclose(sigmas[:-1], ramp, rtol=1e-3)
    assert (len(sigmas), zero) == (13, 0)
    plain = replace(engine, scheduler=scheduler.removesuffix("-karras")).open().pipeline.scheduler
    plain.set_timesteps(12)
    assert np.abs(np.unique(plain.sigmas.numpy())[::-1][1:-1] / sigmas[1:-1] - 1).max() > 0.05


def test_all_options_reach_diffusers(engine: Sd2Engine, model: Path) -> None:
    changed = replace(engine, steps=5, guidance=3.0, width=96, height=72, negative_prompt="grey")
    ours = drawn(changed)
    theirs = by_hand(
        model,
        PICTURES[:1],
        num_inference_steps=5,
        guidance_scale=3.0,
        width=96,
        height=72,
        negative_prompt="grey",
    )
    assert ours.shape == (1, 72, 96, 3)
    assert np.array_equal(ours, theirs)


def test_the_model_keeps_its_own_prediction_type(engine: Sd2Engine, own_model: Path) -> None:
    config = own_model / "scheduler" / "scheduler_config.json"
    assert {
        replace(engine, scheduler=name).open().pipeline.scheduler.config.prediction_type
        for name in SCHEDULERS
    } == {"v_prediction"}
    config.write_text(json.dumps(SCHEDULER | {"prediction_type": "epsilon"}))
    assert np.abs(drawn(engine) - drawn(replace(engine, model=str(own_model)))).mean() > 2


def test_no_two_schedulers_draw_the_same(engine: Sd2Engine) -> None:
    images = {name: drawn(replace(engine, scheduler=name, steps=5)) for name in SCHEDULERS}
    assert len({image.tobytes() for image in images.values()}) == len(SCHEDULERS)


def test_the_same_seed_gives_the_same_pixels_in_two_opens(engine: Sd2Engine, renderer: Sd2Renderer) -> None:
    assert np.array_equal(drawn(engine, PICTURES), pixels(renderer.render(PICTURES)))


@pytest.mark.parametrize("scheduler", ["ddim", "euler-a"])  # euler-a draws noise at every step
def test_a_picture_does_not_depend_on_its_neighbours(engine: Sd2Engine, scheduler: str) -> None:
    renderer = replace(engine, scheduler=scheduler, batch=4).open()
    together = pixels(renderer.render(PICTURES))
    backwards = pixels(renderer.render(PICTURES[::-1]))[::-1]
    alone = np.concatenate([pixels(renderer.render([picture])) for picture in PICTURES])
    for others in (backwards, alone):
        assert np.abs(together - others).max() <= 1  # rounding: see Sd2Renderer
        assert (together != others).mean() < 0.001
    by_one = replace(engine, scheduler=scheduler, batch=1).open()  # as on a CPU: to the last bit
    assert np.array_equal(pixels(by_one.render(PICTURES)), alone)


def test_seed_prompt_guidance_and_negative_prompt_change_the_picture(engine: Sd2Engine) -> None:
    first = drawn(engine)
    changed = [
        drawn(engine, [replace(PICTURES[0], seed=12)]),
        drawn(engine, [replace(PICTURES[0], prompt="a red cap")]),
        drawn(replace(engine, guidance=2.0)),
        drawn(replace(engine, guidance=1.0)),
        drawn(replace(engine, negative_prompt="grey")),
    ]
    assert all(np.abs(other - first).max() > 10 for other in changed)
    assert len({other.tobytes() for other in changed}) == len(changed)


@pytest.mark.parametrize(("width", "height"), [(712 // 8, 712 // 8), (9, 13), (8, 11)])
def test_odd_latents(engine: Sd2Engine, model: Path, width: int, height: int) -> None:
    """712 pixels are 89 latents, which the UNet cannot halve evenly."""
    odd = replace(engine, steps=1, width=8 * width, height=8 * height)
    ours = drawn(odd)
    assert ours.shape == (1, 8 * height, 8 * width, 3)
    options = {"num_inference_steps": 1, "width": odd.width, "height": odd.height}
    assert np.array_equal(ours, by_hand(model, PICTURES[:1], **options))


def test_saved_size(engine: Sd2Engine, renderer: Sd2Renderer) -> None:
    [whole] = renderer.render(PICTURES[:1])
    [smaller] = replace(engine, save_size=40).open().render(PICTURES[:1])
    assert (smaller.mode, smaller.size) == ("RGB", (40, 40))
    assert smaller.tobytes() == whole.resize((40, 40), Image.Resampling.LANCZOS).tobytes()
    [never_enlarged] = replace(engine, save_size=512).open().render(PICTURES[:1])
    assert never_enlarged.tobytes() == whole.tobytes()
    [wide] = replace(engine, width=128, save_size=64).open().render(PICTURES[:1])
    assert wide.size == (64, 32)


def test_nothing_to_render(renderer: Sd2Renderer) -> None:
    assert renderer.render([]) == []


def test_half_precision_is_close(engine: Sd2Engine, renderer: Sd2Renderer) -> None:
    half = replace(engine, dtype="float16").open()
    assert half.pipeline.unet.dtype is half.pipeline.vae.dtype is torch.float16
    difference = np.abs(pixels(half.render(PICTURES[:2])) - pixels(renderer.render(PICTURES[:2])))
    assert 0 < difference.mean() < 2


# --- memory


def test_batch_for_hand_worked_sizes() -> None:
    """768 x 768 in float16: 261 * 589,824 * 2 bytes = 307,888,128, twice that with headroom."""
    one = 615_776_256
    assert batch_for(one, 768, 768, "float16") == 1
    assert batch_for(2 * one - 1, 768, 768, "float16") == 1
    assert batch_for(2 * one, 768, 768, "float16") == 2
    assert batch_for(2 * one, 768, 768, "bfloat16") == 2
    assert batch_for(2 * one, 768, 768, "float32") == 1
    assert batch_for(4 * one, 768, 384, "float32") == 4
    assert batch_for(13 * 2**30, 712, 712, "float16") == 16  # 26 would fit
    assert batch_for(6 * 2**30, 768, 768, "float16") == 10
    assert batch_for(0, 768, 768, "float16") == 1


def test_the_batch_is_the_given_one_or_one_on_a_cpu(engine: Sd2Engine, renderer: Sd2Renderer) -> None:
    assert renderer.batch == 1
    assert replace(engine, batch=5).open().batch == 5


@pytest.mark.gpu
def test_on_a_gpu(engine: Sd2Engine) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_gpu = replace(engine, device="cuda")
    assert on_gpu.settings()["dtype"] == "float16"
    there = on_gpu.open()
    assert there.batch == 16
    assert np.abs(pixels(there.render(PICTURES)) - drawn(engine, PICTURES)).mean() < 2


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    MemoryError(),
]


def fail_above(renderer: Sd2Renderer, pictures: int, error: BaseException) -> list[int]:
    """Let the UNet run out of memory above `pictures` at once; returns the sizes it was tried with."""
    tried: list[int] = []

    def before(module: Any, arguments: tuple[Any, ...]) -> None:
        tried.append(len(arguments[0]) // 2)  # two passes a guided picture
        if tried[-1] > pictures:
            raise error

    renderer.pipeline.unet.register_forward_pre_hook(before)
    return tried


@pytest.fixture
def wide(engine: Sd2Engine) -> Sd2Renderer:
    return replace(engine, batch=5).open()


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:20] or "MemoryError")
def test_a_batch_out_of_memory_is_halved_and_nothing_is_lost(
    wide: Sd2Renderer, renderer: Sd2Renderer, error: BaseException
) -> None:
    tried = fail_above(wide, 2, error)
    with pytest.warns(
        UserWarning, match="out of memory with 5 pictures of 64 x 64 pixels at once; going on with 2"
    ) as told:
        images = pixels(wide.render(PICTURES))
    assert len(told) == 1
    assert tried == [5, *[2] * 3, *[2] * 3, *[1] * 3]  # three steps a batch
    assert wide.batch == 2
    assert np.abs(images - pixels(renderer.render(PICTURES))).max() <= 1
    with warnings.catch_warnings():  # the smaller size is remembered
        warnings.simplefilter("error")
        wide.render(PICTURES[:3])


def test_the_full_batch_is_tried_again_and_more_and_more_rarely(
    engine: Sd2Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unprompt.diffusion.engine.PATIENCE", 2)
    renderer = replace(engine, batch=4, steps=1).open()
    tried = fail_above(renderer, 2, OUT_OF_MEMORY[0])
    with pytest.warns(UserWarning, match="with 4 pictures .* going on with 2") as told:
        renderer.render(PICTURES[:4] * 4)
    assert len(told) == 3
    assert tried == [4, 2, 2, 4, 2, 2, 2, 2, 4, 2, 2]
    renderer.pipeline.unet._forward_pre_hooks.clear()  # what else used the memory is gone
    for _ in range(8):
        renderer.render(PICTURES[:4])
    assert renderer.batch == 4


def test_halving_goes_down_to_one(wide: Sd2Renderer, renderer: Sd2Renderer) -> None:
    fail_above(wide, 1, OUT_OF_MEMORY[0])
    with pytest.warns(UserWarning, match="going on with") as told:
        images = pixels(wide.render(PICTURES))
    assert [str(warning.message).split()[-1] for warning in told] == ["2", "1"]
    assert np.array_equal(images, pixels(renderer.render(PICTURES)))


def test_a_decode_out_of_memory_is_halved_too(wide: Sd2Renderer) -> None:
    calls = iter(range(100))

    def before(module: Any, arguments: tuple[Any, ...]) -> None:
        if next(calls) == 3:
            raise OUT_OF_MEMORY[0]

    wide.pipeline.vae.decoder.register_forward_pre_hook(before)
    with pytest.warns(UserWarning, match="going on with 2"):
        assert len(wide.render(PICTURES)) == 5


def test_one_picture_that_does_not_fit_is_told_with_what_to_do(wide: Sd2Renderer) -> None:
    fail_above(wide, 0, OUT_OF_MEMORY[0])
    words = r"one picture of 64 x 64 pixels does not fit into the memory of cpu in float32; use a smaller"
    with pytest.raises(RunError, match=words), pytest.warns(UserWarning, match="going on with"):
        wide.render(PICTURES)


def test_other_errors_are_not_taken_for_memory(wide: Sd2Renderer) -> None:
    tried = fail_above(wide, 0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        wide.render(PICTURES)
    assert tried == [5]


def test_a_real_allocation_that_fails_is_out_of_memory() -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        torch.empty(2**58)
    assert is_out_of_memory(caught.value)


# --- numbers that are not finite


def poison(folder: Path, part: str, name: str, value: float) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors[name].view(-1)[0] = value
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("unet", "conv_out.weight", float("nan")),
        ("vae", "decoder.conv_out.weight", float("nan")),
        ("vae", "decoder.conv_out.bias", float("inf")),  # clamped, it would look like a red picture
    ],
)
def test_pixels_that_are_not_finite_are_never_given_out(
    engine: Sd2Engine, own_model: Path, part: str, name: str, value: float
) -> None:
    poison(own_model, part, name, value)
    broken = replace(engine, model=str(own_model))
    with pytest.raises(RunError, match=r"'a' has pixels that are not finite, .* float32; .* are damaged"):
        drawn(broken)


def test_an_overflow_in_half_precision_says_to_use_float32(engine: Sd2Engine, own_model: Path) -> None:
    poison(own_model, "vae", "decoder.conv_out.bias", 1e5)  # float16 ends at 65,504
    half = replace(engine, model=str(own_model), dtype="float16")
    with pytest.raises(RunError, match="not finite, made in float16; use dtype float32"):
        drawn(half)
    drawn(replace(half, dtype="float32"))


# --- the model's folder


def test_a_model_that_is_nowhere_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNPROMPT_CHECKPOINTS", raising=False)
    for act in (lambda e: e.open(), lambda e: e.check(["a cat"]), lambda e: e.settings()):
        with pytest.raises(
            CheckpointError,
            match=r"'stable-diffusion-2' .* not found in .*; unprompt checkpoints fetch stable-",
        ):
            act(Sd2Engine())
    with pytest.raises(CheckpointError, match="there is no model folder 'no/where', and no checkpoint"):
        Sd2Engine(model="no/where").open()


def test_the_declared_checkpoint_is_found_by_its_name(
    engine: Sd2Engine, own_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(own_model))
    assert np.array_equal(drawn(replace(engine, model=Sd2Engine().model)), drawn(engine))


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("unet", r"2 files are missing, first: unet/config\.json"),
        ("unet/diffusion_pytorch_model.safetensors", r"1 file is missing, .* unet/diff\w+\.safetensors"),
        (
            "text_encoder/model.safetensors",
            r"text_encoder/model\.safetensors \(or .* or pytorch_model\.bin\)",
        ),
        ("scheduler/scheduler_config.json", r"scheduler/scheduler_config\.json"),
        ("tokenizer", r"2 files .* tokenizer/vocab\.json"),
        ("tokenizer/vocab.json", r"1 file is missing, first: tokenizer/vocab\.json"),
        ("tokenizer/merges.txt", r"1 file is missing, first: tokenizer/merges\.txt"),
    ],
)
def test_a_folder_with_parts_missing(engine: Sd2Engine, own_model: Path, gone: str, words: str) -> None:
    path = own_model / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(CheckpointError, match=words) as caught:
        replace(engine, model=str(own_model)).open()
    assert str(own_model) in str(caught.value)


FILES = [
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


def test_files_in_half_precision_are_read_in_place_of_full_ones(
    engine: Sd2Engine, own_model: Path, tmp_path: Path
) -> None:
    """The same numbers in both, so the same picture; and it is not that of the model before rounding."""
    from safetensors.torch import load_file, save_file

    half = Path(shutil.copytree(own_model, tmp_path / "half"))
    for file in FILES:
        if file.endswith(".safetensors"):
            tensors = {key: value.half() for key, value in load_file(own_model / file).items()}
            save_file(tensors, half / file.replace(".safetensors", ".fp16.safetensors"), {"format": "pt"})
            (half / file).unlink()
            full = {key: value.float() for key, value in tensors.items()}
            save_file(full, own_model / file, {"format": "pt"})
    rounded = drawn(replace(engine, model=str(own_model), dtype="float32"))
    assert np.array_equal(drawn(replace(engine, model=str(half), dtype="float32")), rounded)
    assert model_sha256(half) != model_sha256(own_model)


@pytest.mark.parametrize(
    "name", ["stable-diffusion-2", "stable-diffusion-2-1", "stable-diffusion-1-5", "sd-turbo"]
)
def test_what_is_fetched_is_all_that_loading_reads(name: str, tmp_path: Path) -> None:
    for file in declared(name).download:
        (tmp_path / file.name).parent.mkdir(exist_ok=True)
        (tmp_path / file.name).touch()
    read = {path.relative_to(tmp_path).as_posix() for path in model_files(tmp_path)}
    assert {file.name for file in declared(name).download} - read <= {"model_index.json"}


@pytest.mark.parametrize("kind", ["truncated", "empty", "pointer"])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named(engine: Sd2Engine, own_model: Path, file: str, kind: str) -> None:
    path = own_model / file
    content = path.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "pointer": pointer}[kind])
    named = (
        rf"{Path(file).parent}(/{re.escape(path.name)})? (cannot be|is cut short or damaged).* get it again"
    )
    with pytest.raises(CheckpointError, match=named):
        replace(engine, model=str(own_model)).open()


def test_merges_that_end_early_or_make_unknown_words(engine: Sd2Engine, own_model: Path) -> None:
    for lines, words in (
        (["c a"], r"has 1 merges for 516 words\)"),
        (["c a", "ca t</w>", "x y"], r"has 3 merges for 516 words, one of them is 'x y'\)"),
    ):
        (own_model / "tokenizer" / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]))
        with pytest.raises(CheckpointError, match=words):
            replace(engine, model=str(own_model)).check(["a cat"])


def test_a_network_that_lacks_parameters_is_not_filled_with_random_ones(
    engine: Sd2Engine, own_model: Path
) -> None:
    from safetensors.torch import load_file, save_file

    for part, file in (("text_encoder", "model"), ("vae", "diffusion_pytorch_model")):
        broken = Path(shutil.copytree(own_model, own_model.parent / part))
        path = broken / part / f"{file}.safetensors"
        tensors = load_file(path)
        del tensors[min(tensors)]
        save_file(tensors, path, metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=part):
            replace(engine, model=str(broken)).open()


def test_a_network_of_another_shape(engine: Sd2Engine, own_model: Path, tmp_path: Path) -> None:
    config = own_model / "unet" / "config.json"
    config.write_text(config.read_text().replace(f'"in_channels": {LATENT_CHANNELS}', '"in_channels": 9'))
    with pytest.raises(CheckpointError, match="unet cannot be loaded"):
        replace(engine, model=str(own_model)).open()


def test_a_folder_with_bin_files_only(engine: Sd2Engine, own_model: Path) -> None:
    older = replace(engine, model=str(bins_only(own_model)))
    assert not list(own_model.rglob("*.safetensors"))
    assert np.array_equal(drawn(older), drawn(engine))


@pytest.mark.parametrize(
    "file",
    ["unet/diffusion_pytorch_model.bin", "vae/diffusion_pytorch_model.bin", "text_encoder/pytorch_model.bin"],
)
def test_a_bin_file_is_never_unpickled(engine: Sd2Engine, own_model: Path, file: str) -> None:
    trap = own_model / "trap"

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[object, ...]]:
            return Path.mkdir, (trap,)

    torch.save({"conv_in.weight": Trap()}, bins_only(own_model) / file)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        replace(engine, model=str(own_model)).open()
    assert not trap.exists()


def test_code_that_a_folder_names_is_not_run(engine: Sd2Engine, own_model: Path) -> None:
    (own_model / "pipeline.py").write_text("raise SystemExit('run')")
    index = json.loads((own_model / "model_index.json").read_text())
    index |= {"_class_name": ["pipeline", "Own"], "unet": ["os", "system"]}
    (own_model / "model_index.json").write_text(json.dumps(index))
    assert np.array_equal(drawn(replace(engine, model=str(own_model))), drawn(engine))
