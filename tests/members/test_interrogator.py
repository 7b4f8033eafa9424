"""The interrogator member alone, and whole runs of a bundle with all three members of the real kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.whole_world import ALL, INTERROGATOR
from unprompt.bundle.bundles import load_members, read_bundle
from unprompt.ensemble.members import distinct_backbones
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.interrogator.config import InterrogatorConfig
from unprompt.interrogator.cores import cores_for
from unprompt.interrogator.modes import Interrogator
from unprompt.interrogator.tables import similarities
from unprompt.interrogator.vocabulary import OwnLists
from unprompt.networks.captioner import Captioner
from unprompt.networks.clip import Clip
from unprompt.networks.devices import core_count
from unprompt.networks.loader import Loader
from unprompt.networks.minilm import PromptEncoder
from unprompt.records import unit_rows
from unprompt.runs.chunks import Level
from unprompt.runs.config import PredictConfig
from unprompt.runs.deadline import Deadline
from unprompt.runs.predict import predict
from unprompt.storage.files import read_embeddings, read_prompts

pytestmark = pytest.mark.usefixtures("one_thread")


def bundle_in(world: Path, name: str, content: str) -> str:
    path = world / f"{name}.toml"
    path.write_text(content, encoding="utf-8")
    return str(path)


def pictures(world: Path) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted((world / "images").iterdir())]


# --- alone


def test_a_guess_is_the_modes_prompts_and_their_embeddings(world: Path) -> None:
    bundle = read_bundle(
        bundle_in(world, "classic", INTERROGATOR + 'mode = "classic"\nwithout = ["artist"]\n')
    )
    (member,) = load_members(bundle, Loader("cpu"))
    clip, captioner = (
        Clip.load("cpu", checkpoint=world / "clip"),
        Captioner.load("cpu", world / "blip"),
    )
    images = pictures(world)
    features = clip.features([clip.prepare(image) for image in images])
    captions = captioner.features([captioner.prepare(image) for image in images])
    seen = [backbone.features([backbone.prepare(image) for image in images]) for backbone in member.backbones]
    np.testing.assert_array_equal(seen[0], features)
    np.testing.assert_array_equal(seen[1], captions)
    config = InterrogatorConfig(mode="classic", without=("artists",))
    interrogator = Interrogator.build(clip.texts, config, OwnLists.in_folder(world / "lists"))
    prompts = [one.prompt for one in interrogator.prompts(features, captions.tolist())]
    guess = member.guess(*seen)
    assert guess.prompts == tuple(prompts)
    assert len(set(prompts)) > 1
    np.testing.assert_allclose(guess.embeddings, PromptEncoder.load().encode(prompts), atol=1e-6)


def test_the_likeliest_caption_is_said_and_the_mean_of_the_drawn_ones_counts(world: Path) -> None:
    loader, images = Loader("cpu"), pictures(world)
    members = [
        load_members(read_bundle(bundle_in(world, name, INTERROGATOR + setting)), loader)[0]
        for name, setting in (("one", ""), ("more", "samples = 3\n"))
    ]
    clip, captioner = members[0].backbones
    features = clip.features([clip.prepare(image) for image in images])
    prepared = [captioner.prepare(image) for image in images]
    said = members[1].backbones[1].features(prepared)
    assert said.shape == (len(images), 4)
    one = members[0].guess(features, captioner.features(prepared))
    more = members[1].guess(features, said)
    assert more.prompts == one.prompts
    assert more.phrases == one.phrases
    drawn = [members[0].guess(features, said[:, place]).embeddings for place in (1, 2, 3)]
    mean = np.mean(drawn, 0)
    np.testing.assert_allclose(more.embeddings, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)
    assert not np.allclose(more.embeddings, one.embeddings, atol=1e-2)


@pytest.mark.slow
def test_the_mode_is_kaggle_unless_another_is_named(world: Path) -> None:
    loader = Loader("cpu")
    guesses = []
    for mode in ("", 'mode = "kaggle"', 'mode = "classic"'):
        (member,) = load_members(read_bundle(bundle_in(world, "mode", INTERROGATOR + mode)), loader)
        seen = [b.features([b.prepare(image) for image in pictures(world)]) for b in member.backbones]
        guesses.append(member.guess(*seen).prompts)
    assert guesses[0] == guesses[1]
    assert guesses[0] != guesses[2]
    assert not any(" by " in prompt for prompt in guesses[0])


def test_negative_prompts_need_no_captioner(world: Path) -> None:
    content = INTERROGATOR.replace('captioner = "blip"', 'mode = "negative"\nmax_flavors = 2')
    (member,) = load_members(read_bundle(bundle_in(world, "negative", content)), Loader("cpu"))
    (clip,) = member.backbones
    guess = member.guess(clip.features([clip.prepare(image) for image in pictures(world)]))
    assert guess.prompts is not None
    assert all(guess.prompts)


def test_phrases_of_several_captions_are_ranked_once_an_image(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (member,) = load_members(read_bundle(bundle_in(world, "several", INTERROGATOR)), Loader("cpu"))
    clip = member.backbones[0]
    features = clip.features([clip.prepare(image) for image in pictures(world)])
    words = ("likeliest", "one", "two")
    captions = np.array([[f"{which} of {row}" for which in words] for row in range(len(features))])
    likeliest, one, two = (member.guess(features, captions[:, column]) for column in range(3))
    ranked: list[int] = []

    def noted(images: torch.Tensor, *others: Any) -> torch.Tensor:
        ranked.append(len(images))
        return similarities(images, *others)

    monkeypatch.setattr("unprompt.interrogator.tables.similarities", noted)
    together = member.guess(features, captions)
    assert sum(ranked) == len(features)
    assert together.prompts == likeliest.prompts
    np.testing.assert_allclose(together.embeddings, unit_rows(one.embeddings + two.embeddings), atol=1e-6)


def test_members_share_a_clip_and_a_captioner(world: Path) -> None:
    content = ALL + INTERROGATOR.replace('"interrogator"\nkind', '"second"\nkind') + 'mode = "fast"\n'
    members = load_members(read_bundle(bundle_in(world, "shared", content)), Loader("cpu"))
    _, first, retrieval, second = members
    assert retrieval.backbones[0] is first.backbones[0] is second.backbones[0]
    assert first.backbones[1] is second.backbones[1]
    assert len(distinct_backbones(members)) == 3


def test_chains_take_every_core_and_give_them_back(world: Path) -> None:
    clip = Clip.load("cpu", checkpoint=world / "clip")
    own = OwnLists.in_folder(world / "lists")
    inside = {}
    torch.set_num_threads(1)
    for mode in ("best", "kaggle"):
        interrogator = Interrogator.build(clip.texts, InterrogatorConfig(mode), own)
        with cores_for(interrogator):
            inside[mode] = torch.get_num_threads()
        assert torch.get_num_threads() == 1
    assert inside == {"best": core_count(), "kaggle": 1}


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ('"blip"', '"blap"', CheckpointError, r"there is no captioner .*blap"),
        ('checkpoint = "clip"', 'checkpoint = "clap"', CheckpointError, r"no checkpoint .*clap"),
        ('"lists"', '"images"', InputError, r"images has no list of phrases"),
        ('"lists"', "3", ConfigError, r"setting 'phrases' of member 'interrogator' must be a text, got 3"),
        ("weight", 'without = "artists"\nweight', ConfigError, "'without' .* must be an array, each a text"),
        ("weight", 'without = ["music"]\nweight', ConfigError, "no list of phrases called 'music'"),
        ("weight", 'mode = "slow"\nweight', ConfigError, "mode must be one of classic"),
        ("weight", 'statistics = "quarter"\nweight', ConfigError, "statistics must be half"),
        ("weight", "tta = 1\nweight", ConfigError, "unknown setting 'tta'; known: .*mode.*clip.*captioner"),
    ],
)
def test_what_is_wrong_in_a_bundle(
    world: Path, old: str, new: str, error: type[Exception], words: str
) -> None:
    assert old in INTERROGATOR
    path = bundle_in(world, "wrong", INTERROGATOR.replace(old, new, 1))
    with pytest.raises(error, match=words):
        load_members(read_bundle(path), Loader("cpu"))


# --- the deadline


def test_a_member_costs_what_both_of_its_backbones_take() -> None:
    clock = iter([1991.0, 1991.0]).__next__
    watched = Deadline(1000, started=1000, reserve=0, clock=clock)
    watched.note(Level.FULL, 10, 10, {"decode": 1, "clip": 2, "captioner": 4, "i": 1, "vit": 6, "r": 0})
    steps = {"i": {"i", "clip", "captioner"}, "r": {"r", "vit"}}
    assert watched.level(10, 0, 0, steps) == (Level.CHEAPEST, "r")
    steps["i"].remove("captioner")  # without which it would be the cheaper one
    assert watched.level(10, 0, 0, steps) == (Level.CHEAPEST, "i")


# --- whole runs


def test_a_run_is_the_same_again_in_other_chunks_and_after_a_kill(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_steps: list[Mapping[str, set[str]]] = []
    level = Deadline.level

    def noted(self: Deadline, chunk: int, after: int, under_way: int, steps: Mapping[str, set[str]]) -> Any:
        seen_steps.append(steps)
        return level(self, chunk, after, under_way, steps)

    monkeypatch.setattr(Deadline, "level", noted)

    def config(chunk: int) -> PredictConfig:
        return PredictConfig(bundle=str(world / "all.toml"), chunk=chunk, deadline=3600)

    predict(world / "images", tmp_path / "whole", config(2))
    whole = files_of(tmp_path / "whole")

    def kill(step: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(world / "images", tmp_path / "again", config(2), progress=kill)
    assert predict(world / "images", tmp_path / "again", config(2)).resumed
    assert files_of(tmp_path / "again") == whole

    predict(world / "images", tmp_path / "other", config(5))
    prompts = read_prompts(tmp_path / "whole" / "prompts.csv")
    assert read_prompts(tmp_path / "other" / "prompts.csv") == prompts
    assert len(set(prompts.texts)) > 1
    for name in ("regression", "retrieval", "interrogator"):
        one, other = (
            read_embeddings(tmp_path / run / "members" / f"{name}.npz") for run in ("whole", "other")
        )
        np.testing.assert_allclose(one.vectors, other.vectors, atol=2e-5)
    expected = PromptEncoder.load().encode(prompts.texts)
    member = read_embeddings(tmp_path / "whole" / "members" / "interrogator.npz")
    np.testing.assert_allclose(member.vectors, expected, atol=1e-5)
    regressor, clip, captioner = (
        backbone.name
        for backbone in distinct_backbones(load_members(read_bundle(config(2).bundle), Loader("cpu")))
    )
    assert seen_steps[0] == {}  # before a chunk is done nothing is known of what takes how long
    assert next(filter(None, seen_steps)) == {
        "regression": {"regression", regressor},
        "retrieval": {"retrieval", clip},
        "interrogator": {"interrogator", clip, captioner},
    }


def files_of(run: Path) -> dict[str, bytes]:
    """What a run leaves that may not differ between two starts."""
    names = [
        "submission.csv",
        "prompts.csv",
        *(f"members/{path.name}" for path in (run / "members").iterdir()),
    ]
    return {name: (run / name).read_bytes() for name in names}
