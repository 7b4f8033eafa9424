"""Prompts of what was seen: which things are named, which sentences they allow, and which one is said."""

from __future__ import annotations

import re

import numpy as np
import pytest

from unprompt.ensemble.members import softmax
from unprompt.errors import ConfigError
from unprompt.members.phrases import (
    PhrasesConfig,
    PhrasesMember,
    Subject,
    relations,
    write_sentences,
)
from unprompt.members.sight import Box, Found
from unprompt.members.zeroshot import Projection
from unprompt.networks.imagenet import CLASSES, class_names
from unprompt.networks.minilm import PromptEncoder
from unprompt.networks.things import thing_names
from unprompt.records import DIM


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    pytest.importorskip("tokenizers")
    return PromptEncoder.load("cpu")


@pytest.fixture(scope="module")
def projection(encoder: PromptEncoder) -> Projection:
    return Projection.load("cpu", encoder, 1.0)


def member_with(encoder: PromptEncoder, projection: Projection, **settings: float) -> PhrasesMember:
    config = PhrasesConfig(**settings)  # type: ignore[arg-type]
    return PhrasesMember("phrases", None, None, projection, encoder, config)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def member(encoder: PromptEncoder, projection: Projection) -> PhrasesMember:
    return member_with(encoder, projection)


# --- what is named

LEFT, RIGHT = Box(0.2, 0.0, 0.8, 0.4), Box(0.2, 0.6, 0.8, 1.0)


def classes(**by_name: float) -> np.ndarray:
    rows = np.full(CLASSES, (1 - sum(by_name.values())) / CLASSES, np.float32)
    for name, probability in by_name.items():
        rows[class_names().index(name.replace("_", " "))] += probability
    return rows


def found(name: str, count: int = 1, probability: float = 0.9, box: Box = LEFT) -> Found:
    position = [thing.name for thing in thing_names()].index(name)
    return Found(position, count, probability, box)


def words(subjects: list[Subject]) -> list[str]:
    return [one.words for one in subjects]


def test_what_the_detector_found_is_named_with_its_number(member: PhrasesMember) -> None:
    seen = [found("dog", 3), found("cat"), found("cup", probability=0.49)]
    assert words(member.subjects(classes(), seen)) == ["three dogs", "a cat"]


def test_a_class_that_is_sure_stands_for_its_thing(member: PhrasesMember) -> None:
    """A macaw, not a bird; but two birds stay two birds."""
    assert words(member.subjects(classes(macaw=0.6), [found("bird")])) == ["a macaw"]
    assert words(member.subjects(classes(macaw=0.6), [found("bird", 2)])) == ["two birds"]
    assert words(member.subjects(classes(macaw=0.6), [])) == ["a macaw"]
    assert words(member.subjects(classes(macaw=0.4), [found("bird")])) == ["a bird"]


def test_a_class_that_shares_its_things_probability_does_not_stand_for_it(member: PhrasesMember) -> None:
    assert words(member.subjects(classes(limousine=0.55, taxicab=0.2), [])) == ["a car"]
    assert words(member.subjects(classes(limousine=0.55, taxicab=0.1), [])) == ["a limousine"]


def test_a_thing_is_named_by_all_its_classes_together(member: PhrasesMember) -> None:
    assert words(member.subjects(classes(Chihuahua=0.3, Rottweiler=0.3), [])) == ["a dog"]


def test_the_likeliest_class_is_named_only_where_nothing_else_is(member: PhrasesMember) -> None:
    assert words(member.subjects(classes(volcano=0.3), [])) == ["a volcano"]
    assert words(member.subjects(classes(volcano=0.3), [found("cup")])) == ["a cup"]
    assert words(member.subjects(classes(volcano=0.2), [])) == []


def test_a_sure_class_is_named_beside_what_was_found(member: PhrasesMember) -> None:
    assert words(member.subjects(classes(volcano=0.6), [found("person")])) == ["a volcano", "a person"]


def test_what_the_classifier_takes_for_a_comic_book_is_no_thing(member: PhrasesMember) -> None:
    assert words(member.subjects(classes(comic_book=0.9), [])) == []


def test_settings_say_how_many_and_how_sure(encoder: PromptEncoder, projection: Projection) -> None:
    seen = [found(name) for name in ("dog", "cat", "cup", "fork")]
    one = member_with(encoder, projection, count=1)
    assert words(one.subjects(classes(), seen)) == ["a dog"]
    unsure = member_with(encoder, projection, least=0.2)
    assert words(unsure.subjects(classes(), [found("cup", probability=0.25)])) == ["a cup"]


# --- sentences


def texts(subjects: list[Subject], drawn: bool = False) -> list[str]:
    return [one.text for one in write_sentences(subjects, drawn)]


def test_where_nothing_is_sure_few_plain_words_say_so() -> None:
    assert texts([]) == ["a picture"]
    assert texts([], drawn=True) == ["an illustration"]


def test_sentences_of_two_things_are_those_that_their_places_allow() -> None:
    dog, cat = Subject("a dog", LEFT), Subject("a cat", RIGHT)
    assert texts([dog, cat]) == [
        "a dog",
        "a cat",
        "a dog and a cat",
        "a dog with a cat",
        "a dog next to a cat",
        "a cat and a dog",
        "a cat with a dog",
        "a cat next to a dog",
    ]
    assert texts([dog, Subject("a volcano")])[2:4] == ["a dog and a volcano", "a dog with a volcano"]
    assert not any("next to" in text for text in texts([dog, Subject("a volcano")]))


