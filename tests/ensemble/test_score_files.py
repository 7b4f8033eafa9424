"""Files against a truth: only what both have is embedded, and the answers are those of everything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from unprompt.ensemble.score import score
from unprompt.ensemble.score_files import score_files
from unprompt.errors import InputError
from unprompt.networks.minilm import PromptEncoder
from unprompt.records import DIM, Embeddings, LazyEmbeddings, Prompts
from unprompt.runs.outputs import score_run
from unprompt.storage.files import write_prompts
from unprompt.storage.submission import write_submission

Write = Callable[[str, dict[str, str]], Path]

TRUTHS = {"c": "a cat", "a": "a fox", "absent": "a dog"}
GUESSES = {"x": "a tree", "a": "a red fox", "y": "the sea", "c": "two cats"}


class Counting:
    """Stands in for MiniLM: a text's embedding is drawn by its letters. Keeps the texts that it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        rows = [np.random.default_rng(list(text.encode())).normal(size=DIM) for text in texts]
        return np.array(rows, np.float32)

    def embed(self, prompts: Prompts) -> Embeddings:
        return Embeddings(prompts.ids, self.encode(prompts.texts))


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(PromptEncoder, "load", lambda device: counting)
    return counting


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, text_by_id: dict[str, str]) -> Path:
        write_prompts(tmp_path / name, prompts_of(text_by_id))
        return tmp_path / name

    return written


def prompts_of(text_by_id: dict[str, str]) -> Prompts:
    return Prompts(tuple(text_by_id), tuple(text_by_id.values()))


def test_prompts_are_embedded_where_both_files_have_the_image(encoder: Counting, write: Write) -> None:
    result = score_files(write("guess.csv", GUESSES), write("truth.csv", TRUTHS), "cpu")
    assert sorted(encoder.texts) == ["a cat", "a fox", "a red fox", "two cats"]
    whole = score(encoder.embed(prompts_of(GUESSES)), encoder.embed(prompts_of(TRUTHS)))
    assert result.ranked() == whole.ranked()
    assert result.numbers() == whole.numbers()
    assert (result.missing, result.extra) == (("absent",), ("x", "y"))


def test_of_a_submission_the_truth_alone_is_embedded(encoder: Counting, write: Write, tmp_path: Path) -> None:
    guess = encoder.embed(prompts_of(GUESSES)).unit()
    write_submission(tmp_path / "submission.csv", guess)
    encoder.texts.clear()
    result = score_files(tmp_path / "submission.csv", write("truth.csv", TRUTHS), "cpu")
    assert encoder.texts == ["a cat", "a fox"]
    whole = score(guess, encoder.embed(prompts_of(TRUTHS)))
    assert result.similarities == pytest.approx(whole.similarities, abs=1e-6)
    assert (result.ids, result.missing, result.extra) == (whole.ids, whole.missing, whole.extra)


def test_files_of_other_images_are_told_before_anything_is_embedded(encoder: Counting, write: Write) -> None:
    with pytest.raises(InputError, match=r"share no image id \(4 and 1 id; .* 'x', .* 'z'\)"):
        score_files(write("guess.csv", GUESSES), write("truth.csv", {"z": "a cat"}), "cpu")
    assert encoder.texts == []


def test_a_run_embeds_the_truth_of_its_own_images(encoder: Counting) -> None:
    blended = encoder.embed(prompts_of(GUESSES)).unit()
    encoder.texts.clear()
    result = score_run(blended, prompts_of(TRUTHS), encoder)  # type: ignore[arg-type]
    assert encoder.texts == ["a cat", "a fox"]
    assert result.score.numbers() == score(blended, encoder.embed(prompts_of(TRUTHS))).numbers()
    assert result.truth_by_id == TRUTHS


def test_how_many_images_are_scored_together_does_not_matter(
    encoder: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    guesses = {str(number): f"guess {number}" for number in range(7)}
    truths = prompts_of({str(number): f"truth {number}" for number in (5, 0, 9, 3, 6, 1)})
    blended = encoder.embed(prompts_of(guesses)).unit()
    lazy = LazyEmbeddings(blended.ids, blended.vectors.__getitem__)
    whole = score_run(blended, truths, encoder)  # type: ignore[arg-type]
    monkeypatch.setattr("unprompt.runs.outputs.ENCODED", 2)
    parts = score_run(lazy, truths, encoder)  # type: ignore[arg-type]
    assert parts.score.ranked() == whole.score.ranked()
    assert (parts.score.numbers(), parts.baseline) == (whole.score.numbers(), whole.baseline)
