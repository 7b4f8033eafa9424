"""Prompts of the pocket world: scenes, their words, the way back, and the stream."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unprompt.errors import InputError
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.pocket.adjectives import ADJECTIVES, SLOTS
from unprompt.pocket.grammar import (
    LIGHT_GROUPS,
    PLACE_GROUPS,
    RELATION_GROUPS,
    STYLE_GROUPS,
    VIEW_GROUPS,
    read_near_scene,
    read_scene,
    sample_scene,
)
from unprompt.pocket.lights import LIGHTS
from unprompt.pocket.places import PLACES
from unprompt.pocket.relations import RELATIONS
from unprompt.pocket.scene import AMOUNTS, LEADING, Scene, Thing
from unprompt.pocket.styles import STYLES
from unprompt.pocket.version import VERSION
from unprompt.pocket.views import VIEWS
from unprompt.pocket.vocabulary import countries, nouns

FOX = Thing("fox")


class TestWords:
    def test_a_long_prompt(self) -> None:
        scene = Scene(
            (Thing("fox", "three", ("tiny", "red")), Thing("UFO"), Thing("Mount Fuji", "bare")),
            ("chasing", "in front of"),
            place="in Norway",
            light="at night",
            view="fisheye lens",
            style="a pencil sketch of",
        )
        assert scene.prompt == (
            "a pencil sketch of three tiny red foxes chasing a UFO in front of Mount Fuji in Norway at night,"
            " fisheye lens"
        )

    def test_every_order(self) -> None:
        assert Scene((FOX,)).prompt == "a fox"
        assert Scene((FOX,), (), "in a cave", commas=True).prompt == "a fox, in a cave"
        assert (
            Scene((FOX,), (), "in a cave", "at night", place_first=True).prompt == "in a cave, a fox at night"
        )
        assert (
            Scene((FOX,), view="a close-up of", style="pixel art").prompt == "a close-up of a fox, pixel art"
        )

    def test_amounts(self) -> None:
        words = {amount: Thing("wolf", amount).words for amount in AMOUNTS}
        assert (words["bare"], words["many"], words["the"]) == ("wolf", "wolves", "the wolf")
        assert (words["two"], words["a dozen"]) == ("two wolves", "a dozen wolves")

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: Thing("quokka"), "no 'quokka'"),
            (lambda: Thing("fox", "seven"), "unknown amount 'seven'"),
            (lambda: Thing("popcorn", "two"), "'popcorn' is not counted"),
            (lambda: Thing("Mount Fuji", "bare", ("red",)), "is a name and takes no adjectives"),
            (lambda: Thing("fox", "a", ("smug",)), "no adjective 'smug'"),
            (lambda: Thing("fox", "a", ("red", "tiny")), "in this order"),
            (lambda: Thing("fox", "a", ("red", "blue")), "at most one each"),
            (lambda: Scene((FOX, FOX)), "2 things and 0 relations"),
            (lambda: Scene((FOX,) * 4, ("next to",) * 3), "one to three things"),
            (lambda: Scene((FOX,), (), "in Narnia"), "no place 'in Narnia'"),
            (lambda: Scene((FOX,), style="cubism"), "no style 'cubism'"),
            (lambda: Scene((FOX,), place_first=True), "opens with its place only where it has one"),
            (lambda: Scene((FOX,), commas=True), "the scene has neither"),
        ],
    )
    def test_what_cannot_be_said_is_an_error(self, make: object, message: str) -> None:
        with pytest.raises(InputError, match=message):
            make()  # type: ignore[operator]


class TestVocabulary:
    def test_is_large(self) -> None:
        assert len({noun.drawing for noun in nouns().values()}) >= 1000
        assert len(countries()) >= 180
        assert len(STYLE_GROUPS) >= 50
        assert len(RELATION_GROUPS) >= 50
        assert len(PLACE_GROUPS) >= 100
        assert len(LIGHT_GROUPS) >= 50
        assert len(ADJECTIVES) >= 200

    def test_a_word_says_one_thing(self) -> None:
        """No phrase is in two tables that stand at the same place of a prompt."""
        assert not set(PLACES) & set(LIGHTS)
        assert not set(VIEWS) & set(STYLES)
        assert set(ADJECTIVES) & set(nouns()) == {"orange"}
        plurals = [noun.plural for noun in nouns().values() if noun.plural]
        assert len(plurals) == len(set(plurals))

    def test_every_relation_can_stand_between_two_nouns(self) -> None:
        kinds = {noun.kind for noun in nouns().values()}
        for words, relation in RELATIONS.items():
            assert relation.before <= kinds, words
            assert relation.after <= kinds, words
            assert relation.nouns <= nouns().keys(), words
            assert relation.after or relation.nouns, words

    def test_every_slot_has_adjectives(self) -> None:
        assert {entry.slot for entry in ADJECTIVES.values()} == set(SLOTS)


class TestReading:
    @given(st.integers(0, 2**32 - 1))
    def test_is_the_inverse_of_writing(self, seed: int) -> None:
        scene = sample_scene(seed)
        read = read_scene(scene.prompt)
        assert read.prompt == scene.prompt
        assert sample_scene(seed) == scene

    def test_every_noun_and_its_plural(self) -> None:
        things = []
        for noun in nouns().values():
            things += [Thing(noun.word, "bare" if noun.plural is None else "a")]
            things += [Thing(noun.word, "three")] if noun.plural else []
        assert [thing for thing in things if read_scene(thing.words) != Scene((thing,))] == []

    def test_every_adjective(self) -> None:
        scenes = [Scene((Thing("teapot", "a", (word,)),)) for word in ADJECTIVES]
        assert [scene for scene in scenes if read_scene(scene.prompt) != scene] == []

    def test_every_phrase(self) -> None:
        scenes = [Scene((FOX, Thing("teapot")), (words,)) for words in RELATIONS]
        for commas in (False, True):
            scenes += [Scene((FOX,), (), words, commas=commas) for words in PLACES]
            scenes += [Scene((FOX,), (), "", words, commas=commas) for words in LIGHTS]
        scenes += [Scene((FOX,), (), words, place_first=True) for words in PLACES]
        scenes += [Scene((FOX,), view=words) for words in VIEWS]
        scenes += [Scene((FOX,), style=words) for words in STYLES]
        scenes += [Scene((Thing("fox", amount),)) for amount in AMOUNTS]
        assert [scene for scene in scenes if read_scene(scene.prompt) != scene] == []

    def test_capitals_and_spaces_do_not_matter(self) -> None:
        assert read_scene("  A Red FOX,on a   Green Meadow ").prompt == "a red fox, on a green meadow"

    def test_a_country_that_is_also_an_animal(self) -> None:
        assert read_scene("a turkey in Turkey").place == "in Turkey"

    def test_ambiguous_words_take_the_longest_phrase(self) -> None:
        assert read_scene("a black cat").things == (Thing("black cat"),)

    @pytest.mark.parametrize(
        ("prompt", "message"),
        [
            ("a quokka", "does not understand 'quokka' after 'a' in the prompt 'a quokka'"),
            ("", "does not understand 'the end' at its beginning"),
            ("a fox on a green meadow in spring", "understand 'in spring' after 'a fox on a green meadow'"),
            ("a fox chasing", "understand 'the end' after 'a fox chasing'"),
            ("red a fox", "understand 'a fox' after 'red'"),
            ("a fox, oil on canvas, pixel art", "understand ', pixel art' after 'a fox, oil on canvas'"),
            ("two fox", "understand 'fox' after 'two'"),
            ("a blue red fox", "understand 'fox' after 'a blue red'"),
            ("a popcorn", "does not understand"),
        ],
    )
    def test_other_texts_are_errors_that_name_the_part(self, prompt: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            read_scene(prompt)

    def test_of_a_long_text_an_error_says_a_part(self) -> None:
        with pytest.raises(InputError, match="understand ', quokka") as caught:
            read_scene("a fox, " + "quokka, " * 1000)
        assert len(str(caught.value)) < 1000


class TestStream:
    def test_a_draft_depends_on_its_number_alone(self) -> None:
        whole = list(islice(PocketPrompts(7).drafts(0), 50))
        assert list(islice(PocketPrompts(7).drafts(30), 20)) == whole[30:]
        assert [draft.number for draft in whole] == list(range(50))
        assert whole[31].image_id == "pocket7-0000031"
        assert whole[31].source == "pocket"
        assert sample_scene(whole[31].seed or 0).prompt == whole[31].text

    def test_another_seed_gives_other_prompts(self) -> None:
        first, second = ({d.text for d in islice(PocketPrompts(seed).drafts(0), 200)} for seed in (0, 1))
        assert len(first & second) < 5
        assert PocketPrompts(1).settings() == {"engine": "pocket", "world": VERSION, "seed": 1}

    def test_what_is_kept_reads_back_as_it_was_meant(self) -> None:
        drafts = list(islice(PocketPrompts(3).drafts(0), 2000))
        for draft in drafts:
            meant = sample_scene(draft.seed or 0)
            assert (read_scene(draft.text) == meant) == (not draft.rejected)
        rejected = [draft.rejected for draft in drafts if draft.rejected]
        assert set(rejected) == {"ambiguous"}
        assert len(rejected) < 0.03 * len(drafts)

    def test_prompts_have_many_shapes(self) -> None:
        scenes = [sample_scene(seed) for seed in range(2000)]
        share = {
            "no style": sum(not scene.style for scene in scenes),
            "style first": sum(scene.style.endswith(LEADING) for scene in scenes),
            "place": sum(bool(scene.place) for scene in scenes),
            "place first": sum(scene.place_first for scene in scenes),
            "light": sum(bool(scene.light) for scene in scenes),
            "adjectives": sum(any(thing.adjectives for thing in scene.things) for scene in scenes),
            "two things": sum(len(scene.things) == 2 for scene in scenes),
            "three things": sum(len(scene.things) == 3 for scene in scenes),
        }
        assert min(share.values()) > 40
        assert len({scene.prompt for scene in scenes}) > 1950

    def test_every_phrase_and_noun_is_reached(self) -> None:
        """Every style, view, light, relation and group of places; of the many nouns nearly all."""
        scenes = [sample_scene(seed) for seed in range(14_000)]
        for table, groups, used in (
            ("style", STYLE_GROUPS, {scene.style for scene in scenes}),
            ("view", VIEW_GROUPS, {scene.view for scene in scenes}),
            ("light", LIGHT_GROUPS, {scene.light for scene in scenes}),
            ("place", PLACE_GROUPS, {scene.place for scene in scenes}),
            ("relation", RELATION_GROUPS, {words for scene in scenes for words in scene.relations}),
        ):
            assert [group for group in groups if not used & set(group)] == [], table
        drawn = {thing.entry.drawing for scene in scenes for thing in scene.things}
        assert len(drawn) == len({noun.drawing for noun in nouns().values()})
        assert {word for scene in scenes for thing in scene.things for word in thing.adjectives} >= set(
            ADJECTIVES
        )


def test_no_prompt_is_longer_than_clip_reads() -> None:
    """CLIP's tokenizer works word by word, so the longest parts add up to the longest prompt."""
    tokenizer = pytest.importorskip("open_clip.tokenizer").SimpleTokenizer()

    def longest(phrases: object) -> int:
        return max(len(tokenizer.encode(phrase)) for phrase in phrases)  # type: ignore[attr-defined]

    noun = longest(word for entry in nouns().values() for word in (entry.word, entry.plural or ""))
    amount = longest(entry.words for entry in AMOUNTS.values())
    adjective, relation = longest(ADJECTIVES), longest(RELATIONS)
    around = longest(PLACES) + longest(LIGHTS) + longest(VIEWS) + longest(STYLES) + len(",,,,")
    for things, adjectives in ((1, 2), (2, 2), (3, 1)):
        whole = things * (amount + adjectives * adjective + noun) + (things - 1) * relation + around
        assert whole + 2 <= 77
    most = {}
    for seed in range(3000):
        scene = sample_scene(seed)
        count = len(scene.things)
        most[count] = max(most.get(count, 0), *(len(thing.adjectives) for thing in scene.things))
    assert most == {1: 2, 2: 2, 3: 1}


