"""Trainings of a tiny Stable Diffusion with random weights: kills, what is seen, what is left."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.colouring.instruct_world import MACHINE, draw_balls
from tests.processes import killed_itself
from tests.tiny_sd import write_tiny_sd
from unprompt.cli import main
from unprompt.colouring import train_instruct as training
from unprompt.colouring.instruct_config import (
    POCKET_TRAINING,
    InstructMachine,
    InstructTraining,
    training_of,
)
from unprompt.colouring.instruct_model import read_model
from unprompt.colouring.train_instruct import InstructLearnt, sheet_of, train_instruct
from unprompt.datasets.pairs import read_pairs
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.learning.curves import read_metrics
from unprompt.learning.schedule import Constant

pytestmark = pytest.mark.usefixtures("one_thread")

UNET = Path("model/unet/diffusion_pytorch_model.safetensors")
SAMPLED = replace(MACHINE, samples=3, sample_steps=2, checkpoint_steps=2)
SAVING = 0.0  # minutes: after every step


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_sd(tmp_path_factory.mktemp("sd") / "tiny")


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_balls(tmp_path_factory.mktemp("balls") / "pairs")


def settings(sd: Path, **more: Any) -> InstructTraining:
    given = {"resolution": 32, "batch": 2, "accumulate": 2, "steps": 6, "learning_rate": 1e-3, "ema": 0.5}
    return InstructTraining(**{"model": str(sd), **given, **more})


def run(balls: Path, out: Path, config: InstructTraining, **more: Any) -> InstructLearnt:
    return train_instruct(read_pairs(balls), out, config, **{"machine": MACHINE, **more})


@pytest.fixture(scope="module")
def whole(sd: Path, balls: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing interrupted, with samples and checkpoints."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(balls, out, settings(sd), machine=SAMPLED)
    return out


# --- settings


def test_defaults_are_those_of_the_students_command() -> None:
    config, machine = InstructTraining(model="x"), InstructMachine()
    assert (config.resolution, config.batch, config.accumulate, config.steps) == (256, 2, 4, 15_000)
    assert (config.learning_rate, config.clip, config.warmup_steps, config.drop) == (5e-5, 1, 0, 0.05)
    assert (config.seed, config.flip, machine.gradient_checkpointing, machine.checkpoints) == (
        42,
        False,
        True,
        1,
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "instruct needs a model to begin with: --model FOLDER"),
        ({"model": "x", "resolution": 100}, "resolution must be a multiple of 8, got 100"),
        ({"model": "pocket", "factor": 6}, "factor must be a power of two, got 6"),
        ({"model": "pocket", "resolution": 48}, "resolution must be a multiple of 32, got 48"),
        ({"model": "pocket", "lora": 4}, "lora is for a model that others trained"),
        ({"model": "x", "drop": 0.4}, "drop must be at least 0 and at most 0.3"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        InstructTraining(**given)


def test_a_sample_needs_both_its_picture_and_its_words() -> None:
    with pytest.raises(ConfigError, match="go together"):
        InstructMachine(sample_prompt="a red ball")


def test_pocket_has_other_defaults_and_takes_what_is_given() -> None:
    config, machine = training_of({"model": "pocket", "steps": 7}, {"samples": 3})
    assert (config.steps, config.batch, machine.samples) == (7, POCKET_TRAINING["batch"], 3)
    assert not machine.gradient_checkpointing
    assert training_of({"model": "x"}, {})[0] == InstructTraining(model="x")


def test_the_learning_rate_stays_after_its_warm_up() -> None:
    assert [Constant(warmup_steps=4).share(step, 100) for step in (0, 1, 3, 4, 99)] == [0.25, 0.5, 1, 1, 1]
    assert Constant().share(0, 100) == Constant().share(99, 100) == 1


# --- what is left


def test_the_folder_has_all_that_it_should(whole: Path) -> None:
    record = json.loads((whole / "train.json").read_text())
    assert (record["steps"], record["pairs"], record["pairs_a_step"]) == (6, 4, 4)
    assert record["config"]["model"] == "tiny"
    assert read_metrics(whole / "metrics.csv")[-1]["step"] == 6
    assert [path.name for path in sorted((whole / "samples").iterdir())] == ["0000003.png", "0000006.png"]
    assert not (whole / ".work").exists()


def test_diffusers_opens_the_model_with_the_averaged_weights(whole: Path) -> None:
    from diffusers import StableDiffusionInstructPix2PixPipeline

    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(whole / "model", local_files_only=True)
    assert pipeline.unet.config.in_channels == 8
    assert pipeline.unet.config.sample_size == 4  # of 32 pixels, by which a painting's size is chosen
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.unet.conv_in.weight[:, 4:].abs().max() > 0


def test_text_encoder_and_autoencoder_stay_as_they_were(whole: Path, sd: Path) -> None:
    before, after = read_model(sd, widened=True), read_model(whole / "model")
    for part in ("encoder.encoder", "codec.module"):
        modules = []
        for model in (before, after):
            module: Any = model.reader if part.startswith("encoder") else model.codec
            modules.append(getattr(module, part.partition(".")[2]).state_dict())
        assert all(torch.equal(value, modules[1][name]) for name, value in modules[0].items())


def test_without_an_average_the_last_weights_are_written(
    sd: Path, balls: Path, tmp_path: Path, whole: Path
) -> None:
    run(balls, tmp_path / "run", settings(sd, ema=0.0))
    last, averaged = (load_file(folder / UNET) for folder in (tmp_path / "run", whole))
    assert not torch.equal(last["conv_in.weight"], averaged["conv_in.weight"])


def test_only_the_newest_checkpoints_stay(sd: Path, balls: Path, tmp_path: Path, whole: Path) -> None:
    assert [path.name for path in (whole / "checkpoints").iterdir()] == ["0000006"]
    machine = replace(MACHINE, checkpoint_steps=2, checkpoints=2)
    run(balls, tmp_path / "run", settings(sd), machine=machine)
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["0000004", "0000006"]
    kept = tmp_path / "run" / "checkpoints" / "0000006"
    assert (kept / UNET.relative_to("model")).read_bytes() == (whole / UNET).read_bytes()


def test_the_end_comes_in_the_midst_of_an_epoch(
    sd: Path, balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "EPOCH_STEPS", 2)
    learnt = run(balls, tmp_path / "run", settings(sd, steps=5))
    assert [row["step"] for row in learnt.rows] == [2, 4, 5]


def test_a_sheet_has_the_asked_picture_on_top(sd: Path, balls: Path, tmp_path: Path) -> None:
    drawing = tmp_path / "wide.png"
    Image.new("RGB", (130, 65), "white").save(drawing)
    machine = replace(MACHINE, samples=2, sample_steps=1, sample_image=drawing, sample_prompt="a red ball")
    run(balls, tmp_path / "run", settings(sd, steps=2), machine=machine)
    with Image.open(tmp_path / "run" / "samples" / "0000002.png") as sheet:
        assert sheet.size == (3 * 36 - 4, 16 + 4 * 36)


def test_a_sheet_leaves_places_empty() -> None:
    red = Image.new("RGB", (3, 2), "red")
    sheet = np.asarray(sheet_of([[red, None], [red, red]]))
    assert sheet.shape == (2 + 4 + 2, 3 + 4 + 3, 3)
    assert (sheet[:2, 7:] == 255).all()
    assert (sheet[6:8, 7:] == (255, 0, 0)).all()


# --- what is learnt


def test_four_pairs_are_learnt_by_heart(
    sd: Path, balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "EPOCH_STEPS", 5)
    config = settings(sd, batch=16, accumulate=1, steps=60, learning_rate=5e-3, drop=0.0)
    learnt = run(balls, tmp_path / "run", config)
    assert learnt.rows[-1]["loss"] < 0.4 * learnt.rows[0]["loss"]


def test_how_a_batch_is_cut_changes_rounding_alone(
    sd: Path, balls: Path, tmp_path: Path, whole: Path
) -> None:
    together = run(balls, tmp_path / "run", settings(sd, batch=4, accumulate=1)).rows[-1]["loss"]
    assert together == pytest.approx(read_metrics(whole / "metrics.csv")[-1]["loss"], rel=1e-4)


def test_latents_that_were_encoded_before_are_those_of_each_step(
    sd: Path, balls: Path, tmp_path: Path
) -> None:
    losses = []
    for latents in ("yes", "no"):
        out = tmp_path / latents
        machine = replace(MACHINE, latents=latents)
        losses.append(run(balls, out, settings(sd, steps=2), machine=machine).rows[-1]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_gradient_checkpointing_changes_nothing(sd: Path, balls: Path, tmp_path: Path, whole: Path) -> None:
    run(balls, tmp_path / "run", settings(sd), machine=replace(MACHINE, gradient_checkpointing=True))
    plain, twice = (load_file(folder / UNET) for folder in (whole, tmp_path / "run"))
    for name, value in plain.items():
        torch.testing.assert_close(twice[name], value, rtol=1e-3, atol=1e-5)


def test_bfloat16_trains_too(sd: Path, balls: Path, tmp_path: Path) -> None:
    learnt = run(balls, tmp_path / "run", settings(sd, precision="bf16", steps=2))
    assert np.isfinite(learnt.rows[-1]["loss"])
    assert load_file(tmp_path / "run" / UNET)["conv_in.weight"].dtype == torch.float32


def seen_by_the_codec(
    sd: Path, balls: Path, out: Path, monkeypatch: pytest.MonkeyPatch, flip: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The drawings and pictures that were encoded, (32, 32, 3) uint8 each."""
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    encode = training._Shown._encode

    def watched(self: Any, sources: Any, targets: Any) -> Any:
        seen.extend(zip(sources.numpy().copy(), targets.numpy().copy(), strict=True))
        return encode(self, sources, targets)

    monkeypatch.setattr(training._Shown, "_encode", watched)
    run(balls, out, settings(sd, flip=flip, steps=4), machine=replace(MACHINE, latents="auto"))
    return seen


