"""Naming drawings: warps, networks, DoodleNet's files, and the same bytes however often a training stops."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from tests.doodles.own import BY_WORD, FACE, HOUSE, SUN, doodles
from unprompt.doodles.doodlenet import LAYERS, read_doodlenet
from unprompt.doodles.drawing import Doodle, Drawing
from unprompt.doodles.name import LOOKS, Namer, hits, see
from unprompt.doodles.namer_config import NamerConfig, NamerTraining
from unprompt.doodles.namer_files import read_namer
from unprompt.doodles.namer_network import build
from unprompt.doodles.train_namer import train_namer
from unprompt.doodles.warps import LONGEST, Strokes, begin, fit, lay_out, mix, warp
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.learning.schedule import TrainingMachine

TINY = NamerTraining(filters=4, epochs=2, batch=8, repeats=2, ema=0.5)
CPU = TrainingMachine("cpu")


# --- warps


def test_a_drawing_laid_out_has_short_pieces_and_keeps_its_strokes() -> None:
    strokes = lay_out(FACE)
    starts, ends = strokes.segments()
    assert np.hypot(*(ends - starts).T).max() <= LONGEST + 1e-6
    assert np.abs(strokes.points).max() == pytest.approx(1)
    assert strokes.stroke.max() == len(FACE.strokes) - 1
    assert np.bincount(strokes.stroke).min() == 2  # the eyes, which are dots


def test_without_strength_a_warp_changes_nothing_but_the_side() -> None:
    strokes = lay_out(HOUSE)
    random = np.random.default_rng(0)
    np.testing.assert_allclose(warp(strokes, random, 0, mirror=False).points, strokes.points, atol=1e-6)
    seen = {np.sign(warp(strokes, random, 0).points[0, 0] * strokes.points[0, 0]) for _ in range(20)}
    assert seen == {-1, 1}


def test_the_same_seed_gives_the_same_hand_and_another_another() -> None:
    one, two, other = (warp(lay_out(SUN), np.random.default_rng(seed)).points for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert np.abs(one - other).max() > 0.02


def test_a_beginning_has_the_first_strokes_and_never_all() -> None:
    strokes = lay_out(SUN)
    for seed in range(20):
        some = begin(strokes, np.random.default_rng(seed))
        assert 4 <= some.stroke[-1] + 1 < len(SUN.strokes)
        assert np.array_equal(some.points, strokes.points[: len(some.points)])


def test_a_mixture_has_strokes_of_both_drawings_and_of_each_two_fifths_at_least() -> None:
    random = np.random.default_rng(0)

    def of_lengths(lengths: list[int]) -> Strokes:
        """Strokes that are told apart by how many points they have."""
        points = random.uniform(-1, 1, (sum(lengths), 2)).astype(np.float32)
        return Strokes(points, np.repeat(np.arange(len(lengths)), lengths))

    one, other = [2, 3, 4, 5, 6], [12, 13, 14]
    seen = set()
    for seed in range(60):
        mixed = mix(of_lengths(one), of_lengths(other), np.random.default_rng(seed))
        lengths = np.bincount(mixed.stroke).tolist()
        of_one, of_other = ([length for length in lengths if length in known] for known in (one, other))
        assert lengths == of_one + of_other == sorted(lengths)
        assert 2 <= len(of_one) <= 5
        assert 2 <= len(of_other) <= 3
        seen.add((len(of_one), len(of_other)))
    assert len(seen) == 8  # from two fifths, rounded up, to all of each
    again = [mix(lay_out(HOUSE), lay_out(SUN), np.random.default_rng(3)).points for _ in range(2)]
    assert np.array_equal(*again)
    dot = mix(of_lengths([2]), of_lengths([2]), np.random.default_rng(0))
    assert dot.stroke.tolist() == [0, 0, 1, 1]


def test_what_is_fitted_is_what_drawings_give() -> None:
    fitted = fit(lay_out(HOUSE), 28, 1.6)
    np.testing.assert_allclose(fitted.points[0], HOUSE.fitted(28, 1.6).points[0], atol=1e-4)


# --- names


def test_probabilities_are_the_mean_of_all_looks_and_their_mirror_images() -> None:
    config = NamerConfig(filters=4, words=tuple(BY_WORD))
    torch.manual_seed(0)
    network = build(config)
    namer = Namer(config, network)
    found = namer.probabilities([HOUSE, SUN], len(LOOKS))
    assert found.shape == (2, 4)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)

    def answer(drawing: Drawing) -> np.ndarray:
        seen = torch.from_numpy(see(drawing, config))
        with torch.no_grad():
            return network(torch.stack([seen, seen.flip(1)])[:, None]).softmax(1).mean(0).numpy()

    x, y = (np.array([stroke[:, axis] for stroke in HOUSE.strokes], object) for axis in (0, 1))
    cos, sin = np.cos(0.1), np.sin(0.1)
    looks = ((x, y), (cos * x - sin * y, sin * x + cos * y), (cos * x + sin * y, cos * y - sin * x),
             (1.1 * x, y / 1.1), (x / 1.1, 1.1 * y))  # fmt: skip
    answers = [
        answer(Drawing(tuple(np.stack(xy, 1) for xy in zip(*map(list, look), strict=True)))) for look in looks
    ]
    np.testing.assert_allclose(found[0], np.mean(answers, 0), atol=1e-6)
    np.testing.assert_allclose(namer.probabilities([HOUSE])[0], answers[0], atol=1e-6)
    guesses = namer.name(HOUSE, top=2)
    assert [guess.word for guess in guesses] == [namer.words[at] for at in np.argsort(-found[0])[:2]]
    with pytest.raises(InputError, match="draw something first"):
        namer.name(replace(HOUSE, strokes=()))
    assert namer.probabilities([]).shape == (0, 4)


def test_hits_by_hand() -> None:
    found = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], np.float32)
    assert hits(found, np.array([0, 0])) == {"top_1": 0.5, "top_5": 1.0}


# --- DoodleNet's files


def write_doodlenet(folder: Path, words: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    """A small network in the public files' form, with random numbers."""
    random = np.random.default_rng(seed)
    widths, shapes, before = (16, 16, 32, 32, 64, 64), {}, 1
    for number, width in enumerate(widths):
        name = "conv2d" if number == 0 else f"conv2d_{number}"
        shapes |= {f"{name}/kernel": (3, 3, before, width), f"{name}/bias": (width,)}
        before = width
    shapes |= {"dense/kernel": (576, 512), "dense/bias": (512,)}
    shapes |= {"dense_1/kernel": (512, words), "dense_1/bias": (words,)}
    arrays = {name: random.normal(0, 0.1, shape).astype("<f4") for name, shape in shapes.items()}
    folder.mkdir()
    weights = [{"name": name, "shape": list(shape), "dtype": "float32"} for name, shape in shapes.items()]
    manifest = [{"paths": ["group1-shard1of1.bin"], "weights": weights}]
    (folder / "model.json").write_text(json.dumps({"weightsManifest": manifest}))
    (folder / "group1-shard1of1.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    (folder / "class_names.txt").write_text("".join(f"word_{n}\n" for n in range(words)))
    return arrays


def test_doodlenet_computes_what_its_files_say(tmp_path: Path) -> None:
    arrays = write_doodlenet(tmp_path / "net")
    config, network = read_namer(tmp_path / "net")
    assert config.words == tuple(f"word {n}" for n in range(5))
    seen = see(SUN, config)
    maps = seen[:, :, None]  # height, width, channel, as TensorFlow has it
    for number in range(6):
        name = "conv2d" if number == 0 else f"conv2d_{number}"
        kernel = arrays[f"{name}/kernel"]
        out = np.stack(
            [
                sum(correlate2d(maps[..., i], kernel[..., i, o], mode="same") for i in range(kernel.shape[2]))
                for o in range(kernel.shape[3])
            ],
            2,
        )
        maps = np.maximum(out + arrays[f"{name}/bias"], 0)
        if number % 2:
            side = maps.shape[0] // 2
            maps = maps[: 2 * side, : 2 * side].reshape(side, 2, side, 2, -1).max((1, 3))
    hidden = np.tanh(maps.reshape(-1) @ arrays["dense/kernel"] + arrays["dense/bias"])
    expected = hidden @ arrays["dense_1/kernel"] + arrays["dense_1/bias"]
    with torch.no_grad():
        found = network(torch.from_numpy(seen)[None, None])[0]
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert len(LAYERS) == 8


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "group1-shard1of1.bin").write_bytes(b"1234"), "has no weights as"),
        (lambda folder: (folder / "class_names.txt").write_text("a\nb\n"), "2 words, the network 5 outputs"),
        (lambda folder: (folder / "class_names.txt").unlink(), "needs class_names.txt"),
        (lambda folder: (folder / "model.json").write_text("{}"), "has no weights as"),
        (
            lambda folder: (folder / "model.json").write_text(
                (folder / "model.json").read_text().replace("group1", "../group1")
            ),
            "outside its folder",
        ),
        (
            lambda folder: (folder / "model.json").write_text(
                (folder / "model.json").read_text().replace("dense_1/bias", "dense_2/bias")
            ),
            "no DoodleNet",
        ),
    ],
)
def test_files_that_are_no_doodlenet_are_refused(tmp_path: Path, spoil: object, said: str) -> None:
    write_doodlenet(tmp_path / "net")
    spoil(tmp_path / "net")  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=said):
        read_doodlenet(tmp_path / "net")


