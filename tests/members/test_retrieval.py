"""The retrieval member against numbers worked out by hand and against brute force."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from tests.thumbnails import Thumbnails
from unprompt.errors import ConfigError, InputError
from unprompt.members.bank import Bank
from unprompt.members.retrieval import RetrievalConfig, RetrievalMember, Search, find_nearest
from unprompt.networks.minilm import encoder_identity
from unprompt.records import DIM, unit_rows


def make_bank(features: np.ndarray, clip: str = "thumbnails 1", encoder: str = "") -> Bank:  # type: ignore[type-arg]
    """A bank whose row i has the i-th axis as its embedding and "prompt i" as its prompt."""
    count = len(features)
    return Bank(
        unit_rows(features).astype(np.float16),
        np.eye(count, DIM, dtype=np.float16),
        tuple(f"prompt {row}" for row in range(count)),
        clip,
        encoder or encoder_identity(),
    )


def make_member(bank: Bank, **settings: object) -> RetrievalMember:
    return RetrievalMember("r", Thumbnails(), bank, RetrievalConfig(**settings))  # type: ignore[arg-type]


class TestGuess:
    def test_a_worked_example(self) -> None:
        bank = make_bank(np.array([[0.0, 1], [3, 4], [1, 0], [-1, 0]]))
        guess = make_member(bank, neighbours=2, temperature=0.5).guess(np.array([[2.0, 0]], np.float32))
        # Cosines 1 (row 2) and 0.6 (row 1), so shares in the ratio exp(2) : exp(1.2).
        expected = np.zeros(DIM)
        expected[2], expected[1] = np.exp(2), np.exp(1.2)
        np.testing.assert_allclose(guess.embeddings[0], expected / np.linalg.norm(expected), atol=1e-3)
        assert guess.prompts == ("prompt 2",)

    def test_a_guess_does_not_depend_on_the_others(self) -> None:
        rng = np.random.default_rng(0)
        member = make_member(make_bank(rng.normal(size=(300, 16))), neighbours=20)
        queries = rng.normal(size=(40, 16)).astype(np.float32)
        together = member.guess(queries)
        for row in (0, 17, 39):
            alone = member.guess(queries[row : row + 1])
            np.testing.assert_allclose(alone.embeddings[0], together.embeddings[row], atol=1e-7)
            assert alone.prompts == together.prompts[row : row + 1]  # type: ignore[index]

    def test_copies_are_left_out_on_demand(self) -> None:
        rows = np.random.default_rng(0).normal(size=(60, 8))
        rows[1:40] = rows[0]  # more copies than the search looks at in its first round
        member = make_member(make_bank(rows), neighbours=3, leave_out_copies=True)
        guess = member.guess(rows[[0, 50]].astype(np.float32))
        assert guess.embeddings[0, :40].max() == 0
        assert guess.embeddings[1, 50] == 0
        cosines = unit_rows(rows) @ unit_rows(rows).T
        assert guess.prompts == (
            f"prompt {40 + cosines[0, 40:].argmax()}",
            f"prompt {np.delete(np.arange(60), 50)[np.delete(cosines[50], 50).argmax()]}",
        )
        kept = make_member(make_bank(rows), neighbours=3).guess(rows[[50]].astype(np.float32))
        assert kept.prompts == ("prompt 50",)

    def test_only_copies_is_an_error(self) -> None:
        member = make_member(make_bank(np.ones((5, 4))), leave_out_copies=True)
        with pytest.raises(InputError, match="1 of 1 image has only copies of itself"):
            member.guess(np.ones((1, 4), np.float32))

    def test_a_bank_smaller_than_k(self) -> None:
        member = make_member(make_bank(np.eye(3)), neighbours=20, temperature=100)
        guess = member.guess(np.array([[1.0, 0, 0]], np.float32))
        np.testing.assert_allclose(guess.embeddings[0, :3], 3**-0.5, atol=0.01)


class TestNearest:
    def test_the_same_as_brute_force(self) -> None:
        rng = np.random.default_rng(0)
        features = unit_rows(rng.normal(size=(2000, 32))).astype(np.float16)
        queries = unit_rows(rng.normal(size=(50, 32)))
        rows, cosines = find_nearest(Search(features), features, queries, 20, np.inf)
        lengths = np.linalg.norm(features.astype(np.float64), axis=1)
        all_cosines = queries.astype(np.float64) @ features.astype(np.float64).T / lengths
        np.testing.assert_array_equal(rows, np.argsort(-all_cosines, axis=1, kind="stable")[:, :20])
        np.testing.assert_allclose(cosines, np.take_along_axis(all_cosines, rows, axis=1), atol=1e-12)

    def test_lists_find_most_and_say_when_there_are_no_more(self) -> None:
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(40, 24))
        points = centres[rng.integers(0, 40, 5000)] + 0.3 * rng.normal(size=(5000, 24))
        features = unit_rows(points).astype(np.float16)
        queries = unit_rows(centres + 0.3 * rng.normal(size=(40, 24)))
        search = Search(features, exact_rows=1000)
        rows, _ = find_nearest(search, features, queries, 20, np.inf)
        exact, _ = find_nearest(Search(features), features, queries, 20, np.inf)
        found = np.mean([len(set(a) & set(b)) / 20 for a, b in zip(rows, exact, strict=True)])
        assert found > 0.8
        everything, cosines = find_nearest(search, features, queries, 5000, np.inf)
        assert (np.sort(everything[0][np.isfinite(cosines[0])]) >= 0).all()
        assert np.isneginf(cosines[:, -1]).all()  # a sixteenth of the lists does not hold all rows

    def test_settings_of_faiss_stay(self) -> None:
        threads, before = faiss.omp_get_max_threads(), faiss.cvar.distance_compute_blas_threshold
        faiss.omp_set_num_threads(1)
        try:
            Search(np.eye(4)).rows(np.eye(4, dtype=np.float32), 2)
            assert faiss.omp_get_max_threads() == 1
            assert faiss.cvar.distance_compute_blas_threshold == before
        finally:
            faiss.omp_set_num_threads(threads)  # torch's are the same ones


class TestRefused:
    def test_a_bank_of_another_clip_names_both(self) -> None:
        with pytest.raises(ConfigError, match="made with 'other 9', but the bundle's CLIP is 'thumbnails 1'"):
            make_member(make_bank(np.eye(3), clip="other 9"))

    def test_a_bank_of_another_encoder(self) -> None:
        with pytest.raises(ConfigError, match="embedded by 'mpnet'"):
            make_member(make_bank(np.eye(3), encoder="mpnet"))

    @pytest.mark.parametrize("settings", [{"neighbours": 0}, {"temperature": 0.0}, {"temperature": np.nan}])
    def test_settings_that_make_no_sense(self, settings: dict[str, float]) -> None:
        with pytest.raises(ConfigError, match="must be"):
            RetrievalConfig(**settings)  # type: ignore[arg-type]

    def test_no_bank(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="needs the key 'bank'"):
            RetrievalMember.load("r", Thumbnails(), RetrievalConfig())
        with pytest.raises(InputError, match="there is no bank"):
            RetrievalMember.load("r", Thumbnails(), RetrievalConfig(bank=str(tmp_path / "none")))