def test_flip_mirrors_both_pictures_of_about_half_the_pairs(
    sd: Path, balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = []
    for number in range(4):
        both = [np.asarray(Image.open(balls / kind / f"{number}.png")) for kind in ("line", "colour")]
        pairs += [(both, False), ([one[:, ::-1] for one in both], True)]
    seen = seen_by_the_codec(sd, balls, tmp_path / "run", monkeypatch, flip=True)
    mirrored = []
    for source, target in seen:
        (how,) = [
            flipped
            for (line, colour), flipped in pairs
            if np.array_equal(line, source) and np.array_equal(colour, target)
        ]
        mirrored.append(how)
    assert len(mirrored) == 16
    assert 3 <= sum(mirrored) <= 13


def test_pairs_whose_caption_names_a_side_are_not_mirrored() -> None:
    shown = object.__new__(training._Shown)
    shown._config = InstructTraining(model="pocket", flip=True)
    shown.captions, shown.count = ("a red ball", "a ball on the Left of a box"), 2
    pictures = torch.arange(32 * 2 * 2 * 3).reshape(32, 2, 2, 3)
    batch = SimpleNamespace(rows=np.arange(32), epoch=0, loaded=(pictures, pictures))
    sources, targets = shown._flipped(batch)
    same = (sources == pictures).flatten(1).all(dim=1)
    assert torch.equal(sources, targets)
    assert same[1::2].all()
    assert 2 <= int(same[::2].sum()) <= 14


def test_without_flip_each_pair_is_encoded_once_and_as_it_is(
    sd: Path, balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = seen_by_the_codec(sd, balls, tmp_path / "run", monkeypatch, flip=False)
    assert len(seen) == 4
    for number, (source, target) in enumerate(seen):
        assert np.array_equal(source, np.asarray(Image.open(balls / "line" / f"{number}.png")))
        assert np.array_equal(target, np.asarray(Image.open(balls / "colour" / f"{number}.png")))


def test_flipped_pairs_cannot_be_encoded_before(sd: Path, balls: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be encoded before"):
        run(balls, tmp_path / "run", settings(sd, flip=True), machine=replace(MACHINE, latents="yes"))


# --- killed and gone on


def train_and_die(balls: Path, sd: Path, out: Path) -> None:
    """SIGKILL in the first half of the fourth step."""
    torch.set_num_threads(1)
    forward, calls = training._Objective.forward, []

    def deadly(self: Any, *inputs: Any) -> Any:
        calls.append(0)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(self, *inputs)

    training._Objective.forward = deadly  # type: ignore[method-assign]
    run(balls, out, settings(sd), machine=replace(SAMPLED, save_minutes=SAVING))


def test_killed_training_ends_with_the_same_bytes(whole: Path, sd: Path, balls: Path, tmp_path: Path) -> None:
    assert killed_itself(train_and_die, balls, sd, tmp_path / "run")
    assert (tmp_path / "run" / ".work" / "state.pt").exists()
    assert run(balls, tmp_path / "run", settings(sd), machine=SAMPLED).resumed
    files = [path.relative_to(whole) for path in sorted(whole.glob("model/**/*")) if path.is_file()]
    files += [path.relative_to(whole) for path in sorted((whole / "samples").iterdir())]
    assert len(files) > 8
    for file in files:
        assert (tmp_path / "run" / file).read_bytes() == (whole / file).read_bytes(), file


def test_a_finished_folder_is_left_alone(whole: Path, sd: Path, balls: Path) -> None:
    with pytest.raises(RunError, match="finished training of colouring"):
        run(balls, whole, settings(sd))


# --- low-rank updates


def test_low_rank_updates_are_saved_and_loaded_bit_for_bit(
    sd: Path, balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    from unprompt.colouring.instruct_model import load_lora

    trained: list[Any] = []
    save = training.save_lora

    def watched(folder: Path, unet: Any) -> None:
        trained.append(unet)
        save(folder, unet)

    monkeypatch.setattr(training, "save_lora", watched)
    run(balls, tmp_path / "run", settings(sd, lora=2))
    names = sorted(path.name for path in (tmp_path / "run" / "lora").iterdir())
    assert names == ["conv_in.safetensors", "pytorch_lora_weights.safetensors"]

    pipeline = read_model(sd, widened=True).pipeline()
    load_lora(pipeline, tmp_path / "run" / "lora")
    fused = read_model(tmp_path / "run" / "model").unet
    torch.manual_seed(0)
    inputs = torch.randn(2, 8, 4, 4), 500, torch.randn(2, 5, 32)
    with torch.no_grad():
        wanted = trained[-1](*inputs).sample
        assert torch.equal(pipeline.unet(*inputs).sample, wanted)
        torch.testing.assert_close(fused(*inputs).sample, wanted, rtol=1e-4, atol=1e-5)
        base = read_model(sd, widened=True).unet(*inputs).sample
    assert (base - wanted).abs().max() > 1e-3


def test_the_state_of_low_rank_updates_is_small(sd: Path, balls: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")

    class StoppedError(Exception):
        pass

    def stop(step: str, done: int, total: int) -> None:
        if step.startswith("epoch") and done >= 8:
            raise StoppedError

    states = {}
    for lora in (0, 2):
        with pytest.raises(StoppedError):
            run(
                balls, tmp_path / str(lora), settings(sd, lora=lora, ema=0.0), progress=stop,
                machine=replace(MACHINE, save_minutes=SAVING),
            )  # fmt: skip
        states[lora] = (tmp_path / str(lora) / ".work" / "state.pt").stat().st_size
    assert states[2] < 0.2 * states[0]
    assert run(balls, tmp_path / "2", settings(sd, lora=2, ema=0.0)).resumed


# --- what is refused


def test_pairs_without_captions_are_refused(sd: Path, tmp_path: Path) -> None:
    pairs = draw_balls(tmp_path / "pairs", captions=False)
    with pytest.raises(InputError, match="4 of 4 pairs have no caption, first: '0'; instruct learns"):
        run(pairs, tmp_path / "run", settings(sd))


def test_a_model_that_is_not_there_is_told(balls: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no model folder 'nowhere'"):
        run(balls, tmp_path / "run", settings(Path("nowhere")))
    assert not (tmp_path / "run").exists()


# --- the command line


def test_the_command_trains_and_says_where_the_model_is(
    sd: Path, balls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    options = ["--resolution", "32", "--steps", "2", "--samples", "0", "--device", "cpu", "--json"]
    assert (
        main(
            [
                "colour",
                "train",
                str(balls),
                "--engine",
                "instruct",
                "--out",
                str(out),
                "--model",
                str(sd),
                *options,
            ]
        )
        == 0
    )
    numbers = json.loads(capsys.readouterr().out)
    assert (numbers["pairs"], numbers["steps"], numbers["out"]) == (4, 2, str(out / "model"))
    assert json.loads((out / "train.json").read_text())["pairs_a_step"] == 8  # 2 at once, 4 times


def test_the_command_wants_a_model(balls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colour", "train", str(balls), "--engine", "instruct", "--out", str(tmp_path / "run")]) == 1
    assert "instruct needs a model to begin with" in capsys.readouterr().err
