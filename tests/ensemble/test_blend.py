"""Blending: weights are shares of directions, and rows belong together by their id."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unprompt.ensemble.blend import blend, blend_lazily
from unprompt.errors import ConfigError, InputError
from unprompt.records import DIM, Embeddings, LazyEmbeddings


def table(**vector_by_id: list[float]) -> Embeddings:
    """Embeddings whose first numbers are given, the rest zero."""
    vectors = np.zeros((len(vector_by_id), DIM), np.float32)
    for row, numbers in enumerate(vector_by_id.values()):
        vectors[row, : len(numbers)] = numbers
    return Embeddings(tuple(vector_by_id), vectors)


def test_a_worked_example_with_the_weights_of_the_competition() -> None:
    first = table(x=[1, 0, 0], y=[0, 0, 1])
    second = table(x=[0, 1, 0], y=[0, 0.6, 0.8])
    blended = blend([first, second], [0.45, 0.55])
    assert blended.ids == ("x", "y")
    # x: (.45, .55, 0), length sqrt(.2025 + .3025) = .710634
    assert blended.vectors[0, :3] == pytest.approx([0.633238, 0.773957, 0], abs=1e-6)
    # y: .45 (0, 0, 1) + .55 (0, .6, .8) = (0, .33, .89), length sqrt(.1089 + .7921) = .949210
    assert blended.vectors[1, :3] == pytest.approx([0, 0.347657, 0.937621], abs=1e-6)
    assert (blended.vectors[:, 3:] == 0).all()


def test_rows_are_matched_by_id() -> None:
    first = table(x=[1, 0], y=[0, 1], z=[1, 1])
    second = table(z=[1, -1], x=[0, 1], y=[-1, 0])
    blended = blend([first, second], [1, 1])
    assert blended.ids == ("x", "y", "z")
    r = 0.5**0.5
    assert blended.vectors[:, :2] == pytest.approx(np.array([[r, r], [-r, r], [1, 0]]), abs=1e-7)


def random_table(seed: int, *ids: str) -> Embeddings:
    vectors = np.random.default_rng(seed).normal(size=(len(ids), DIM))
    return Embeddings(ids, vectors.astype(np.float32))


@pytest.mark.parametrize("factor", [1e-200, 1e-6, 3.0, 1e6, 1e300])
def test_only_the_ratio_of_the_weights_matters(factor: float) -> None:
    tables = [random_table(seed, "a", "b") for seed in range(3)]
    weights = [0.2, 0.5, 0.3]
    plain = blend(tables, weights)
    scaled = blend(tables, [factor * weight for weight in weights])
    assert scaled.vectors == pytest.approx(plain.vectors, abs=1e-6)


def test_the_length_of_a_members_vectors_does_not_matter() -> None:
    first, second = random_table(0, "a", "b"), random_table(1, "a", "b")
    longer = Embeddings(second.ids, second.vectors * np.array([[1000], [0.001]], np.float32))
    assert blend([first, longer], [0.45, 0.55]).vectors == pytest.approx(
        blend([first, second], [0.45, 0.55]).vectors, abs=1e-6
    )


def test_one_member_is_scaled_to_unit_length() -> None:
    assert blend([table(a=[3, 4])], [7]).vectors[0, :2] == pytest.approx([0.6, 0.8])


def test_a_member_of_weight_zero_has_no_share() -> None:
    first, second = random_table(0, "a"), random_table(1, "a")
    assert blend([first, second], [1, 0]).vectors == pytest.approx(first.unit().vectors, abs=1e-7)


def test_a_member_that_lacks_an_image_is_an_error() -> None:
    with pytest.raises(InputError, match=r"^member 2: 1 of 2 images has no embedding, first: y"):
        blend([table(x=[1], y=[1]), table(x=[1])], [1, 1])


def test_a_member_with_an_image_too_many_is_an_error() -> None:
    tables = [table(x=[1]), table(x=[1]), table(z=[1], y=[1], x=[1])]
    with pytest.raises(InputError, match="member 3 has 2 images that member 1 lacks, first: y"):
        blend(tables, [1, 1, 1])


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([0.5, -0.5], "finite and not negative, got -0.5"),
        ([0.5, math.nan], "finite and not negative, got nan"),
        ([math.inf, 0.5], "finite and not negative, got inf"),
        ([0.5], "2 members but 1 weight;"),
        ([0.2, 0.3, 0.5], "2 members but 3 weights"),
        ([], "2 members but 0 weights"),
        ([0, 0], "sum to zero"),
    ],
)
def test_weights_that_make_no_sense(weights: list[float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        blend([table(x=[1]), table(x=[1])], weights)


def test_nothing_to_blend_is_an_error() -> None:
    with pytest.raises(ConfigError, match="nothing to blend"):
        blend([], [])


def test_a_zero_vector_of_a_member_is_an_error() -> None:
    with pytest.raises(InputError, match="1 of 2 embeddings is zero"):
        blend([table(x=[1], y=[0]), table(x=[1], y=[1])], [1, 1])


@pytest.mark.parametrize("length", [1, 2, 3, 0.1])
def test_opposite_vectors_cancel_out_whatever_their_lengths(length: float) -> None:
    """What is left of them is rounding, which must not be blown up into a unit vector."""
    first = random_table(0, "a", "b")
    second = Embeddings(first.ids, np.stack([-length * first.vectors[0], first.vectors[1]]))
    with pytest.raises(InputError, match="1 of 2 blended embeddings is zero or not finite, first: row 0"):
        blend([first, second], [0.5, 0.5])


@pytest.mark.parametrize("size", [1, 3, 7, 40])
def test_blocks_have_the_bytes_of_the_whole(size: int) -> None:
    ids = tuple(f"{number:02d}" for number in range(40))
    vectors = np.random.default_rng(0).normal(size=(3, 40, DIM)).astype(np.float32)
    weights = [0.2, 0.5, 0.3]
    whole = blend([Embeddings(ids, some) for some in vectors], weights)
    lazy = blend_lazily([LazyEmbeddings(ids, some.__getitem__) for some in vectors], weights)
    blocks = list(lazy.blocks(size))
    assert [image_id for block in blocks for image_id in block.ids] == list(ids)
    assert b"".join(block.vectors.tobytes() for block in blocks) == whole.vectors.tobytes()


def brute_force(tables: list[Embeddings], weights: list[float]) -> np.ndarray:
    """The blend in plain Python, number by number."""
    rows = []
    for image_id in tables[0].ids:
        total = [0.0] * DIM
        for member, weight in zip(tables, weights, strict=True):
            vector = [float(number) for number in member.vectors[member.ids.index(image_id)]]
            length = math.sqrt(math.fsum(number * number for number in vector))
            total = [t + weight * number / length for t, number in zip(total, vector, strict=True)]
        length = math.sqrt(math.fsum(number * number for number in total))
        rows.append([number / length for number in total])
    return np.array(rows)


@settings(max_examples=25, deadline=None)
@given(
    arrays(np.float32, (3, 2, DIM), elements=st.floats(-8, 8, width=16), fill=st.just(0.5)),
    st.lists(st.floats(0.01, 10), min_size=3, max_size=3),
    st.permutations(["a", "b"]),
)
def test_the_blend_equals_a_loop_in_plain_python(
    vectors: np.ndarray, weights: list[float], order: list[str]
) -> None:
    vectors[..., 0] = 100  # so that no two vectors are opposite
    tables = [
        Embeddings(("a", "b"), vectors[0]),
        Embeddings(tuple(order), vectors[1]),
        Embeddings(("b", "a"), vectors[2]),
    ]
    blended = blend(tables, weights).vectors
    assert np.linalg.norm(blended, axis=1) == pytest.approx([1, 1], abs=1e-6)
    assert blended == pytest.approx(brute_force(tables, weights), abs=1e-6)
