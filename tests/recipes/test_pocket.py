"""The pocket bundle: what its interrogator chooses from, and all of it made at a tiny size."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from unprompt.errors import ConfigError, RunError
from unprompt.interrogator.prompt_files import Table
from unprompt.interrogator.vocabulary import OwnLists, read_vocabulary
from unprompt.learning.train_clip import ClipTraining
from unprompt.learning.words_captioner_config import WordsCaptionerTraining
from unprompt.networks.captioner import read_captions
from unprompt.networks.preprocess import Preprocess
from unprompt.pocket.interrogation import phrase_lists
from unprompt.pocket.version import VERSION
from unprompt.progress import silent
from unprompt.recipes import pocket
from unprompt.recipes.config import PocketConfig
from unprompt.recipes.scenes import Scenes
from unprompt.records import Prompts
from unprompt.regression.config import TrainConfig
from unprompt.runs.config import PredictConfig
from unprompt.storage.files import read_json, read_prompts, write_prompts
from unprompt.storage.resumable import PROGRESS


def test_phrases_are_read_as_lists(tmp_path: Path) -> None:
    lists = phrase_lists()
    for kind, phrases in lists.items():
        (tmp_path / f"{kind}.txt").write_text("\n".join(phrases), encoding="utf-8")
    assert read_vocabulary(lists, OwnLists.in_folder(tmp_path)) == dict(lists)  # so none stands twice
    assert "a pencil sketch" in lists["mediums"]
    assert not [phrase for phrases in lists.values() for phrase in phrases if phrase.endswith(" of")]


def test_fitted_blend_is_scored_on_other_scenes() -> None:
    from unprompt.ensemble.fit_weights import agreement, best_weights
    from unprompt.records import DIM, Embeddings

    rng = np.random.default_rng(0)
    ids = tuple(f"scene{number}" for number in range(40))
    truth = Embeddings(ids, rng.normal(size=(40, DIM))).unit()
    guesses = {
        name: Embeddings(ids, truth.vectors + rng.normal(0, noise / DIM**0.5, (40, DIM))).unit()
        for name, noise in (("regression", 1.0), ("retrieval", 1.3), ("interrogator", 2.0))
    }
    known = type("Known", (), {"embeddings": truth})()
    captions = truth.vectors + rng.normal(0, 3.0 / DIM**0.5, (40, DIM))
    rows, fitted = pocket.ways(guesses, captions, known, truth)
    assert [way.name for way in rows] == [
        "best constant of the training prompts",
        "captions, embedded",
        "interrogator alone",
        "retrieval alone",
        "regression alone",
        "0.45 interrogator, 0.55 regression",
        "weights by image, regression and interrogator",
        "fitted weights, regression and interrogator",
        "weights by image, all three",
        "fitted weights, all three",
    ]
    assert pocket.best_member(rows).name == "regression alone"
    images = agreement([guesses[name] for name in pocket.MEMBERS], truth)
    on_its_own = images.similarities(best_weights(images)).mean()
    assert rows[4].similarities.mean() < rows[-1].similarities.mean() < on_its_own
    assert sum(fitted["all three"].values()) == pytest.approx(1)
    assert fitted["all three"]["regression"] == max(fitted["all three"].values())


def test_time_left_is_by_the_pace_so_far() -> None:
    names = [step.name for step in pocket.STEPS]
    expected = sum(step.seconds for step in pocket.STEPS)
    assert pocket.estimate(pocket.STEPS[0], PocketConfig.images, {}).seconds == expected
    assert pocket.estimate(pocket.STEPS[0], PocketConfig.images // 2, {}).seconds == expected / 2
    clip = pocket.STEPS[names.index("clip")]
    later = sum(step.seconds for step in pocket.STEPS[names.index("clip") :])
    seconds = pocket.STEPS[names.index("regression")].seconds
    taken = {"regression": 2 * seconds, "prompts": 0.01}  # prompts were there
    slow = pocket.estimate(clip, PocketConfig.images, taken)
    assert slow.seconds == pytest.approx(2 * later)
    assert str(slow) == f"step 5 of 9  training the CLIP  (about {round(2 * later / 60)} min left in all)"


def test_recipe_comes_from_the_packages_own_settings(tmp_path: Path) -> None:
    recipe = pocket.Recipe.read(tmp_path, PocketConfig(images=500))
    assert (recipe.images, recipe.held_out) == (500, 1000)
    assert (recipe.regression.backbone, recipe.regression.head) == ("tf_efficientnet_lite0", "words")
    (tmp_path / "clip.toml").write_text("epochs = 1")
    assert pocket.Recipe.read(tmp_path, PocketConfig(clip=tmp_path / "clip.toml")).clip.epochs == 1
    with pytest.raises(ConfigError, match="held_out must be at least 2, got 1"):
        PocketConfig(held_out=1)


def test_scenes_of_another_pocket_world_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = Scenes(tmp_path, 3, 0)
    write_prompts(scenes.prompts, Prompts(("a", "b", "c"), ("a fox", "two foxes", "a teapot")))
    scenes.draw(1, size=16)
    scenes.draw(1, size=16)
    monkeypatch.setattr("unprompt.recipes.scenes.VERSION", VERSION + 1)
    with pytest.raises(RunError, match="DATASET was drawn by another version of the pocket world"):
        scenes.draw(1, size=16)


def test_bundle_text_is_a_bundle(tmp_path: Path) -> None:
    from unprompt.bundle.bundles import read_bundle

    path = tmp_path / "pocket.toml"
    path.write_text(pocket.bundle_text({"regression": 0.6123456, "interrogator": 0.3876544}))
    bundle = read_bundle(str(path))
    assert [(member.name, member.weight) for member in bundle.members] == [
        ("regression", 0.6123),
        ("interrogator", 0.3877),
        ("retrieval", 0.0),
    ]
    assert bundle.members[1].settings["captioner"] == str(tmp_path / "captioner")
    assert bundle.members[2].checkpoint == tmp_path / "clip"


def tiny(out: Path) -> pocket.Recipe:
    """A recipe of seconds."""
    return pocket.Recipe(
        out=out,
        images=60,
        held_out=12,
        regression=TrainConfig(
            backbone="tf_efficientnet_lite0",
            size=32,
            fold_norms=True,
            head="words",
            word_count=2,
            freeze=("conv_stem.*", "blocks.*"),
            keep_frozen=True,
            probe=1,
            epochs=1,
            batch=16,
            validation=0.2,
        ),
        clip=ClipTraining(epochs=2, batch=16, width=32, text_width=64, text_layers=1),
        captioner=WordsCaptionerTraining(epochs=2, batch=16, width=32),
        workers=1,
    )


def test_nothing_of_an_earlier_bundle_stays_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = tiny(tmp_path / "pocket")
    recipe.bundle.mkdir(parents=True)
    for name in (pocket.NAME, "relatedness.json"):
        (recipe.bundle / name).touch()
    folder = pocket.install(recipe).parent
    (recipe.bundle / "relatedness.json").unlink()
    pocket.install(recipe)
    assert [path.name for path in folder.iterdir()] == [pocket.NAME]


class Kept:
    """Pixels that stand in for an array in the cache."""

    def __init__(self) -> None:
        self.there = True

    def discard(self) -> None:
        self.there = False


def test_features_leave_nothing_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, activations = Kept(), Kept()
    tower = SimpleNamespace(
        name="tf_efficientnet_lite0",
        network=None,
        preprocess=Preprocess(32),
        features=lambda looked_at, **_: np.full((2, 3), looked_at is activations),
    )
    monkeypatch.setattr(pocket, "pixels_of", lambda *_: pixels)
    monkeypatch.setattr(pocket, "images_fingerprint", lambda *_: "")
    monkeypatch.setattr(pocket, "frozen_stages", lambda *_: 5)
    monkeypatch.setattr(pocket, "open_activations", lambda *_, **__: activations)
    assert pocket.make_features(tiny(tmp_path), None, tower, silent).all()  # type: ignore[arg-type]
    assert not pixels.there
    assert not activations.there


def test_maps_of_another_network_are_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny(tmp_path)
    recipe.bundle.mkdir()
    begun: list[Path] = []

    def begin(path: Path, *_: object) -> None:
        begun.append(path)
        path.with_suffix(".filling").mkdir(exist_ok=True)
        raise KeyboardInterrupt

    for name in ("read_dataset", "pixels_of"):
        monkeypatch.setattr(pocket, name, lambda *_: Kept())
    monkeypatch.setattr(pocket, "eyes_of", lambda _: SimpleNamespace(config=SimpleNamespace(size=32)))
    monkeypatch.setattr(pocket, "images_fingerprint", lambda *_: "")
    monkeypatch.setattr(pocket, "open_maps", begin)
    for network in (b"one", b"one", b"another"):
        recipe.network.write_bytes(network)
        with pytest.raises(KeyboardInterrupt):
            pocket.make_captioner(recipe, silent)
    assert begun[0] == begun[1] != begun[2]
    assert list(tmp_path.glob("maps*")) == [begun[2].with_suffix(".filling")]


def test_captions_that_were_killed_are_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, table = tiny(tmp_path), Table(tmp_path / "captions.csv")
    record = recipe.bundle / "captioner" / pocket.captioning.KIND.record
    record.parent.mkdir(parents=True)
    record.touch()
    table.work.mkdir()
    (table.work / PROGRESS).touch()
    table.path.write_text("imgId,caption\na,half\n")
    begun: list[Path] = []

    def go_on(_: object, out: Path, *__: object, **___: object) -> None:
        begun.append(out)
        out.write_text("imgId,caption\na,half\nb,half\n")
        (table.work / PROGRESS).unlink()

    monkeypatch.setattr(pocket, "caption", go_on)
    for _ in range(2):
        assert pocket.captions_once(recipe, silent) == {"a": "half", "b": "half"}
    assert begun == [table.path]


@pytest.mark.slow
@pytest.mark.usefixtures("small_gallery")
def test_whole_bundle_is_made_scored_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unprompt.members.bank import build_bank, read_bank
    from unprompt.networks.clip import Clip
    from unprompt.runs.predict import predict

    out = tmp_path / "pocket"
    recipe = tiny(out)
    steps: list[pocket.Estimate] = []
    made = pocket.make_pocket(recipe, on_step=steps.append)
    results, said = made.numbers, made.lines
    assert [one.step for one in steps] == list(pocket.STEPS)
    assert [one.number for one in steps] == list(range(1, 10))
    assert results["held_out_images"] == 12
    assert results["ways"][0]["way"] == "fitted weights, all three"
    assert len(results["ways"]) == 10
    assert 0 <= results["captions"]["nouns"] <= 1
    assert list(read_captions(out / "captions.csv")) == list(read_prompts(out / "held-out" / "list.csv").ids)
    assert not list(out.glob("maps*"))
    assert all(-1 <= row["low"] <= row["score"] <= row["high"] <= 1 for row in results["ways"])
    assert read_json(out / "results.json")["ways"] == results["ways"]
    with (out / "results.csv").open() as stream:
        assert [row["way"] for row in csv.DictReader(stream)] == [row["way"] for row in results["ways"]]
    assert made.bundle == out / "bundle" / "pocket.toml"
    # So small a CLIP may have nothing to learn from, and the bundle is made all the same.
    fitted = (out / "bundle" / "relatedness.json").exists()
    assert [line.startswith("no ") for line in said if "relatedness" in line] == [not fitted]

    bank = read_bank(out / "bundle" / "bank")
    clip = Clip.load("cpu", checkpoint=out / "bundle" / "clip")
    build_bank([out / "train" / "DATASET"], tmp_path / "bank", clip)
    again = read_bank(tmp_path / "bank")
    assert (bank.prompts, bank.clip, bank.encoder) == (again.prompts, again.clip, again.encoder)
    # The bundle's were computed from what training has kept of its frozen stages, in 16 bits.
    np.testing.assert_allclose(bank.features.astype(np.float32), again.features.astype(np.float32), atol=1e-2)
    np.testing.assert_array_equal(bank.embeddings, again.embeddings)

    before = {path: path.stat().st_mtime_ns for path in made_of(out)}
    pocket.make_pocket(recipe)  # nothing is done twice
    assert {path: path.stat().st_mtime_ns for path in made_of(out)} == before
    pocket.make_pocket(replace(recipe, clip=replace(recipe.clip, epochs=1)))
    changed = {path.relative_to(out).as_posix() for path in before if path.stat().st_mtime_ns > before[path]}
    assert "bundle/clip/open_clip_model.safetensors" in changed
    assert "bundle/bank/bank.npz" in changed
    assert not any(name.startswith(("bundle/captioner", "train/", "run-", "features")) for name in changed)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    installed = pocket.install(recipe)
    assert installed == tmp_path / "cache" / "unprompt" / "bundles" / "pocket" / "pocket.toml"
    predict(out / "held-out" / "DATASET", tmp_path / "run", PredictConfig(bundle=str(installed)))
    prompts = read_prompts(tmp_path / "run" / "prompts.csv")
    assert len(prompts.ids) == 12
    known = read_prompts(out / "train" / "list.csv")
    assert not set(prompts.texts) & set(known.texts)  # they are the interrogator's, not the bank's


def made_of(out: Path) -> list[Path]:
    """The files that steps leave, but for those that each run writes anew."""
    return [
        path
        for path in sorted(out.rglob("*"))
        if path.is_file()
        and path.name not in ("results.json", "results.csv", "seconds.json", "pocket.toml")
        and path.parent.name != "tensorboard"  # whose files are named after the time
    ]
