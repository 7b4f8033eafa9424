"""Prompts from a vocabulary: which phrases are taken and which are not, on tables small enough to check."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from unprompt.ensemble.members import softmax
from unprompt.ensemble.prior import _prior_mean
from unprompt.members.phrases import PhrasesConfig, PhrasesMember, PhraseTable, read_phrases
from unprompt.members.zeroshot import ConSE
from unprompt.networks.imagenet import CLASSES, class_names
from unprompt.networks.minilm import PromptEncoder
from unprompt.records import DIM, unit_rows
from unprompt.text.english import add_article


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    pytest.importorskip("sentence_transformers")
    return PromptEncoder.load("cpu")


@pytest.fixture(scope="module")
def conse(encoder: PromptEncoder) -> ConSE:
    return ConSE.build(encoder, 0.5)


@pytest.fixture(scope="module")
def member(encoder: PromptEncoder, conse: ConSE) -> PhrasesMember:
    config = PhrasesConfig(flavors=150, least=0.2)
    return PhrasesMember("phrases", None, conse, encoder, config)  # type: ignore[arg-type]


# --- the lists


def lines_of(kind: str) -> list[str]:
    spec = importlib.util.find_spec("clip_interrogator")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "data" / f"{kind}.txt"
    with path.open(encoding="utf-8") as stream:
        return [line.strip() for line in stream]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("flavors", 100_970), ("mediums", 95), ("movements", 200), ("artists", 5_265), ("negative", 41)],
)
def test_a_list_is_the_packages_without_repeats(kind: str, count: int) -> None:
    lines = lines_of(kind)
    assert len(lines) == count
    once: list[str] = []
    seen = {""}  # one line of the flavors is empty
    for line in lines:
        if line not in seen:
            once.append(line)
        seen.add(line)
    assert read_phrases(kind) == once
    assert count - len(once) == (16 if kind == "flavors" else 0)


def test_a_table_has_a_row_a_phrase_and_directions_without_the_mean(encoder: PromptEncoder) -> None:
    table = PhraseTable.build(encoder, "mediums", limit=20)
    assert table.texts == tuple(read_phrases("mediums")[:20])
    assert np.abs(table.embeddings - encoder.encode(table.texts)).max() < 1e-5
    centred = table.embeddings - table.embeddings.mean(axis=0)
    assert table.directions == pytest.approx(unit_rows(centred), abs=1e-6)


# --- nearest

E1, E2, E3 = np.eye(3, dtype=np.float32)


def table(embeddings_by_text: dict[str, np.ndarray], directions: list[list[float]]) -> PhraseTable:
    vectors = np.stack(list(embeddings_by_text.values())).astype(np.float32)
    return PhraseTable(tuple(embeddings_by_text), vectors, np.array(directions, np.float32))


def apart(*texts: str) -> dict[str, np.ndarray]:
    """Phrases that have nothing in common."""
    return dict(zip(texts, np.eye(len(texts), 8, dtype=np.float32), strict=True))


def test_the_nearest_come_first_and_none_below_the_threshold() -> None:
    three = table(apart("oil", "ink", "chalk"), [[0.6, 0.8, 0], [1, 0, 0], [0.5, 0, 0.75**0.5]])
    assert three.nearest(E1, 3, least=0.0) == ["ink", "oil", "chalk"]
    assert three.nearest(E1, 3, least=0.55) == ["ink", "oil"]
    assert three.nearest(E1, 1, least=0.55) == ["ink"]
    assert three.nearest(E1, 3, least=1.1) == []
    assert three.nearest(E1, 0, least=0.0) == []
    assert three.nearest(E2, 3, least=0.1) == ["oil"]


def test_a_phrase_that_says_a_chosen_one_again_is_left_out() -> None:
    """`sketch` has cosine .8 with `drawing`; `photo` has .5 with both, which is another thing."""
    embeddings = {
        "drawing": np.array([1, 0, 0]),
        "sketch": np.array([0.8, 0.6, 0]),
        "photo": np.array([0.5, 1 / 6, (0.75 - 1 / 36) ** 0.5]),
    }
    directions = [[1, 0, 0], [0.9, 0.19**0.5, 0], [0.8, 0.6, 0]]
    assert table(embeddings, directions).nearest(E1, 3, least=0.0) == ["drawing", "photo"]


def test_a_phrase_left_out_does_not_use_up_a_place() -> None:
    embeddings = {"car": E1, "cars driving": E1, "bus": E2, "tram": E3}
    directions = [[1, 0, 0], [0.9, 0, 0], [0.8, 0, 0], [0.7, 0, 0]]
    assert table(embeddings, directions).nearest(E1, 2, least=0.1) == ["car", "bus"]


def test_words_that_were_said_already_add_nothing() -> None:
    four = table(
        apart("comic books", "comic strip", "Book", "red fog"),
        [[1, 0, 0], [0.9, 0, 0], [0.8, 0, 0], [0.7, 0, 0]],
    )
    assert four.nearest(E1, 4, least=0.1) == ["comic books", "comic strip", "red fog"]  # "Book" was said
    assert four.nearest(E1, 4, least=0.1, said="a Comic of a book") == ["comic strip", "red fog"]
    assert four.nearest(E1, 4, least=0.1, said="fog, red comics strip book") == []


def test_of_equals_the_earlier_is_taken() -> None:
    same = table(apart("first", "second", "third"), [[1, 0, 0]] * 3)
    assert same.nearest(E1, 2, least=0.5) == ["first", "second"]


# --- subjects


class Named:
    """A member of which only the subjects are asked, with offsets as a test wants them."""

    def __init__(self, **offset_by_row: np.ndarray) -> None:
        offsets = np.random.default_rng(0).normal(size=(CLASSES, DIM)).astype(np.float32)
        for row, offset in offset_by_row.items():
            offsets[int(row[1:])] = offset
        self.member = object.__new__(PhrasesMember)
        nothing = np.zeros(DIM, np.float32)
        self.member._conse = ConSE(nothing, nothing, offsets, 1.0)

    def subjects(self, probability_by_row: dict[int, float]) -> list[str]:
        probabilities = np.zeros(CLASSES, np.float32)
        for row, probability in probability_by_row.items():
            probabilities[row] = probability
        return names(*self.member.named_classes(probabilities))


def names(*rows: int) -> list[str]:
    return [class_names()[row] for row in rows]


def test_the_likeliest_class_is_always_named() -> None:
    assert Named().subjects({7: 1.0}) == names(7)
    assert Named().subjects({7: 0.002, 8: 0.0001}) == names(7)


def test_classes_a_quarter_as_likely_as_the_first_are_named_too() -> None:
    assert Named().subjects({3: 0.4, 900: 0.11, 50: 0.09}) == names(3, 900)
    assert Named().subjects({3: 0.2, 900: 0.3}) == names(900, 3)


def test_at_most_three_are_named() -> None:
    assert Named().subjects({1: 0.3, 200: 0.25, 400: 0.2, 600: 0.15}) == names(1, 200, 400)


def test_two_names_for_one_thing_count_once() -> None:
    """Classes 281 and 285 have a cosine of .8, class 2 has .3 with both."""
    tabby = np.zeros(DIM, np.float32)
    tabby[0] = 2  # lengths do not matter
    egyptian = np.zeros(DIM, np.float32)
    egyptian[:2] = 0.8, 0.6
    other = np.zeros(DIM, np.float32)
    other[[0, 2]] = 0.3, 0.9
    named = Named(c281=tabby, c285=egyptian, c2=other)
    assert named.subjects({281: 0.5, 285: 0.3, 2: 0.2}) == names(281, 2)
    assert named.subjects({285: 0.5, 281: 0.3, 2: 0.2}) == names(285, 2)


# --- guess


def logits_of(*rows: dict[str, float]) -> np.ndarray:
    """Logits of images in which the named classes stand out."""
    index = {name: row for row, name in enumerate(class_names())}
    logits = np.zeros((len(rows), CLASSES), np.float32)
    for number, row in enumerate(rows):
        for name, value in row.items():
            logits[number, index[name]] = value
    return logits


LOGITS = (
    {"orange": 14.0},
    {"church": 12.0, "umbrella": 11.8},
    {"pizza": 12.0, "comic book": 11.9},
    {"castle": 11.0, "lakeshore": 10.5, "goldfish": 10.5},
    {},
)


def test_prompts_say_what_the_classifier_sees(member: PhrasesMember) -> None:
    prompts = member.guess(logits_of(*LOGITS)).prompts
    assert prompts is not None
    assert " of an orange" in prompts[0]
    assert " of a church and an umbrella" in prompts[1]
    assert all(f" of {add_article(class_names()[0])}" not in prompt for prompt in prompts[:4])


def test_the_embeddings_are_the_prior_moved_by_the_prompts(
    member: PhrasesMember, encoder: PromptEncoder
) -> None:
    guess = member.guess(logits_of(*LOGITS))
    assert guess.prompts is not None
    assert guess.embeddings.shape == (len(LOGITS), DIM)
    assert np.linalg.norm(guess.embeddings, axis=1) == pytest.approx(np.ones(len(LOGITS)), abs=1e-5)
    one_by_one = np.concatenate([encoder.encode([prompt]) for prompt in guess.prompts])
    probabilities = softmax(logits_of(*LOGITS))
    shares = [sum(row[c] for c in member.named_classes(row)) for row in probabilities]
    sentences = encoder.encode([f"a photo of {add_article(name)}" for name in class_names()])
    moved = _prior_mean() + 0.5 * np.array(shares)[:, None] * (one_by_one - sentences.mean(axis=0))
    assert np.abs(guess.embeddings - unit_rows(moved)).max() < 1e-5


def test_the_same_images_give_the_same_guess(member: PhrasesMember) -> None:
    first, second = (member.guess(logits_of(*LOGITS)) for _ in range(2))
    assert first.prompts == second.prompts
    assert first.embeddings.tobytes() == second.embeddings.tobytes()


def test_a_row_does_not_depend_on_the_others(member: PhrasesMember) -> None:
    logits = logits_of(*LOGITS[:4])
    together = member.guess(logits)
    assert together.prompts is not None
    for row in range(4):
        alone = member.guess(logits[[row]])
        assert alone.prompts == (together.prompts[row],)
        assert np.abs(alone.embeddings[0] - together.embeddings[row]).max() < 1e-5


def test_a_prompt_repeats_no_phrase(member: PhrasesMember) -> None:
    logits = np.random.default_rng(2).normal(scale=5, size=(20, CLASSES)).astype(np.float32)
    prompts = member.guess(logits).prompts
    assert prompts is not None
    for prompt in prompts:
        parts = prompt.split(", ")
        assert len(set(parts)) == len(parts)
        assert len(parts) <= 4  # the head, two flavors, one movement


def test_where_no_phrase_is_near_enough_it_is_a_photo(encoder: PromptEncoder, conse: ConSE) -> None:
    strict = PhrasesMember("p", None, conse, encoder, PhrasesConfig(flavors=5, least=1.0))  # type: ignore[arg-type]
    assert strict.guess(logits_of({"orange": 14.0})).prompts == ("a photo of an orange",)
