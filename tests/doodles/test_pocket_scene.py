"""Captions in Quick, Draw!'s words, as the pocket world reads them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.doodles.facts import RELATIONS, Kind, SceneFacts, same_facts, say_facts
from unprompt.doodles.pocket_scene import drawable_words, pocket_nouns, read_caption
from unprompt.doodles.wording import prompt_of
from unprompt.errors import InputError
from unprompt.pocket.grammar import read_scene
from unprompt.pocket.vocabulary import nouns


@st.composite
def scenes(draw: st.DrawFn) -> SceneFacts:
    ground = draw(st.integers(1, 3))
    sky = draw(st.integers(0, 2))
    words = draw(
        st.lists(st.sampled_from(drawable_words()), min_size=ground + sky, max_size=ground + sky, unique=True)
    )
    counts = [draw(st.integers(1, 4)) for _ in words]
    kinds = tuple(
        Kind(word, count, number >= ground)
        for number, (word, count) in enumerate(zip(words, counts, strict=True))
    )
    return SceneFacts(kinds, tuple(draw(st.sampled_from(RELATIONS)) for _ in range(ground - 1)))


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_every_caption_of_the_captioners_is_read_whole(facts: SceneFacts) -> None:
    told = read_caption(prompt_of(f"a drawing of {say_facts(facts)}"))
    assert same_facts(told.facts, facts)
    assert not told.told


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_the_true_prompt_is_of_the_pocket_worlds_grammar(facts: SceneFacts) -> None:
    told = read_caption(say_facts(facts))
    countable = all(thing.count == 1 or thing.noun.plural for thing in told.things)
    if len(told.things) <= 3 and countable:
        scene = read_scene(told.prompt)
        assert sorted(thing.entry.drawing for thing in scene.things) == sorted(
            thing.noun.drawing for thing in told.things
        )


def test_251_of_the_345_words_have_a_drawing() -> None:
    words = pocket_nouns()
    assert len(words) == 345
    assert len(drawable_words()) == 251
    assert sum(noun is not None and noun.word.lower() == word.lower() for word, noun in words.items()) == 192
    assert words["teddy-bear"] == nouns()["teddy bear"]
    assert words["roller coaster"] is None


def test_the_words_are_quick_draws() -> None:
    folder = os.environ.get("UNPROMPT_QUICKDRAW")
    if not folder:
        pytest.skip("set UNPROMPT_QUICKDRAW to a folder of Quick, Draw!'s files with DoodleNet")
    names = (Path(folder) / "doodlenet" / "class_names.txt").read_text().split()
    assert {name.replace("_", " ") for name in names} == set(pocket_nouns())


@pytest.mark.parametrize(
    ("text", "prompt", "told"),
    [
        ("A photo of a cat next to a house", "a cat next to a house", ""),
        (
            "a roller coaster and three teddy bears",
            "three teddy bears",
            "no drawing of a roller coaster; left out",
        ),
        ("a cat beside a roller coaster to the left of a tree", "a cat and a tree", "no drawing of a roller"),
        ("a pair of scissors near a pair of shoes", "scissors next to two sneakers", ""),
        (
            "A photo of a small red fox on a bridge at night",
            "a small red fox on a suspension bridge at night",
            "",
        ),
        ("An oil painting of four ducks", "an oil painting of four ducks", ""),
        ("a cat, with a sun and two clouds in the sky", "a cat under a sun and two clouds", ""),
        ("a hot air balloon and a moon in the sky", "a moon in the sky", "no drawing of a hot air balloon"),
        (
            "a cat walking quickly past a house",
            "a cat and a house",
            "does not understand 'walking quickly past'",
        ),
        ("cats (wearing:1.2) a crown", "three cats wearing a crown", ""),
        ("something beside a dog", "a dog", "no drawing of something"),
        ("forty-two cats", "three cats", "does not understand 'forty-two'"),
    ],
)
def test_texts_of_people_are_read_as_far_as_they_are_understood(text: str, prompt: str, told: str) -> None:
    found = read_caption(text)
    assert found.prompt == prompt
    assert told in " ".join(found.told)
    assert bool(told) == bool(found.told)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("an aircraft carrier", "has no drawing of an aircraft carrier"),
        ("peace and quiet", "knows nothing that 'peace and quiet' names"),
        ("", "knows nothing"),
    ],
)
def test_what_it_cannot_draw_is_said(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_caption(text)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["a", "two", "in", "the", "sky", "of", "pair", "with", "under", ",", "sun", "cat", "x"]
        ),
        max_size=10,
    )
)
def test_no_text_breaks_it(words: list[str]) -> None:
    try:
        told = read_caption(" ".join(words))
    except InputError:
        return
    assert told.things
    assert told.facts.kinds