def test_a_drawn_picture_is_called_so() -> None:
    assert texts([Subject("a fox")], drawn=True) == ["an illustration of a fox"]


def test_sentences_know_whom_they_name_in_their_order() -> None:
    three = [Subject("a car"), Subject("a cardigan"), Subject("a cat")]
    sentences = list(write_sentences(three, drawn=False))
    assert len({one.text for one in sentences}) == len(sentences) == 3 + 6 * 2 + 6 * 2
    for one in sentences:
        said = re.findall(r"a (?:cardigan|car|cat)\b", one.text)
        assert tuple(said) == one.named
    assert ("a cardigan", "a car", "a cat") in [one.named for one in sentences]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (Box(0.1, 0.4, 0.5, 0.6), Box(0.4, 0.2, 0.9, 0.8), ["and", "with", "on"]),  # a cup on a table
        (Box(0.4, 0.2, 0.9, 0.8), Box(0.1, 0.4, 0.5, 0.6), ["and", "with"]),  # the table under it
        (LEFT, RIGHT, ["and", "with", "next to"]),
        (LEFT, None, ["and", "with"]),
        (Box(0.0, 0.0, 0.2, 0.5), Box(0.6, 0.0, 0.9, 0.5), ["and", "with"]),  # far above: on nothing
    ],
)
def test_relations_follow_from_the_boxes(first: Box, second: Box | None, said: list[str]) -> None:
    assert list(relations(first, second)) == said


# --- guesses


def seen_images(*rows: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Logits in which the named classes stand out, and boxes: dogs in the second image, else none."""
    index = {name: row for row, name in enumerate(class_names())}
    logits = np.zeros((len(rows), CLASSES), np.float32)
    for number, row in enumerate(rows):
        for name, value in row.items():
            logits[number, index[name]] = value
    boxes = np.full((len(rows), 30, 6), -1, np.float32)
    boxes[1, 0] = (18, 0.9, 0.1, 0.0, 0.6, 0.3)
    boxes[1, 1] = (18, 0.8, 0.1, 0.6, 0.6, 0.9)
    return logits, boxes


IMAGES = ({"orange": 14.0}, {}, {"pizza": 12.0}, {"volcano": 10.0, "castle": 10.0}, {})


def test_prompts_say_what_is_seen(member: PhrasesMember) -> None:
    prompts = member.guess(*seen_images(*IMAGES)).prompts
    assert prompts is not None
    assert (prompts[0], prompts[1], prompts[2], prompts[4]) == (
        "an orange",
        "two dogs",
        "a pizza",
        "a picture",
    )
    assert prompts[3] in ("a volcano", "a castle")


def test_the_sentence_said_is_the_nearest_to_the_images_place(
    member: PhrasesMember, encoder: PromptEncoder, projection: Projection
) -> None:
    logits, boxes = seen_images({"volcano": 12.0}, {})
    boxes[0, 0] = (1, 0.8, 0.1, 0.1, 0.9, 0.4)  # a person
    place = projection.embeddings(
        softmax(logits[:1]), [[found("person", probability=float(boxes[0, 0, 1]))]]
    )[0]
    allowed = texts([Subject("a volcano"), Subject("a person")])
    cosines = np.concatenate([encoder.encode([text]) for text in allowed]) @ place
    told = member.interrogate(logits, boxes)[0]
    assert told.prompt == allowed[int(cosines.argmax())]
    assert told.similarity == pytest.approx(float(cosines.max()), abs=1e-4)
    assert tuple(choice.phrase for choice in told.choices) == tuple(
        one for one in ("a volcano", "a person") if one in told.prompt
    )
    assert {choice.kind for choice in told.choices} == {"subjects"}


def test_embeddings_are_the_prompts_own(member: PhrasesMember, encoder: PromptEncoder) -> None:
    guess = member.guess(*seen_images(*IMAGES))
    assert guess.prompts is not None
    assert guess.embeddings.shape == (len(IMAGES), DIM)
    one_by_one = np.concatenate([encoder.encode([prompt]) for prompt in guess.prompts])
    assert np.abs(guess.embeddings - one_by_one).max() < 1e-5


def test_a_row_does_not_depend_on_the_others_nor_on_what_was_said_before(
    encoder: PromptEncoder, projection: Projection
) -> None:
    logits, boxes = seen_images(*IMAGES)
    together = member_with(encoder, projection).guess(logits, boxes)
    assert together.prompts is not None
    for row in range(len(IMAGES)):
        alone = member_with(encoder, projection).guess(logits[[row]], boxes[[row]])
        assert alone.prompts == (together.prompts[row],)
        assert np.abs(alone.embeddings[0] - together.embeddings[row]).max() < 1e-5


def test_few_sentences_are_embedded_again(encoder: PromptEncoder, projection: Projection) -> None:
    """Sentences are remembered: the same images cost no second forward pass."""

    class Counting:
        texts = 0

        def encode(self, some: list[str]) -> np.ndarray:
            self.texts += len(some)
            return encoder.encode(some)

    counting = Counting()
    speaker = PhrasesMember("p", None, None, projection, counting, PhrasesConfig())  # type: ignore[arg-type]
    first = speaker.guess(*seen_images(*IMAGES))
    embedded = counting.texts
    assert speaker.guess(*seen_images(*IMAGES)).prompts == first.prompts
    assert counting.texts == embedded > 0


@pytest.mark.parametrize("least", [0.0, 1.1])
def test_a_probability_is_above_0_and_at_most_1(least: float) -> None:
    with pytest.raises(ConfigError, match="least is a probability"):
        PhrasesConfig(least=least)
