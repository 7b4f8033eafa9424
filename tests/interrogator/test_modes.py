"""Prompts by mode: settings, what is left out, repeats, what is reported, and that batches change nothing.

That the strings are clip-interrogator's is tested beside it in test_clip_interrogator_parity.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from tests.tiny_clip import tiny_clip
from unprompt.errors import ConfigError
from unprompt.interrogator.config import MERGED, MODES, InterrogatorConfig
from unprompt.interrogator.modes import Interrogation, Interrogator
from unprompt.interrogator.tables import Choice, Table, build_tables, similarities
from unprompt.interrogator.vocabulary import OwnLists
from unprompt.networks.text_tower import TextTower
from unprompt.text.words import find_stems

VOCABULARY = {
    "artists": ("by Ada", "by Bob Ross", "inspired by Ada", "inspired by Bob Ross"),
    "flavors": (
        *("red fog", "jungle", "jungles", "in the jungle", "8k", "8k uhd", "sharp focus", "a cat", "neon"),
        *("soft light", "cinematic", "octane render", "jungle", "moody", "", "unreal engine", "tranquil"),
    ),
    "mediums": ("a photo", "an oil painting", "a pencil sketch"),
    "movements": ("cubism", "art nouveau", "mannerism"),
    "trendings": ("flickr", "trending on flickr", "featured on flickr", "flickr contest winner"),
    "negative": ("blurry", "jungle", "low quality"),
}
ARTISTS = VOCABULARY["artists"]
CAPTIONS = ("a photo of a cat in the jungle", "arafed man, smiling", "a house", "an oil painting of neon fog")


@pytest.fixture(scope="module")
def tower() -> TextTower:
    return TextTower(tiny_clip(3), open_clip.get_tokenizer("ViT-B-32"))


@pytest.fixture(scope="module")
def tables(tower: TextTower) -> dict[str, Table]:
    return build_tables(tower, VOCABULARY)


def random_features(count: int = len(CAPTIONS), seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 64)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def prompts(tower: TextTower, tables: dict[str, Table], **settings: Any) -> list[Interrogation]:
    made = Interrogator(tower, tables, InterrogatorConfig(**settings))
    return made.prompts(random_features(), CAPTIONS)


# --- settings


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"mode": "slow"}, "mode must be one of classic, kaggle, fast, best, negative, got 'slow'"),
        ({"max_flavors": 0}, "max_flavors must be at least 1, got 0"),
        ({"min_flavors": -1}, "min_flavors must be at least 0, got -1"),
        ({"intermediate": 0}, "intermediate must be at least 1, got 0"),
        ({"chunk": 0}, "chunk must be at least 1, got 0"),
        ({"without": "artists"}, "without must be a list of names, got the text 'artists'"),
        ({"without": ["artist", "styles"]}, "no list of phrases called 'styles'; there are: artists"),
        (
            {"mode": "negative", "without": ["flavors", "negative"]},
            "without flavors, negative has no phrases",
        ),
    ],
)
def test_settings_that_make_no_sense_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        InterrogatorConfig(**settings)


def test_each_mode_has_its_lists_and_its_count() -> None:
    configs = {mode: InterrogatorConfig(mode=mode) for mode in MODES}
    merged = ("artists", "flavors", "mediums", "movements", "trendings")
    assert {mode: config.kinds for mode, config in configs.items()} == {
        "classic": merged,
        "kaggle": ("flavors", "mediums", "movements"),
        "fast": merged,
        "best": merged,
        "negative": ("flavors", "negative"),
    }
    assert [config.most for config in configs.values()] == [3, 3, 32, 32, 32]
    assert InterrogatorConfig(max_flavors=7).most == 7
    assert InterrogatorConfig(without=["trending", "artists", "trendings"]).without == (
        "trendings",
        "artists",
    )


def test_a_list_without_table_is_told(tower: TextTower, tables: dict[str, Table]) -> None:
    few = {kind: tables[kind] for kind in ("flavors", "mediums")}
    with pytest.raises(ConfigError, match="mode 'kaggle' needs a table of movements"):
        Interrogator(tower, few, InterrogatorConfig(mode="kaggle"))
    Interrogator(tower, few, InterrogatorConfig(mode="kaggle", without=("movements",)))


def test_a_caption_is_needed_for_each_image(tower: TextTower, tables: dict[str, Table]) -> None:
    made = Interrogator(tower, tables, InterrogatorConfig())
    assert made.needs_captions
    for captions in (None, CAPTIONS[:1]):
        with pytest.raises(ValueError, match="takes 1 caption for each of 4 images"):
            made.prompts(random_features(), captions)
    with pytest.raises(ValueError, match="takes 3 captions for each of 4 images"):
        made.prompts(random_features(), CAPTIONS, each=3)
    negative = Interrogator(tower, tables, InterrogatorConfig(mode="negative", max_flavors=2))
    assert not negative.needs_captions
    assert len(negative.prompts(random_features())) == 4


def test_a_users_lists_are_read_and_only_those_needed(tower: TextTower, tmp_path: Path) -> None:
    for kind in ("flavors", "mediums", "movements"):
        (tmp_path / f"{kind}.txt").write_text(f"one of my {kind}\n")
    config = InterrogatorConfig(mode="kaggle")
    (made,) = Interrogator.build(tower, config, OwnLists.in_folder(tmp_path)).prompts(
        random_features(1), ["a house"]
    )
    assert made.prompt == "a house, one of my mediums, one of my movements, one of my flavors"


# --- classic


def nearest(tower: TextTower, kind: str, feature: np.ndarray) -> list[str]:
    cosines = tower.encode(VOCABULARY[kind]).numpy() @ feature
    return [VOCABULARY[kind][row] for row in np.argsort(-cosines)]


def test_classic_names_the_nearest_of_each_list(tower: TextTower, tables: dict[str, Table]) -> None:
    for feature, caption, made in zip(
        random_features(), CAPTIONS, prompts(tower, tables, max_flavors=2), strict=True
    ):
        medium, artist, site, movement = (
            nearest(tower, kind, feature)[0] for kind in ("mediums", "artists", "trendings", "movements")
        )
        start = caption if caption.startswith(medium) else f"{caption}, {medium}"
        flavors = ", ".join(nearest(tower, "flavors", feature)[:2])
        assert made.prompt == f"{start} {artist}, {site}, {movement}, {flavors}"


def test_a_medium_that_the_caption_begins_with_is_not_said_again(
    tower: TextTower, tables: dict[str, Table]
) -> None:
    feature = random_features()[0]
    medium = nearest(tower, "mediums", feature)[0]
    config = InterrogatorConfig(without=("artists", "trending", "movements"), max_flavors=1)
    (made,) = Interrogator(tower, tables, config).prompts(feature[None], [f"{medium} of it"])
    flavor = nearest(tower, "flavors", feature)[0]
    assert made.prompt == f"{medium} of it, {flavor}"
    assert [choice.phrase for choice in made.choices] == [medium, flavor]


@pytest.mark.parametrize("mode", MODES)
def test_lists_that_are_left_out_are_in_no_prompt(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    left_out = ("artists", "trendings") if mode != "negative" else ("negative",)
    for made in prompts(tower, tables, mode=mode, without=left_out, max_flavors=6):
        assert made.choices or mode == "best"
        assert not {choice.kind for choice in made.choices} & set(left_out)
        assert "by " not in made.prompt
        assert "flickr" not in made.prompt
    for kind in ("mediums", "movements", "flavors"):
        for made in prompts(tower, tables, without=(kind,)):
            assert kind not in made.by_kind()
            assert len(made.by_kind()) == 4


# --- what is reported


@pytest.mark.parametrize("mode", MODES)
def test_similarities_are_cosines_by_the_same_clip(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    for feature, made in zip(random_features(), prompts(tower, tables, mode=mode), strict=True):
        texts = [made.prompt, *(choice.phrase for choice in made.choices)]
        with torch.no_grad():
            whole = tower._model.encode_text(tower._tokenizer(texts))
        cosines = torch.nn.functional.normalize(whole, dim=-1).numpy() @ feature
        assert made.similarity == pytest.approx(cosines[0], abs=1e-5)
        assert [choice.similarity for choice in made.choices] == pytest.approx(cosines[1:], abs=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_prompts_are_the_same_where_their_similarity_is_not_wanted(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    interrogator = Interrogator(tower, tables, InterrogatorConfig(mode=mode))
    found = interrogator.prompts(random_features(), CAPTIONS)
    bare = interrogator.prompts(random_features(), CAPTIONS, measured=False)
    assert [one.prompt for one in bare] == [one.prompt for one in found]
    assert [one.choices for one in bare] == [one.choices for one in found]
    assert all(np.isnan(one.similarity) for one in bare) == (mode not in ("best", "negative"))


@pytest.mark.parametrize("mode", MODES)
def test_the_phrases_are_those_in_the_prompt_in_its_order(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    for made, caption in zip(prompts(tower, tables, mode=mode), CAPTIONS, strict=True):
        said = [choice.phrase for choice in made.choices]
        if mode in ("classic", "kaggle") and caption.startswith(said[0]):
            del said[0]  # the medium that the caption begins with
        parts = [f" {one}" if mode == "classic" and one in ARTISTS else f", {one}" for one in said]
        start = caption if mode != "negative" else ""
        assert made.prompt == (start + "".join(parts)).removeprefix("" if start else ", ")
        for choice in made.choices:
            assert choice.phrase in VOCABULARY[choice.kind]


def test_phrases_that_are_cut_off_are_not_reported(tower: TextTower, tables: dict[str, Table]) -> None:
    config = InterrogatorConfig(mode="fast")
    caption = " ".join(["word"] * 66)
    (made,) = Interrogator(tower, tables, config).prompts(random_features(1), [caption])
    (whole,) = Interrogator(tower, tables, config).prompts(random_features(1), ["word"])
    assert 0 < len(made.choices) < len(whole.choices)
    assert made.choices == whole.choices[: len(made.choices)]
    assert made.prompt == ", ".join([caption, *(choice.phrase for choice in made.choices)])


def test_phrases_by_kind() -> None:
    one, two, three = Choice("flavors", "a", 0.1), Choice("mediums", "b", 0.2), Choice("flavors", "c", 0.3)
    made = Interrogation("a, b, c", 0.5, (one, two, three))
    assert made.by_kind() == {"flavors": (one, three), "mediums": (two,)}


def test_spaced_digits_of_phrases_are_joined_and_the_captions_are_not() -> None:
    one, two = Choice("flavors", "1 9 9 0 s", 0.1), Choice("flavors", "soft light", 0.2)
    made = Interrogation("2 3 cats, 1 9 9 0 s, soft light", 0.5, (one, two)).spelled()
    assert made.prompt == "2 3 cats, 1990s, soft light"
    assert [choice.phrase for choice in made.choices] == ["1990s", "soft light"]
    assert made.similarity == 0.5


# --- best and negative


def test_a_phrase_within_another_is_joined_at_its_own_place() -> None:
    said = [Choice("flavors", phrase, 0.1) for phrase in ("1 9 9 0", "8 k", "1 9 9 0 s")]
    made = Interrogation("a house of 1 9 9 0, 1 9 9 0, 8 k, 1 9 9 0 s", 0.5, tuple(said)).spelled()
    assert made.prompt == "a house of 1 9 9 0, 1990, 8k, 1990s"
    assert [choice.phrase for choice in made.choices] == ["1990", "8k", "1990s"]


def test_best_is_no_farther_than_the_others(tower: TextTower, tables: dict[str, Table]) -> None:
    best = [made.similarity for made in prompts(tower, tables, mode="best", max_flavors=8)]
    for mode in ("classic", "fast"):
        other = [made.similarity for made in prompts(tower, tables, mode=mode, max_flavors=8)]
        assert all(one >= two - 1e-6 for one, two in zip(best, other, strict=True))
    captions = (tower.encode(CAPTIONS).numpy() * random_features()).sum(axis=1)
    assert all(one >= two - 1e-6 for one, two in zip(best, captions, strict=True))


@pytest.mark.parametrize("mode", ["best", "negative"])
def test_a_chain_says_no_phrase_twice_and_ends_with_the_list(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    for made in prompts(tower, tables, mode=mode, min_flavors=99, max_flavors=99):
        if mode == "negative" or made.choices:
            phrases = [choice.phrase for choice in made.choices]
            assert len(set(phrases)) == len(phrases)


def test_negative_goes_away_from_the_image(tower: TextTower, tables: dict[str, Table]) -> None:
    negative = Interrogator(tower, tables, InterrogatorConfig(mode="negative", max_flavors=3))
    for feature, made in zip(random_features(), negative.prompts(random_features()), strict=True):
        rest = dict.fromkeys((*VOCABULARY["flavors"], *VOCABULARY["negative"]))
        cosine_by_phrase = dict(zip(rest, tower.encode(list(rest)).numpy() @ feature, strict=True))
        assert made.choices[0].phrase == min(rest, key=lambda phrase: cosine_by_phrase[phrase])
        assert made.similarity < 0


def test_nothing_is_added_to_a_caption_that_fills_the_context(
    tower: TextTower, tables: dict[str, Table]
) -> None:
    caption = " ".join(["moody"] * 80)
    best = Interrogator(tower, tables, InterrogatorConfig(mode="best"))
    for made in best.prompts(random_features(), [caption] * 4):
        assert (made.prompt, made.choices) == (caption, ())


def test_an_empty_caption_begins_with_the_nearest_phrase(tower: TextTower, tables: dict[str, Table]) -> None:
    best = Interrogator(tower, tables, InterrogatorConfig(mode="best", max_flavors=4))
    made = best.prompts(random_features(2), ["", ""])
    assert all(one.prompt for one in made)


# --- repeats


@pytest.mark.parametrize("mode", MODES)
def test_where_repeats_are_not_wanted_each_phrase_has_a_word_of_its_own(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    said_again = 0
    for repeats in (True, False):
        for made, caption in zip(
            prompts(tower, tables, mode=mode, repeats=repeats, max_flavors=17), CAPTIONS, strict=True
        ):
            words = find_stems(caption) if mode != "negative" else set()
            for choice in made.choices:
                if find_stems(choice.phrase) <= words:
                    said_again += 1
                    assert repeats
                words |= find_stems(choice.phrase)
    assert said_again > 0


def test_a_flavor_that_is_left_out_makes_room_for_the_next(
    tower: TextTower, tables: dict[str, Table]
) -> None:
    for made in prompts(tower, tables, repeats=False, max_flavors=5):
        assert len(made.by_kind()["flavors"]) == 5


# --- batches


@pytest.mark.parametrize("mode", MODES)
def test_an_image_does_not_depend_on_the_others_nor_on_blocks(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    config = InterrogatorConfig(mode=mode, max_flavors=4)
    made = Interrogator(tower, tables, config)
    features = random_features()
    together = made.prompts(features, CAPTIONS)
    alone = [made.prompts(features[[row]], CAPTIONS[row : row + 1])[0] for row in range(len(features))]
    in_blocks = Interrogator(tower, tables, config, cosines=80)  # 2 to 4 images
    blocks = in_blocks.prompts(features, CAPTIONS)
    for one, two, three in zip(together, alone, blocks, strict=True):
        assert one.prompt == two.prompt == three.prompt
        assert one.similarity == pytest.approx(two.similarity, abs=1e-6)
        assert [c.phrase for c in one.choices] == [c.phrase for c in two.choices]
    assert in_blocks.prompts(features, CAPTIONS) == blocks


@pytest.mark.parametrize("cosines", [80, 1 << 24])  # 2 to 4 images at a time, and all of them
@pytest.mark.parametrize(
    "settings", [*({"mode": mode, "max_flavors": 4} for mode in MODES), {"mode": "fast", "sure": 0.03}]
)
def test_several_captions_of_an_image_are_as_the_image_again_and_rank_it_once(
    tower: TextTower,
    tables: dict[str, Table],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    cosines: int,
) -> None:
    made = Interrogator(tower, tables, InterrogatorConfig(**settings), cosines)
    captions = [f"{which} of {caption}" for caption in CAPTIONS for which in ("two", "one", "a photo")]
    apart = made.prompts(random_features().repeat(3, axis=0), captions)
    ranked: list[int] = []

    def noted(images: torch.Tensor, *others: Any) -> torch.Tensor:
        ranked.append(len(images))
        return similarities(images, *others)

    monkeypatch.setattr("unprompt.interrogator.tables.similarities", noted)
    together = made.prompts(random_features(), captions, each=3)
    assert sum(ranked) == len(CAPTIONS)
    for one, other in zip(together, apart, strict=True):
        assert one.prompt == other.prompt
        assert one.similarity == pytest.approx(other.similarity, abs=1e-6)
        assert [c.similarity for c in one.choices] == pytest.approx(
            [c.similarity for c in other.choices], abs=1e-6
        )


def test_no_images_give_no_prompts(tower: TextTower, tables: dict[str, Table]) -> None:
    for mode in MODES:
        made = Interrogator(tower, tables, InterrogatorConfig(mode=mode))
        assert made.prompts(random_features(0), ()) == []


@pytest.mark.parametrize("mode", ["classic", "kaggle", "fast"])
def test_phrases_that_the_clip_is_not_sure_of_are_left_out(
    tower: TextTower, tables: dict[str, Table], mode: str
) -> None:
    everything = prompts(tower, tables, mode=mode)
    images = random_features()
    merged = np.concatenate([tables[kind].features.numpy() for kind in MERGED])
    for sure in (1e-9, 0.01, 0.03, 1.0):
        for row, (some, every) in enumerate(
            zip(prompts(tower, tables, mode=mode, sure=sure), everything, strict=True)
        ):
            kept = []
            for choice in every.choices:
                rows = merged if mode == "fast" else tables[choice.kind].features.numpy()
                powers = np.exp(tower.scale * (images[row] @ rows.T - 1))
                probability = np.exp(tower.scale * (choice.similarity - 1)) / powers.sum()
                kept += [choice.phrase] if probability >= sure else []
            assert [choice.phrase for choice in some.choices] == kept
    assert all(
        one.prompt == caption
        for one, caption in zip(prompts(tower, tables, mode=mode, sure=1.0), CAPTIONS, strict=True)
    )
