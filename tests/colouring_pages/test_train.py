"""Trainings of tiny networks on a toy task: the dark outline of a coloured rectangle."""

from __future__ import annotations

import argparse
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from tests.processes import killed_itself
from unprompt.cli.options import add_settings, settings_from
from unprompt.colouring_pages import train as training
from unprompt.colouring_pages.adversarial import Drawing
from unprompt.colouring_pages.config import PageMachine, PageTraining
from unprompt.colouring_pages.generator_files import FORM, read_generator, write_generator
from unprompt.colouring_pages.network import Discriminator, Generator
from unprompt.colouring_pages.train import (
    PagesLearnt,
    jittered,
    overlaps,
    sheet_of,
    split_pairs,
    train_pages,
)
from unprompt.datasets.batches import epoch_batches
from unprompt.datasets.pairs import Pairs, read_pairs
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.learning.curves import read_metrics
from unprompt.learning.schedule import LinearDecay
from unprompt.storage.images import ImageFile

TINY = PageTraining(
    filters=4, levels=3, judge_filters=4, judge_layers=2, size=32, batch=4, epochs=2, jitter=0.125, ema=0.5
)
MACHINE = PageMachine(device="cpu", samples=2, save_minutes=0.0)


def draw_pairs(folder: Path, count: int, seed: int) -> Path:
    """Rectangles in a colour on a ground, 36 x 36, beside their outlines, as pix2pix has its pairs."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        colours = [tuple(int(one) for one in random.integers(*span, 3)) for span in ((150, 256), (0, 110))]
        left, top = (int(one) for one in random.integers(3, 12, 2))
        box = (left, top, left + int(random.integers(10, 20)), top + int(random.integers(10, 20)))
        sheet = Image.new("RGB", (72, 36), "white")
        sheet.paste(colours[0], (0, 0, 36, 36))
        ImageDraw.Draw(sheet).rectangle(box, fill=colours[1])
        right = (box[0] + 36, box[1], box[2] + 36, box[3])
        ImageDraw.Draw(sheet).rectangle(right, outline="black", width=2)
        sheet.save(folder / f"{seed}-{number:03d}.png")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    draw_pairs(folder / "train", 12, 1)
    draw_pairs(folder / "val", 5, 2)
    return folder


def run(folder: Path, out: Path, config: PageTraining = TINY, **more: Any) -> PagesLearnt:
    machine = more.pop("machine", MACHINE)
    return train_pages(
        read_pairs(folder, split="train"),
        out,
        config,
        machine,
        held_out=read_pairs(folder, split="val"),
        **more,
    )


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a training comes to that nothing interrupted."""
    out = tmp_path_factory.mktemp("run") / "whole"
    run(folder, out, about={"from": "a test"})
    return out


def learnt_files(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in [out / "generator.safetensors", *sorted((out / "samples").iterdir())]
    }


# --- what a training leaves


def test_a_training_leaves_a_generator_with_its_record(whole: Path) -> None:
    network = read_generator(whole / "generator.safetensors")
    assert network.config == TINY.generator
    record = FORM.read_record(whole / "generator.safetensors")
    assert PageTraining(**record["config"]) == TINY
    assert record["pairs"] == {"learnt_from": 12, "held_out": 5, "from": "a test"}
    assert record["steps"] == 6
    assert record["seconds"] > 0
    rows = read_metrics(whole / "metrics.csv")
    assert record["last_epoch"] == rows[-1]
    assert json.loads((whole / "train.json").read_text())["epochs"] == rows
    losses = ["discriminator", "generator", "l1"]
    assert [name for name in rows[0] if name in (*losses, *training.SCORES)] == [*losses, *training.SCORES]
    assert [row["step"] for row in rows] == [3, 6]
    with Image.open(whole / "curves.png") as curves:
        assert curves.width > 1000
    assert not (whole / ".work").exists()


def test_sheets_show_source_made_and_truth(whole: Path, folder: Path) -> None:
    sheets = sorted((whole / "samples").iterdir())
    assert [one.name for one in sheets] == ["0000002.png", "0000004.png", "0000006.png"]
    with Image.open(sheets[-1]) as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (5 * 36 - 4, 3 * 36 - 4, 3)
    assert (pixels[32:36] == 255).all()
    assert (pixels[:, 32:36] == 255).all()
    network = read_generator(whole / "generator.safetensors")
    for row in range(5):
        source, made, truth = (
            pixels[36 * row : 36 * row + 32, 36 * column : 36 * column + 32] for column in range(3)
        )
        assert len(np.unique(source.reshape(-1, 3), axis=0)) > 1
        assert (np.ptp(truth, axis=2) == 0).all()
        np.testing.assert_allclose(made[..., 0] / 255, 1 - network.draw(source), atol=0.003)


