"""Negative prompts: usual words with switches, and what is said of a picture only where a model can tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from unprompt.easy_diffuser.config import GROUPS, NegativeConfig
from unprompt.easy_diffuser.negative import chosen_words, find_negative, join_negative, usual_words
from unprompt.errors import ConfigError

PICTURE = Image.new("RGB", (32, 32), "red")


class TestWords:
    def test_the_list_is_plain_and_has_nothing_twice(self) -> None:
        words = [word for group in usual_words().values() for word in group]
        assert len(words) == len(set(words)) > 30
        assert tuple(usual_words()) == GROUPS
        assert all(word == word.strip().lower() and "," not in word for word in words)
        assert {"blurry", "lowres"} <= set(usual_words()["quality"])
        assert "watermark" in usual_words()["marks"]

    def test_are_switched_on_by_group_and_off_one_by_one(self) -> None:
        assert chosen_words(NegativeConfig()) == ()
        both = chosen_words(NegativeConfig(("marks", "framing")))
        assert both == usual_words()["marks"] + usual_words()["framing"]
        some = chosen_words(NegativeConfig(("marks",), ("watermark", "logo")))
        assert some == tuple(word for word in usual_words()["marks"] if word not in ("watermark", "logo"))

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"words": ("colour",)}, "words must be a list of some of quality, anatomy, marks, framing"),
            ({"words": "quality"}, "got 'quality'"),
            ({"without_words": "logo"}, "must be a list of words"),
            ({"words": ("quality",), "without_words": ("logo",)}, "'logo' is none of the words that are on"),
        ],
    )
    def test_what_makes_no_sense(self, settings: dict[str, Any], says: str) -> None:
        with pytest.raises(ConfigError, match=says):
            chosen_words(NegativeConfig(**settings))

    def test_are_said_once(self) -> None:
        assert join_negative("a dog, blurry", ("blurry", "lowres")) == "a dog, blurry, lowres"
        assert join_negative("", ("blurry",)) == "blurry"
        assert join_negative("", ()) == ""


@pytest.mark.slow
class TestWithLite:
    @pytest.fixture(scope="class")
    def loaded(self) -> Any:
        pytest.importorskip("torch")
        from unprompt.bundle.loaded import LoadedBundle

        return LoadedBundle.load("lite", "cpu")

    def test_its_relatedness_has_no_skill_and_nothing_is_looked_at(
        self, loaded: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(loaded, "_look", None)  # whoever looks at a picture fails
        found = find_negative(loaded, PICTURE)
        assert found.text == ""
        assert (
            "in 55% of cases (52% to 58%; the AUC on 300 held-out images), where 60% must be passed"
            in found.why_not
        )
        with_words = find_negative(loaded, PICTURE, NegativeConfig(("quality",)))
        assert with_words.text == ", ".join(usual_words()["quality"])
        assert with_words.why_not == found.why_not

    def test_a_relatedness_with_skill_speaks_and_asks_for_its_space_once(
        self, loaded: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from unprompt.easy_diffuser import negative

        own = negative.relatedness_of("lite")
        skilled = replace(own, threshold=0.0, held_out={**own.held_out, "auc": 0.9})
        monkeypatch.setattr(negative, "relatedness_of", lambda bundle: skilled)
        looks: list[int] = []
        look = loaded._look

        def counted(images: Any, backbones: Any) -> Any:
            pictures = list(images)
            looks.append(len(pictures))
            return look(iter(pictures), backbones)

        monkeypatch.setattr(loaded, "_look", counted)
        first, second = find_negative(loaded, PICTURE), find_negative(loaded, PICTURE)
        cosines = loaded.likeness([PICTURE], own.tags)[0]
        assert first.text == second.text == own.tags[int(cosines.argmin())]
        assert len(looks) == 4  # the known picture, twice this one, and the line above

    def test_a_bundle_without_a_fit_says_so(self, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loaded, "bundle", replace(loaded.bundle, name="mine"))
        found = find_negative(loaded, PICTURE)
        assert found.text == ""
        assert "the bundle 'mine' has no CLIP and no fit of Easy Diffuser" in found.why_not