# --- training


def test_a_training_that_was_stopped_ends_with_the_same_bytes(tmp_path: Path) -> None:
    def learn(name: str, **more: object) -> Path:
        return (
            train_namer(
                doodles(4),
                tmp_path / name,
                TINY,
                CPU,
                more=doodles(1),
                held_out=doodles(1),
                **more,  # type: ignore[arg-type]
            ).out
            / "namer.safetensors"
        )

    whole = learn("whole")

    def stop(step: str, done: int, total: int) -> None:
        if step == "epoch 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn("two", progress=stop)
    assert learn("two").read_bytes() == whole.read_bytes()
    record = json.loads(whole.with_suffix(".json").read_text())
    assert record["drawings"] == {"by_hand": 16, "more": 4}
    assert record["network"]["words"] == list(BY_WORD)
    assert 0 <= record["last_epoch"]["held_out_top_1"] <= record["last_epoch"]["held_out_top_5"] == 1


def test_a_namer_learns_its_four_words_and_teaches_them(tmp_path: Path) -> None:
    config = replace(TINY, epochs=3, repeats=10, learning_rate=0.01, partial=0, ema=0.9)
    learnt = train_namer(doodles(4), tmp_path / "one", config, CPU, held_out=doodles(1))
    assert learnt.rows[-1]["held_out_top_1"] == 1
    path = learnt.out / "namer.safetensors"
    namer = Namer.load(path)
    assert [namer.name(drawing)[0].word for drawing in BY_WORD.values()] == list(namer.words)
    # The words are wrong now, and do not count: only a teacher that is right can have taught it.
    wrong = [Doodle(one.key, one.drawing, "sun") for one in doodles(4)]
    config = replace(config, teacher=path, teacher_share=1.0, seed=1)
    taught = train_namer(wrong, tmp_path / "two", config, CPU, held_out=doodles(1))
    assert taught.rows[-1]["held_out_top_1"] == 1
    # So it can by mixtures alone, where words would have told it nothing.
    mixtures = replace(config, teacher_share=0.5, mixed=1.0, epochs=6)
    taught = train_namer(wrong, tmp_path / "three", mixtures, CPU, held_out=doodles(1))
    assert taught.rows[-1]["held_out_top_1"] == 1