def test_scores_are_those_of_the_network_that_is_kept(whole: Path, folder: Path) -> None:
    network = read_generator(whole / "generator.safetensors")
    distances, common = [], []
    for file in sorted((folder / "val").iterdir()):
        with Image.open(file) as both:
            source, truth = (
                np.asarray(both.crop((left, 0, left + 36, 36)).resize((32, 32), Image.Resampling.BICUBIC))
                for left in (0, 36)
            )
        ink, wanted = network.draw(source), 1 - truth[..., 0] / 255
        distances.append(2 * np.abs(ink - wanted).mean())
        common.append(2 * np.minimum(ink, wanted).sum() / (ink.sum() + wanted.sum()))
    row = read_metrics(whole / "metrics.csv")[-1]
    assert row["held_out_l1"] == pytest.approx(np.mean(distances), abs=1e-5)
    assert row["held_out_overlap"] == pytest.approx(np.mean(common), abs=1e-5)


def test_decoded_pairs_go_when_it_is_done(folder: Path, tmp_path: Path, own_cache: Path) -> None:
    seen: list[int] = []

    def look(row: Any) -> None:
        seen.append(len(list(own_cache.rglob("*.npy"))))

    run(folder, tmp_path / "run", replace(TINY, epochs=1), on_epoch=look)
    assert seen == [4]
    assert not list(own_cache.rglob("*.npy"))


# --- killed and gone on


def train_and_die(folder: Path, out: Path) -> None:
    """SIGKILL in the generator's turn of the fourth step, the first of the second epoch."""
    forward, steps = Drawing.forward, []

    def deadly(self: Any, *pair: Any) -> Any:
        steps.append(0)
        if len(steps) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(self, *pair)

    Drawing.forward = deadly  # type: ignore[method-assign]
    run(folder, out, about={"from": "a test"})


def test_killed_training_ends_with_the_same_bytes(whole: Path, folder: Path, tmp_path: Path) -> None:
    assert killed_itself(train_and_die, folder, tmp_path / "run")
    assert (tmp_path / "run" / ".work" / "state.pt").exists()
    assert run(folder, tmp_path / "run").resumed
    assert learnt_files(tmp_path / "run") == learnt_files(whole)


def test_a_finished_folder_is_left_alone(whole: Path, folder: Path) -> None:
    with pytest.raises(RunError, match="finished training of pages"):
        run(folder, whole)


def test_other_pairs_do_not_go_on(folder: Path, tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def interrupt(row: Any) -> None:
        raise StoppedError

    out = tmp_path / "run"
    with pytest.raises(StoppedError):
        run(folder, out, on_epoch=interrupt)
    pairs = read_pairs(folder, split="train")
    with pytest.raises(RunError, match="begun with other images; run what was begun"):
        train_pages(pairs.at(pairs.ids[:8]), out, TINY, MACHINE)


# --- what is learnt


@pytest.mark.parametrize(
    "gan", ["vanilla", "none", *(pytest.param(gan, marks=pytest.mark.slow) for gan in ("lsgan", "wgangp"))]
)
def test_a_tiny_network_learns_its_task(gan: str, folder: Path, tmp_path: Path) -> None:
    """Much nearer to the truth than white paper is, and than it was after the first epoch."""
    config = replace(TINY, filters=8, epochs=30, learning_rate=5e-3, ema=0.9, jitter=0.0)
    config = replace(config, gan_weight=0.0) if gan == "none" else replace(config, gan=gan)
    learnt = run(folder, tmp_path / gan, config, machine=replace(MACHINE, samples=0, save_minutes=9))
    first, last = learnt.rows[0], learnt.rows[-1]
    assert last["held_out_overlap"] > max(0.4, 2 * first["held_out_overlap"])
    assert last["l1"] < 0.5 * first["l1"]
    assert ("discriminator" in last) == (gan != "none")
    assert not (tmp_path / gan / "samples").exists()


@pytest.mark.parametrize("gan", ["vanilla", "wgangp"])
def test_half_precision_learns_in_whole_weights(gan: str, folder: Path, tmp_path: Path) -> None:
    learnt = run(folder, tmp_path / "run", replace(TINY, gan=gan, precision="bf16"))
    assert learnt.rows[1]["l1"] < learnt.rows[0]["l1"]
    network = read_generator(tmp_path / "run" / "generator.safetensors")
    weights = torch.cat([parameter.detach().flatten() for parameter in network.parameters()])
    assert (weights != weights.bfloat16()).float().mean() > 0.5
    assert FORM.read_record(tmp_path / "run" / "generator.safetensors")["machine"]["precision"] == "bf16"


def test_settings_become_options() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, PageTraining)
    add_settings(parser, PageMachine)
    options = parser.parse_args(
        ["--filters", "8", "--no-mirror", "--weights", "a.pth", "--judge-layers", "2"]
    )
    assert settings_from(options, PageTraining) == PageTraining(
        filters=8, mirror=False, weights=Path("a.pth"), judge_layers=2
    )
    assert settings_from(options, PageMachine) == PageMachine()
    assert "30/256" in parser.format_help()


