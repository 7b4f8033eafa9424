"""Groups are those of a loop over all pairs, and no near pair is ever divided; the targets that are split."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.datasets import embedded, split
from unprompt.datasets.dataset import Dataset
from unprompt.datasets.split import group_rows, random_order, split_rows
from unprompt.datasets.targets import embed_targets
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.networks.minilm import PromptEncoder
from unprompt.records import DIM, Embeddings, Prompts, unit_rows
from unprompt.storage.images import ImageFile


def loop(vectors: np.ndarray, cosine: float) -> list[int]:
    """The definition: from each row not yet in a group, everything that can be reached by near pairs."""
    rows = vectors.astype(np.float64)
    labels = [-1] * len(rows)
    for row in range(len(rows)):
        if labels[row] >= 0:
            continue
        reached = [row]
        while reached:
            here = reached.pop()
            labels[here] = row
            near = np.flatnonzero((rows * rows[here]).sum(axis=1) >= cosine)
            reached += [int(other) for other in near if labels[other] < 0 and other not in reached]
    return labels


def clustered(count: int, groups: int, spread: float, seed: int, dim: int = DIM) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = unit_rows(rng.normal(size=(groups, dim)))
    noise = unit_rows(rng.normal(size=(count, dim)))
    return unit_rows(centres[rng.integers(groups, size=count)] + spread * noise)


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    rows = np.zeros((len(angles), DIM), dtype=np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    return rows


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 120),
    dim=st.sampled_from([2, 3, 17, DIM]),
    groups=st.integers(1, 40),
    spread=st.sampled_from([0.0, 0.5, 1.0]),
    cosine=st.sampled_from([0.5, 0.7, 0.95, 0.999]),
    block=st.sampled_from([7, 64, 1024]),
)
def test_groups_are_the_loops(
    seed: int, count: int, dim: int, groups: int, spread: float, cosine: float, block: int
) -> None:
    vectors = clustered(count, groups, spread, seed, dim)
    assert group_rows(vectors, cosine, block=block).tolist() == loop(vectors, cosine)


def test_a_chain_is_one_group_and_a_gap_ends_it() -> None:
    # cos 40° = .766: each row is near the next one only; between 160° and 210° lie 50°, whose cosine is .643.
    chain = on_circle(210, 160, 80, 0, 120, 40)
    assert group_rows(chain, 0.7).tolist() == [0, 1, 1, 1, 1, 1]
    assert group_rows(chain, 0.64).tolist() == [0] * 6
    assert group_rows(chain, 0.77).tolist() == list(range(6))


def test_a_chain_in_any_order_over_many_blocks() -> None:
    """The worst case for joining: 300 rows that hang together by 299 pairs, met in a random order."""
    order = np.random.default_rng(0).permutation(300)
    chain = on_circle(*order)  # a degree apart
    near = float(np.cos(np.radians(1.5)))
    assert group_rows(chain, near, block=16).tolist() == [0] * 300


def test_at_the_threshold_means_together() -> None:
    # (15, 5, 2, 1, 1) / 16 has length 1, and its cosine with the first axis is 15/16 in any order of adding.
    rows = np.zeros((2, DIM), dtype=np.float32)
    rows[0, 0], rows[1, :5] = 1, np.array([15, 5, 2, 1, 1]) / 16
    assert group_rows(rows, 15 / 16).tolist() == [0, 0]
    assert group_rows(rows, float(np.nextafter(15 / 16, 1))).tolist() == [0, 1]


def test_equal_rows_are_together_at_cosine_one() -> None:
    """Products of unit rows in single precision may fall short of 1."""
    rows = unit_rows(np.random.default_rng(1).normal(size=(50, DIM)))
    assert group_rows(np.concatenate([rows, rows]), 1.0).tolist() == [*range(50), *range(50)]


def test_all_pairs_near_and_progress() -> None:
    told: list[tuple[str, int, int]] = []
    rows = clustered(250, 1, 0.1, 2)
    labels = group_rows(rows, 0.7, progress=lambda *what: told.append(what), block=100)
    assert not labels.any()
    assert told == [("grouping", 100, 250), ("grouping", 200, 250), ("grouping", 250, 250)]
    assert group_rows(np.empty((0, DIM), dtype=np.float32), 0.7).shape == (0,)


def test_precision_is_given_back() -> None:
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        group_rows(on_circle(0, 90), 0.7)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("cosine", [0.0, -0.1, 1.1, float("nan")])
def test_no_cosine(cosine: float) -> None:
    with pytest.raises(ConfigError, match="group_cosine is a cosine"):
        group_rows(on_circle(0, 90), cosine)


def test_rows_that_are_not_of_unit_length() -> None:
    rows = on_circle(0, 90, 180)
    rows[1] *= 2
    with pytest.raises(InputError, match="1 of 3 vectors is not of unit length, first: row 1"):
        group_rows(rows, 0.7)


# --- the split


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(40, 300),
    groups=st.integers(2, 200),
    spread=st.sampled_from([0.0, 0.6, 1.2]),
    share=st.sampled_from([0.05, 0.2, 0.5]),
    cosine=st.sampled_from([0.5, 0.7, 0.95]),
)
def test_no_near_pair_is_divided(
    seed: int, count: int, groups: int, spread: float, share: float, cosine: float
) -> None:
    vectors = clustered(count, groups, spread, seed)
    try:
        divided = split_rows(vectors, share, cosine, seed)
    except InputError:
        sizes = np.unique(loop(vectors, cosine), return_counts=True)[1]
        fits = sizes[sizes <= round(share * count)]
        assert len(sizes) == 1 or fits.sum() < max(2, round(share * count) / 2)
        return
    train, validation = divided.train, divided.validation
    assert sorted([*train, *validation]) == list(range(count))
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    assert (vectors[validation].astype(np.float64) @ vectors[train].astype(np.float64).T < cosine).all()
    assert len(validation) <= 1.05 * round(share * count)
    assert divided.groups == len(set(loop(vectors, cosine)))


@pytest.mark.parametrize("seed", range(5))
def test_the_share_is_met_where_groups_are_small(seed: int) -> None:
    vectors = clustered(1000, 400, 0.5, seed)
    assert np.unique(group_rows(vectors, 0.7), return_counts=True)[1].max() < 15
    assert 100 <= len(split_rows(vectors, 0.1, 0.7, seed).validation) <= 105


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    vectors = clustered(300, 200, 0.3, 3)
    first, again, other = (split_rows(vectors, 0.1, 0.7, seed) for seed in (7, 7, 8))
    assert first.validation.tolist() == again.validation.tolist()
    assert first.validation.tolist() != other.validation.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_a_split_by_hand(seed: int) -> None:
    """Groups of 5, 2, 1, 1 and 1 of 10 rows: 20% are two rows, and the group of 5 always trains."""
    vectors = np.eye(5, DIM, dtype=np.float32)[[0, 1, 0, 2, 0, 3, 0, 1, 0, 4]]
    divided = split_rows(vectors, 0.2, 0.7, seed)
    assert divided.groups == 5
    assert set(divided.train) >= {0, 2, 4, 6, 8}
    assert divided.validation.tolist() in ([1, 7], [3, 5], [3, 9], [5, 9])


@pytest.mark.parametrize("seed", range(3))
def test_a_huge_group_trains_even_first_in_order(seed: int) -> None:
    vectors = np.concatenate([clustered(80, 1, 0.1, 0), clustered(20, 20, 0, 1)])
    divided = split_rows(vectors, 0.1, 0.7, seed)
    assert len(divided.validation) == 10
    assert divided.validation.min() >= 80


def test_groups_are_chosen_in_order_and_may_overshoot_by_five_percent() -> None:
    """Of 100 wanted: 104 is larger than the part, 60 fits, 46 would make 106, 45 makes 105: full."""
    sizes = np.array([104, 60, 46, 45, 1])
    assert split._choose_groups(sizes, 100, np.arange(5)).tolist() == [False, True, False, True, False]
    assert split._choose_groups(sizes, 100, np.array([4, 3, 2, 1, 0])).tolist() == [
        False,
        False,
        True,
        True,
        True,
    ]


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(InputError, match=r"all 50 prompts form one group .* raise group_cosine"):
        split_rows(clustered(50, 1, 0.1, 0), 0.1, 0.7, 0)


def test_too_few_small_groups() -> None:
    vectors = np.eye(5, DIM, dtype=np.float32)[[0] * 30 + [1] * 27 + [2, 3, 4]]
    with pytest.raises(InputError, match=r"put 12 of 60 .* 5 groups .* largest of 30 images, .* give 3;"):
        split_rows(vectors, 0.2, 0.7, 0)


@pytest.mark.parametrize(("count", "share"), [(0, 0.5), (3, 0.5), (20, 0.05), (20, 0.95), (1, 0.5)])
def test_a_side_of_fewer_than_two(count: int, share: float) -> None:
    with pytest.raises(InputError, match=f"of {count} images? is .* both sides need at least 2"):
        split_rows(np.eye(max(count, 1), DIM, dtype=np.float32)[:count], share, 0.7, 0)


def test_two_on_either_side_are_enough() -> None:
    divided = split_rows(np.eye(4, DIM, dtype=np.float32), 0.5, 0.7, 0)
    assert len(divided.train) == len(divided.validation) == 2


def test_random_order_is_a_permutation_and_stays_what_it_is() -> None:
    assert sorted(random_order(1000, 5)) == list(range(1000))
    assert random_order(8, 0).tolist() == np.argsort(np.random.PCG64(0).random_raw(8)).tolist()
    assert random_order(1000, 5).tolist() != random_order(1000, 6).tolist()
    assert random_order(0, 0).shape == (0,)


# --- the targets


class CountingModel(PromptEncoder):
    """An encoder without a network: a vector that follows from the text, and a note of what was asked."""

    def __init__(self, fail_after: int = 10**9) -> None:
        super().__init__(None, None, "model")
        self.seen: list[str] = []
        self.fail_after = fail_after

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if len(self.seen) >= self.fail_after:
            raise KeyboardInterrupt
        self.seen += texts
        return unit_rows(
            np.array([np.random.default_rng(list(text.encode())).normal(size=DIM) for text in texts])
        )


def dataset_of(texts: list[str], vectors: np.ndarray | None = None) -> Dataset:
    ids = tuple(f"{number:04d}" for number in range(len(texts)))
    images = tuple(ImageFile(image_id, Path(f"/kaggle/input/set/{image_id}.png")) for image_id in ids)
    own = None if vectors is None else Embeddings(ids, vectors)
    return Dataset(Path("/kaggle/input/set"), images, Prompts(ids, tuple(texts)), own)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "unprompt" / "embeddings"


def load(monkeypatch: pytest.MonkeyPatch, model: CountingModel) -> list[str]:
    """Let `PromptEncoder.load` give `model`, and note the devices that it was asked for."""
    devices: list[str] = []

    def loaded(device: str = "cpu") -> PromptEncoder:
        devices.append(device)
        return model

    monkeypatch.setattr(PromptEncoder, "load", loaded)
    return devices


def test_the_data_sets_own_embeddings_need_no_model(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = load(monkeypatch, CountingModel())
    vectors = np.random.default_rng(0).normal(size=(3, DIM)).astype(np.float32)
    targets = embed_targets(dataset_of(["a", "b", "c"], vectors), "cpu")
    np.testing.assert_allclose(targets, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-6)
    vectors[1] = 0
    with pytest.raises(InputError, match=r"1 of 3 embeddings of .*set is zero"):
        embed_targets(dataset_of(["a", "b", "c"], vectors), "cpu")
    assert not devices
    assert not cache.exists()


def test_each_text_is_embedded_once_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = CountingModel()
    devices = load(monkeypatch, model)
    texts = ["a fox", "a\nhen", "a fox", "", "a fox"]
    targets = embed_targets(dataset_of(texts), "cpu")
    assert model.seen == ["a fox", "a\nhen", ""]
    np.testing.assert_array_equal(targets, CountingModel().encode(texts))
    np.testing.assert_array_equal(embed_targets(dataset_of(texts), "cpu"), targets)
    assert devices == ["cpu"]  # the second time, nothing was loaded
    assert len(list(cache.iterdir())) == 1
    embed_targets(
        dataset_of(["a fox", "a", "hen", ""]), "cpu"
    )  # other texts, though joined they read the same
    assert len(devices) == 2


def test_embedding_goes_on_where_it_was(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "STEP", 10)
    texts = [f"prompt {number}" for number in range(45)]
    load(monkeypatch, CountingModel(fail_after=25))
    with pytest.raises(KeyboardInterrupt):
        embed_targets(dataset_of(texts), "cpu")
    model = CountingModel()
    load(monkeypatch, model)
    told: list[int] = []
    targets = embed_targets(dataset_of(texts), "cpu", lambda step, done, total: told.append(done))
    assert model.seen == texts[30:]
    assert told == [10, 20, 30, 40, 45]
    np.testing.assert_array_equal(targets, CountingModel().encode(texts))
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_a_damaged_cache_is_made_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, CountingModel())
    expected = embed_targets(dataset_of(["a", "b"]), "cpu")
    (kept,) = cache.iterdir()
    kept.write_bytes(b"not an npz")
    with pytest.warns(UserWarning, match="cannot be read as an .npz file.*made again"):
        np.testing.assert_array_equal(embed_targets(dataset_of(["a", "b"]), "cpu"), expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(embed_targets(dataset_of(["a", "b"]), "cpu"), expected)


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    load(monkeypatch, CountingModel())
    with pytest.raises(RunError, match=r"cannot be kept .* set XDG_CACHE_HOME"):
        embed_targets(dataset_of(["a"]), "cpu")