def test_mixtures_need_a_teacher_and_shares_add_up_to_one_at_most() -> None:
    with pytest.raises(ConfigError, match="mixed needs a teacher"):
        replace(TINY, mixed=0.5)
    with pytest.raises(ConfigError, match=r"partial 0\.6 and mixed 0\.5 .* together at most 1"):
        replace(TINY, teacher=Path("doodlenet"), partial=0.6, mixed=0.5)


def test_other_words_and_other_sizes_are_refused(tmp_path: Path) -> None:
    path = train_namer(doodles(2), tmp_path / "one", replace(TINY, epochs=1), CPU).out / "namer.safetensors"
    other = [Doodle("x", HOUSE, "castle"), Doodle("y", HOUSE)]
    with pytest.raises(InputError, match=r"2 of 2 drawings: x has 'castle', which is none of the 4 words"):
        train_namer(other, tmp_path / "two", replace(TINY, teacher=path), CPU)
    with pytest.raises(ConfigError, match="give --side 28"):
        train_namer(doodles(1), tmp_path / "two", replace(TINY, teacher=path, side=32), CPU)
    with pytest.raises(ConfigError, match="give --filters 4"):
        train_namer(doodles(1), tmp_path / "two", replace(TINY, weights=path, filters=8), CPU)


def test_doodlenet_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_doodlenet(tmp_path / "doodlenet")
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path))
    assert Namer.load(Path("doodlenet")).words == tuple(f"word {n}" for n in range(5))
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path / "other"))
    with pytest.raises(CheckpointError, match="unprompt checkpoints fetch doodlenet"):
        Namer.load(Path("doodlenet"))


def test_a_model_of_timm_learns_too(tmp_path: Path) -> None:
    config = replace(TINY, architecture="timm/mobilenetv3_small_050", side=32, epochs=1, repeats=1)
    path = train_namer(doodles(2), tmp_path / "run", config, CPU).out / "namer.safetensors"
    assert Namer.load(path).probabilities([HOUSE]).shape == (1, 4)
    with pytest.raises(ConfigError, match="timm has no model 'x'"):
        train_namer(doodles(2), tmp_path / "other", replace(config, architecture="timm/x"), CPU)
    with pytest.raises(ConfigError, match="none of residual, doodlenet and timm/NAME"):
        replace(config, architecture="vgg")