@pytest.mark.slow
def test_no_constant_vector_is_good() -> None:
    """The best constant's mean cosine is the length of the unit vectors' mean. Real prompts: .36."""
    pytest.importorskip("tokenizers")
    from unprompt.networks.minilm import PromptEncoder

    texts = [draft.text for draft in islice(PocketPrompts().drafts(0), 450) if not draft.rejected][:400]
    texts.sort(key=len)  # like lengths share a batch
    assert len(texts) == 400
    mean = PromptEncoder.load("cpu").encode(texts).astype(np.float64).mean(axis=0)
    assert np.linalg.norm(mean) <= 0.42


# --- any text


@pytest.mark.parametrize(
    ("text", "drawn", "left_out"),
    [
        ("a cat thinking of music", "a cat", ("thinking of music",)),
        ("masterpiece, (a red fox:1.2), <lora:x:0.8>", "a red fox", ("masterpiece", "<lora:x:0.8>")),
        ("a beautiful red fox in the snow!", "red fox in the snow", ("beautiful",)),
        ("cat, dog, tree, car", "cat and dog and tree", ("car",)),
        ("a dog next to", "a dog", ("next to",)),
        ("next to a dog", "a dog", ("next to",)),
        ("a photo of a cat. 8k, a dog", "a cat and a dog", ("photo", "8k")),
    ],
)
def test_of_any_text_what_is_known_is_drawn(text: str, drawn: str, left_out: tuple[str, ...]) -> None:
    scene, rest = read_near_scene(text)
    assert scene == read_scene(drawn)
    assert rest == left_out


@pytest.mark.parametrize("seed", range(60))
def test_prompts_of_the_grammar_lose_nothing(seed: int) -> None:
    scene = sample_scene(seed)
    assert read_near_scene(scene.prompt) == (read_scene(scene.prompt), ())


@pytest.mark.parametrize("text", ["", "thinking of music", "on the beach", ", , <a>", "x" * 20_000])
def test_where_nothing_is_left_it_is_said(text: str) -> None:
    with pytest.raises(InputError, match="knows nothing that the prompt") as caught:
        read_near_scene(text)
    assert len(str(caught.value)) < 400


KNOWN = (
    "a",
    "two",
    "red",
    "fox",
    "foxes",
    "cat",
    "on",
    "on the beach",
    "next to",
    ",",
    "at night",
    "watercolor",
)


@given(
    st.text() | st.lists(st.sampled_from((*KNOWN, "a photo of", "zz", "(", "<")), max_size=9).map(" ".join)
)
def test_no_text_makes_the_reader_fail(text: str) -> None:
    try:
        scene, _ = read_near_scene(text)
    except InputError:
        return
    assert read_scene(scene.prompt)