def plain_pictures(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Sources (N, 3, 32, 32) and targets (N, 1, 32, 32) in -1 … 1, without jitter."""
    sides: tuple[list[torch.Tensor], list[torch.Tensor]] = [], []
    for file in sorted(folder.iterdir()):
        with Image.open(file) as both:
            for left, side, mode in zip((0, 36), sides, ("RGB", "L"), strict=True):
                half = both.crop((left, 0, left + 36, 36)).resize((32, 32), Image.Resampling.BICUBIC)
                pixels = np.asarray(half.convert(mode)).reshape(32, 32, -1).astype(np.float32)
                side.append(torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1))
    return torch.stack(sides[0]), torch.stack(sides[1])


def test_steps_are_what_a_plain_loop_does(folder: Path, tmp_path: Path) -> None:
    """The discriminator first, then the generator against it; both by Adam, on a line in the second half."""
    generator = Generator(TINY.generator)
    weights = tmp_path / "begin.safetensors"
    write_generator(weights, generator)
    config = replace(TINY, ema=0.0, jitter=0.0, mirror=False, learning_rate=1e-3, weights=weights)
    run(folder, tmp_path / "run", config)
    found = read_generator(tmp_path / "run" / "generator.safetensors").state_dict()

    torch.manual_seed(derive_seed(0, "networks"))
    discriminator = Discriminator(config.discriminator)
    sources, truths = plain_pictures(folder / "train")
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    adams = [torch.optim.Adam(one.parameters(), betas=(0.5, 0.999)) for one in (discriminator, generator)]
    order = [rows for epoch in (1, 2) for rows in epoch_batches(np.arange(12), 4, 0, epoch)]
    for step, rows in enumerate(order):
        source, truth = sources[rows], truths[rows]
        for number, adam in enumerate(adams):
            adam.param_groups[0]["lr"] = 1e-3 * min(1, (6 - step) / 3)
            adam.zero_grad()
            made = generator(source)
            if number == 0:
                real, not_real = discriminator(source, truth), discriminator(source, made.detach())
                loss = (entropy(real, torch.ones_like(real)) + entropy(not_real, 0 * not_real)) / 2
            else:
                scores = discriminator(source, made)
                loss = entropy(scores, torch.ones_like(scores)) + 100 * (made - truth).abs().mean()
            loss.backward()
            adam.step()
    for name, tensor in generator.state_dict().items():
        torch.testing.assert_close(found[name], tensor, atol=1e-4, rtol=1e-3)


def test_the_learning_rate_falls_in_the_second_half() -> None:
    schedule = LinearDecay(epochs=1, batch=1)
    assert [schedule.share(step, 8) for step in range(8)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]
    assert [schedule.share(step, 5) for step in range(5)] == pytest.approx([1, 1, 1, 2 / 3, 1 / 3])
    assert schedule.share(0, 1) == 1


def test_learning_begins_with_given_weights(whole: Path, folder: Path, tmp_path: Path) -> None:
    path = whole / "generator.safetensors"
    config = replace(TINY, weights=path, epochs=1, learning_rate=1e-9)
    run(folder, tmp_path / "run", config)
    found = read_generator(tmp_path / "run" / "generator.safetensors").state_dict()
    for name, tensor in read_generator(path).state_dict().items():
        torch.testing.assert_close(found[name], tensor, atol=1e-6, rtol=0)
    assert FORM.read_record(tmp_path / "run" / "generator.safetensors")["config"]["weights"] == path.name
    with pytest.raises(ConfigError, match=r"is of filters 4, and the settings say 8; give --filters 4"):
        run(folder, tmp_path / "other", replace(config, filters=8))


# --- pairs, and what is seen of them


def test_pairs_of_one_drawing_stay_together(tmp_path: Path) -> None:
    ids = [f"{drawing}+{look}" for drawing in range(20) for look in "abc"]
    files = [ImageFile(one, tmp_path / f"{one}.png") for one in ids]
    pairs = Pairs(tuple(ids), tuple(files), tuple(files))
    learnt, aside = split_pairs(pairs, 0.2, seed=3, drawing_of=lambda one: one.partition("+")[0])
    assert len(aside) == 12
    assert sorted([*learnt.ids, *aside.ids]) == sorted(ids)
    drawings = [{one.partition("+")[0] for one in side.ids} for side in (learnt, aside)]
    assert not drawings[0] & drawings[1]
    again = split_pairs(pairs, 0.2, seed=3, drawing_of=lambda one: one.partition("+")[0])
    assert again[1].ids == aside.ids
    with pytest.raises(InputError, match="both sides need one"):
        split_pairs(pairs, 0.001)


def test_pairs_that_are_no_good_are_refused(folder: Path, tmp_path: Path) -> None:
    pairs = read_pairs(folder, split="train")
    with pytest.raises(InputError, match="2 of 12 pairs to learn from are held out as well, first: 1-000"):
        train_pages(pairs, tmp_path / "run", TINY, MACHINE, held_out=pairs.at(pairs.ids[:2]))
    with pytest.raises(InputError, match="no pairs"):
        train_pages(Pairs((), (), ()), tmp_path / "run", TINY, MACHINE)
    assert not (tmp_path / "run").exists()


def test_jitter_is_a_cut_of_the_row_s_own() -> None:
    pictures = torch.arange(2 * 10 * 10, dtype=torch.int64).reshape(2, 10, 10, 1)
    rows = np.array([5, 9])
    seen = set()
    for epoch in range(40):
        cut = jittered(pictures, 8, True, 0, epoch, rows)
        assert cut.shape == (2, 8, 8, 1)
        alone = jittered(pictures[1:], 8, True, 0, epoch, rows[1:])
        assert torch.equal(alone[0], cut[1])
        first = cut[0, :, :, 0]
        mirrored = bool(first[0, 0] > first[0, 1])
        whole = first.flip(1) if mirrored else first
        top, left = divmod(int(whole[0, 0]), 10)
        assert torch.equal(whole, pictures[0, top : top + 8, left : left + 8, 0])
        seen.add((top, left, mirrored))
    assert {one[0] for one in seen} == {one[1] for one in seen} == {0, 1, 2}
    assert {one[2] for one in seen} == {False, True}
    assert jittered(pictures, 10, False, 0, 1, rows) is pictures


def test_overlap_by_hand() -> None:
    ink = torch.tensor([[[1.0, 1.0, 0.0, 0.0]], [[0.5, 0.0, 0.0, 0.0]], [[0.0] * 4]])
    truth = torch.tensor([[[0.0, 1.0, 1.0, 1.0]], [[1.0, 0.0, 0.0, 0.0]], [[0.0] * 4]])
    assert overlaps(ink, truth).tolist() == pytest.approx([2 / 5, 2 * 0.5 / 1.5, 1])


def test_a_sheet_has_a_row_for_each_picture() -> None:
    white, red = torch.ones(2, 1, 4, 4), torch.tensor([1.0, -1, -1])[:, None, None].expand(2, 3, 4, 4)
    sheet = np.asarray(sheet_of([white, red]))
    assert sheet.shape == (2 * 4 + 4, 2 * 4 + 4, 3)
    assert (sheet[:4, :8] == 255).all()
    assert (sheet[:4, 8:] == (255, 0, 0)).all()
    assert (sheet[8:, 8:] == (255, 0, 0)).all()
