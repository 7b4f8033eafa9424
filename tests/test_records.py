"""The records check themselves, and their rows are found by id."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unprompt.errors import InputError
from unprompt.records import DIM, Embeddings, LazyEmbeddings, Prompts, unit_rows


def counted_rows(count: int) -> np.ndarray:
    """(count, 384) float32 whose row i is i + 1 everywhere, so that a row tells where it came from."""
    return np.repeat(np.arange(1, count + 1, dtype=np.float32)[:, None], DIM, axis=1)


@pytest.mark.parametrize("shape", [(2, DIM - 1), (2, DIM + 1), (3, DIM), (1, DIM), (2 * DIM,), (2, DIM, 1)])
def test_embeddings_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected \(2, 384\) for 2 ids"):
        Embeddings(("a", "b"), np.ones(shape, np.float32))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_embeddings_that_are_not_finite_are_refused_by_id(bad: float) -> None:
    vectors = counted_rows(4)
    vectors[1, 383] = vectors[2, 0] = bad
    with pytest.raises(InputError, match="2 of 4 embeddings hold NaN or infinity, first: b"):
        Embeddings(tuple("abcd"), vectors)


def test_doubled_ids_are_counted_and_the_first_is_named() -> None:
    with pytest.raises(InputError, match="2 ids stand more than once in the embeddings, first: b"):
        Embeddings(("a", "b", "c", "c", "b", "b"), counted_rows(6))
    with pytest.raises(InputError, match="1 id stands more than once in the prompts, first: x"):
        Prompts(("x", "x"), ("one", "two"))


def test_prompts_need_a_text_for_each_id() -> None:
    with pytest.raises(InputError, match="2 ids but 1 prompt"):
        Prompts(("a", "b"), ("one",))


def test_lazy_embeddings_are_taken_by_id_and_in_blocks() -> None:
    lazy = LazyEmbeddings(tuple("abcd"), lambda rows: counted_rows(4)[rows])
    turned = lazy.at(["d", "a", "c"])
    assert len(turned) == 3
    assert [(block.ids, block.vectors[:, 0].tolist()) for block in turned.blocks(2)] == [
        (("d", "a"), [4, 1]),
        (("c",), [3]),
    ]
    assert [block.ids for block in Embeddings(tuple("abc"), counted_rows(3)).blocks(2)] == [
        ("a", "b"),
        ("c",),
    ]
    with pytest.raises(InputError, match="1 of 2 images has no embedding, first: x"):
        lazy.at(["a", "x"])
    with pytest.raises(InputError, match="1 of 2 embeddings holds NaN or infinity, first: b"):
        LazyEmbeddings(("a", "b"), lambda rows: counted_rows(2)[rows] / [[1], [0]][: len(rows)]).some(
            np.arange(2)
        )


def test_embeddings_become_float32_and_a_tuple_of_ids() -> None:
    embeddings = Embeddings(["a", "b"], counted_rows(2).astype(np.float64))  # type: ignore[arg-type]
    assert embeddings.vectors.dtype == np.float32
    assert embeddings.ids == ("a", "b")
    assert len(embeddings) == 2


def test_rows_are_taken_by_id_in_the_order_asked() -> None:
    taken = Embeddings(tuple("abcd"), counted_rows(4)).at(["d", "a"])
    assert taken.ids == ("d", "a")
    assert taken.vectors[:, 0].tolist() == [4, 1]
    assert Prompts(tuple("abc"), ("A", "B", "C")).at(["c", "a"]) == Prompts(("c", "a"), ("C", "A"))


def test_missing_ids_are_counted_and_the_first_is_named() -> None:
    wanted = ["b", "y", "a", "x"]
    with pytest.raises(InputError, match="2 of 4 images have no embedding, first: y"):
        Embeddings(("a", "b"), counted_rows(2)).at(wanted)
    with pytest.raises(InputError, match="2 of 4 images have no prompt, first: y"):
        Prompts(("a", "b"), ("A", "B")).at(wanted)


def test_unit_rows_of_a_worked_example() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, -2.0], [1.0, 1.0]]))
    assert rows.dtype == np.float32
    assert rows == pytest.approx(np.array([[0.6, 0.8], [0.0, -1.0], [0.5**0.5, 0.5**0.5]]), abs=1e-7)


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_rows_without_a_direction_are_refused(bad: float) -> None:
    rows = np.ones((3, 2))
    rows[1] = bad
    with pytest.raises(InputError, match="1 of 3 guesses is zero or not finite, first: row 1"):
        unit_rows(rows, "guesses")


def test_unit_of_embeddings_keeps_the_ids() -> None:
    unit = Embeddings(("a", "b"), counted_rows(2)).unit()
    assert unit.ids == ("a", "b")
    assert unit.vectors == pytest.approx(np.full((2, DIM), DIM**-0.5), abs=1e-7)


@given(arrays(np.float32, (3, 5), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_unit_rows_keeps_directions(rows: np.ndarray) -> None:
    rows[:, 0] = np.where(np.abs(rows[:, 0]) < 1e-3, 1, rows[:, 0])  # keeps lengths away from zero
    unit = unit_rows(rows).astype(np.float64)
    lengths = np.sqrt((rows.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    assert unit * lengths == pytest.approx(rows, rel=1e-5, abs=1e-6 * lengths.max())
