"""One caption in three tones, and what a caption names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.demos.tones import (
    HASHTAGS,
    Tones,
    different_tones,
    first_statement,
    hashtags,
    subjects_of,
    tones_of,
)


class TestSubjects:
    @pytest.mark.parametrize(
        ("caption", "subjects"),
        [
            ("a cat sitting on a red mat", ["cat", "red mat"]),
            ("two dogs on a beach", ["dogs", "beach"]),
            ("a man riding waves on a surfboard", ["man", "waves", "surfboard"]),
            ("a pair of running shoes", ["running shoes"]),
            ("a glass filled with orange juice", ["glass", "orange juice"]),
            ("a tired dog", ["tired dog"]),
            ("a red bed", ["red bed"]),
            ("a car parked in front of a building", ["car", "building"]),
            ("there is a woman that is walking dogs", ["woman", "dogs"]),
            ("a watercolor of a penguin on a snowy field", ["penguin", "snowy field"]),
            ("a close up of a bee, with yellow flowers in the background", ["bee", "yellow flowers"]),
            ("a dog and a dog and a dog", ["dog"]),
            ("Ein Hund", ["ein hund"]),
            ("a bird's nest", ["bird's nest"]),
            ("3 and 4", []),
            ("", []),
        ],
    )
    def test_are_the_runs_between_function_words_and_verbs(self, caption: str, subjects: list[str]) -> None:
        assert list(subjects_of(caption)) == subjects

    def test_a_long_run_keeps_its_end(self) -> None:
        assert subjects_of("big old rusty green tractor") == ("rusty green tractor",)


class TestHashtags:
    def test_have_a_capital_for_each_word(self) -> None:
        assert hashtags(["penguin", "snowy field", "t-shirt"]) == ("#penguin", "#SnowyField", "#TShirt")

    def test_have_no_capital_after_an_apostrophe(self) -> None:
        assert hashtags(["cat's face", "bird’s nest"]) == ("#CatsFace", "#BirdsNest")

    def test_stand_once_and_are_few(self) -> None:
        assert hashtags(["Cat", "cat", "CAT"]) == ("#cat",)
        assert len(hashtags([f"thing {number}" for number in range(20)])) == HASHTAGS
        assert hashtags(["a", "b", "c"], most=2) == ("#a", "#b")

    def test_need_a_letter(self) -> None:
        assert hashtags(["7", "--", "", "7 dwarfs"]) == ("#7Dwarfs",)


class TestFirstStatement:
    @pytest.mark.parametrize(
        ("caption", "statement"),
        [
            ("there is a cat sitting on a mat with a ball", "a cat sitting on a mat"),
            ("a photo of a bridge, taken at night", "a bridge"),
            ("with a dog and a cat", "with a dog and a cat"),
            ("a glass filled with orange juice, with ice", "a glass filled with orange juice"),
            ("this is it", "it"),
            ("a red bus.", "a red bus"),
        ],
    )
    def test_ends_where_the_second_begins(self, caption: str, statement: str) -> None:
        assert first_statement(caption) == statement

    @pytest.mark.parametrize("part", ["with ", "a, ", " ", "in front "])
    def test_of_a_long_text_takes_no_time(self, part: str) -> None:
        long = part * 50_000
        assert first_statement(f"a cat, {long}") == "a cat"
        first_statement(f"{long}a")


class TestTones:
    def test_of_a_caption(self) -> None:
        assert tones_of("there is a cat  sitting on a red mat with a ball") == Tones(
            short="A cat sitting on a red mat",
            plain="There is a cat sitting on a red mat with a ball.",
            social="A cat sitting on a red mat #cat #RedMat #ball",
        )

    def test_of_labels_name_them_all(self) -> None:
        assert tones_of("a tabby cat and an orange") == Tones(
            short="A tabby cat and an orange",
            plain="A tabby cat and an orange.",
            social="A tabby cat and an orange #TabbyCat #orange",
        )

    @pytest.mark.parametrize("caption", ["", "   ", "...", "_"])
    def test_of_nothing_are_empty(self, caption: str) -> None:
        assert tones_of(caption) == Tones("", "", "")

    def test_keep_their_own_full_stop(self) -> None:
        assert tones_of("Is this a dog?").plain == "Is this a dog?"

    @settings(deadline=None)
    @given(st.text(max_size=80))
    def test_of_any_text_are_whole(self, caption: str) -> None:
        tones = tones_of(caption)
        assert bool(tones.short) == bool(tones.plain) == bool(tones.social)
        assert tones.social.startswith(tones.short)
        assert "\n" not in tones.short + tones.plain + tones.social


@pytest.mark.parametrize(
    ("caption", "offered"),
    [
        ("a car", {}),  # "A car" and "A car #car" say nothing else than "A car."
        ("a three-toed sloth", {}),
        ("", {}),
        ("a teddy bear on a laptop", {"social": "A teddy bear on a laptop #TeddyBear #laptop"}),
        (
            "a cat on a mat with a ball",
            {"short": "A cat on a mat", "social": "A cat on a mat #cat #mat #ball"},
        ),
    ],
)
def test_tones_that_say_the_same_are_not_offered(caption: str, offered: dict[str, str]) -> None:
    assert different_tones(tones_of(caption)) == offered
