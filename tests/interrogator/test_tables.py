"""Tables of text features: rounded and cached as the reference's, and ranked in batches as it ranks."""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from tests.tiny_clip import tiny_clip
from unprompt.errors import RunError
from unprompt.interrogator.tables import (
    Ranking,
    Table,
    build_tables,
    rank_columns,
    similarities,
    text_features,
)
from unprompt.networks.text_tower import TextTower

PHRASES = ("oil on canvas", "a photo", "", "a photo", "by Zdzisław Beksiński", "8k", "red fog in the forest")


class Counting(TextTower):
    """A text tower that counts the texts it encodes."""

    encoded = 0

    def encode(self, texts: Sequence[str], *settings: Any, **more: Any) -> Any:
        self.encoded += len(texts)
        return super().encode(texts, *settings, **more)


def tower_of(seed: int) -> Counting:
    return Counting(tiny_clip(seed), open_clip.get_tokenizer("ViT-B-32"))


@pytest.fixture(scope="module")
def kept_tower() -> Counting:
    return tower_of(0)


@pytest.fixture
def tower(kept_tower: Counting) -> Counting:
    kept_tower.encoded = 0
    return kept_tower


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "unprompt" / "phrases"


# --- features


def test_features_are_the_models_rounded_to_half(tower: Counting, cache: Path) -> None:
    features = text_features(tower, "mediums", PHRASES)
    with torch.no_grad():
        whole = tower._model.encode_text(tower._tokenizer(list(PHRASES)))
        whole /= whole.norm(dim=-1, keepdim=True)
    assert features.dtype == torch.float32
    assert torch.equal(features, features.half().float())
    assert (features - whole.half().float()).abs().max() <= 2**-11  # one step of float16 below 1


def test_a_table_is_encoded_once(tower: Counting, cache: Path) -> None:
    first = text_features(tower, "mediums", PHRASES)
    assert tower.encoded == len(PHRASES) + 1  # one, to know the width and the device
    again = text_features(tower, "mediums", PHRASES)
    assert tower.encoded == len(PHRASES) + 2
    assert torch.equal(first, again)
    assert [path.suffix for path in cache.iterdir()] == [".safetensors"]


def test_other_phrases_or_another_clip_have_another_file(tower: Counting, cache: Path) -> None:
    text_features(tower, "mediums", PHRASES)
    reordered = text_features(tower, "mediums", PHRASES[::-1])
    other = text_features(tower_of(1), "mediums", PHRASES)
    assert len(list(cache.iterdir())) == 3
    own = text_features(tower, "mediums", PHRASES)
    assert torch.allclose(reordered.flip(0), own, atol=1e-3)
    assert not torch.allclose(other, own, atol=0.1)


def test_the_same_table_gives_the_same_bytes(tower: Counting, cache: Path) -> None:
    text_features(tower, "mediums", PHRASES)
    (path,) = cache.iterdir()
    before = path.read_bytes()
    path.unlink()
    text_features(tower, "mediums", PHRASES)
    assert path.read_bytes() == before


def _shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _zeroed(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-256] + bytes(256))


def _another_layout(path: Path) -> None:
    from safetensors.torch import save_file

    from unprompt.networks.state_dicts import read_metadata

    save_file({"features": torch.eye(3)}, path, read_metadata(path))


def _another_writers(path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"embeds": torch.eye(len(PHRASES))}, path)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_shortened, "cut short, damaged"),
        (_emptied, "cut short, damaged"),
        (_zeroed, "not of unit length"),
        (_another_layout, r"does not hold 7 rows of 64 float16"),
        (_another_writers, "belongs to other phrases or another CLIP"),
    ],
)
def test_a_damaged_or_foreign_file_is_made_again(
    tower: Counting, cache: Path, damage: Any, told: str
) -> None:
    whole = text_features(tower, "mediums", PHRASES)
    (path,) = cache.iterdir()
    content = path.read_bytes()
    damage(path)
    with pytest.warns(UserWarning, match=f"{path.name}.*{told}.*; made again"):
        assert torch.equal(text_features(tower, "mediums", PHRASES), whole)
    assert path.read_bytes() == content


def test_a_file_under_anothers_name_is_not_taken(tower: Counting, cache: Path) -> None:
    text_features(tower, "mediums", PHRASES)
    (path,) = cache.iterdir()
    text_features(tower, "mediums", PHRASES[::-1])
    (other,) = set(cache.iterdir()) - {path}
    shutil.copy(other, path)
    with pytest.warns(UserWarning, match=f"{path.name} belongs to other phrases; made again"):
        text_features(tower, "mediums", PHRASES)


def test_a_cache_that_cannot_be_written_only_costs_time(tower: Counting, cache: Path) -> None:
    cache.parent.write_text("a file where the folder would be")
    with pytest.warns(UserWarning, match="cannot be written .*mediums are encoded anew each run"):
        features = text_features(tower, "mediums", PHRASES)
    assert features.shape == (len(PHRASES), 64)


def test_phrases_beyond_the_context_are_kept_and_told(tower: Counting, cache: Path) -> None:
    long = ", ".join(["a very long phrase"] * 20)
    with pytest.warns(
        UserWarning,
        match="mediums: 2 of 4 phrases fill CLIP's 77 tokens.*; first: a very long.*… .*398 characters",
    ):
        tables = build_tables(tower, {"mediums": ["chalk", long, "oil", long + "!"], "negative": ["blurry"]})
    assert tables["mediums"].phrases[1] == long
    assert tables["mediums"].features.shape == (4, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_tables(tower, {"mediums": ["ä" * 60, "short " * 30]})  # 60 letters, and 32 tokens


# --- folders of tables


def test_a_table_made_on_one_machine_is_taken_on_another(
    tower: Counting, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "carried" / "tables"
    made = text_features(tower, "mediums", PHRASES, folder)
    (path,) = folder.iterdir()
    assert path.name.startswith("mediums-")
    assert not cache.exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    tower.encoded = 0
    assert torch.equal(text_features(tower, "mediums", PHRASES, folder), made)
    assert tower.encoded == 1
    assert not (tmp_path / "elsewhere").exists()


def test_what_the_cache_has_is_put_into_the_folder(tower: Counting, cache: Path, tmp_path: Path) -> None:
    kept = text_features(tower, "mediums", PHRASES)
    tower.encoded = 0
    assert torch.equal(text_features(tower, "mediums", PHRASES, tmp_path / "tables"), kept)
    assert tower.encoded == 1
    (mine,), (theirs,) = cache.iterdir(), (tmp_path / "tables").iterdir()
    assert mine.name == theirs.name
    assert mine.read_bytes() == theirs.read_bytes()


def test_a_folder_that_is_read_only_is_taken_from_and_left_alone(
    tower: Counting, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "input"
    text_features(tower, "mediums", PHRASES, folder)
    access = os.access
    monkeypatch.setattr(  # root may write everywhere
        "os.access", lambda path, mode: access(path, mode) and not (mode == os.W_OK and Path(path) == folder)
    )
    tower.encoded = 0
    lists = {"mediums": PHRASES, "movements": ("cubism", "dada")}
    with pytest.warns(
        UserWarning,
        match="^1 of 2 tables is not in .*input, first: movements; taken from the cache or encoded now$",
    ):
        build_tables(tower, lists, folder)
    assert tower.encoded == 1 + 1 + 2
    assert [path.name.partition("-")[0] for path in folder.iterdir()] == ["mediums"]
    assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["movements"]


@pytest.mark.parametrize(
    ("seed", "phrases", "told"),
    [
        (0, PHRASES[1:], "other phrases"),
        (1, PHRASES, "another CLIP"),
        (1, PHRASES[1:], "other phrases and another CLIP"),
    ],
)
def test_a_table_of_something_else_is_told_in_a_line(
    tower: Counting, cache: Path, tmp_path: Path, seed: int, phrases: Sequence[str], told: str
) -> None:
    build_tables(tower_of(seed), {"mediums": phrases}, tmp_path)
    (other,) = tmp_path.glob("*.safetensors")
    with pytest.warns(
        UserWarning, match=f"first: mediums .{other.name} belongs to {told}.; .*kept there$"
    ) as warned:
        build_tables(tower, {"mediums": PHRASES}, tmp_path)
    assert len(warned) == 1
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_tables(tower, {"mediums": PHRASES}, tmp_path)  # another's beside it does not matter


def test_a_damaged_table_of_a_folder_is_made_again(tower: Counting, cache: Path, tmp_path: Path) -> None:
    whole = text_features(tower, "mediums", PHRASES, tmp_path)
    (path,) = tmp_path.glob("*.safetensors")
    content = path.read_bytes()
    _shortened(path)
    with pytest.warns(UserWarning, match=f"{path.name} is cut short, damaged.*; made again"):
        assert torch.equal(text_features(tower, "mediums", PHRASES, tmp_path), whole)
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_told(tower: Counting, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"tables .*file/tables is not there and cannot be made: Not a"):
        build_tables(tower, {"mediums": PHRASES}, tmp_path / "file" / "tables")


def test_a_kill_costs_a_bucket(
    tower: Counting, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unprompt.interrogator.tables.BUCKET", 2)
    whole = text_features(tower, "mediums", PHRASES, tmp_path / "whole")
    killed, encode = tmp_path / "killed", tower.encode
    calls: list[Sequence[str]] = []

    def until_killed(texts: Sequence[str], *settings: Any) -> Any:
        calls.append(texts)
        if len(calls) == 4:  # the width, two buckets, and in the midst of the third
            raise KeyboardInterrupt
        return encode(texts, *settings)

    monkeypatch.setattr(tower, "encode", until_killed)
    with pytest.raises(KeyboardInterrupt):
        text_features(tower, "mediums", PHRASES, killed)
    assert [path.suffix for path in killed.iterdir()] == [".filling"]
    assert torch.equal(text_features(tower, "mediums", PHRASES, killed), whole)
    assert [text for some in calls[5:] for text in some] == sorted(PHRASES)[4:]
    (first,), (second,) = (tmp_path / "whole").iterdir(), killed.iterdir()
    assert first.read_bytes() == second.read_bytes()


# --- ranking


def random_table(kind: str, count: int, seed: int) -> Table:
    rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Table(kind, tuple(f"{kind} {row}" for row in range(count)), torch.from_numpy(rows))


def test_cosines_of_several_tables_stand_side_by_side() -> None:
    tables = [random_table("a", 20, 1), random_table("b", 3, 2), random_table("c", 7, 3)]
    images = random_table("images", 5, 4).features
    cosines = similarities(images, tables, step=7)
    expected = np.concatenate([images.numpy() @ table.features.numpy().T for table in tables], axis=1)
    assert cosines.shape == (5, 30)
    assert np.abs(cosines.numpy() - expected).max() < 1e-6
    halves = [Table(table.kind, table.phrases, table.features.half()) for table in tables]
    assert similarities(images, halves, step=7).dtype == torch.float32
    assert np.abs(similarities(images, halves, step=7).numpy() - expected).max() < 1e-3


def test_the_largest_come_first_and_with_reverse_the_smallest() -> None:
    cosines = torch.tensor([[0.1, 0.4, 0.3, 0.2], [0.9, -0.5, 0.7, 0.0]])
    assert rank_columns(cosines, 3, 4).tolist() == [[1, 2, 3], [0, 2, 3]]
    assert rank_columns(cosines, 2, 4, reverse=True).tolist() == [[0, 3], [1, 3]]
    assert rank_columns(cosines, 9, 4).tolist() == [[1, 2, 3, 0], [0, 2, 3, 1]]


def test_a_crowded_chunk_loses_phrases() -> None:
    """Chunks of 4, of which each keeps 2: the first chunk's third best never comes to the second pass."""
    cosines = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.1, 0.2, 0.3, 0.4]])
    assert rank_columns(cosines, 3, 4).tolist() == [[0, 1, 7]]
    assert rank_columns(cosines, 2, 4).tolist() == [[0, 1]]
    assert rank_columns(cosines, 8, 4).tolist() == [[0, 1, 7, 6]]
    assert rank_columns(cosines, 3, 4, reverse=True).tolist() == [[4, 5, 3]]


def as_the_reference(cosines: list[float], count: int, chunk: int, reverse: bool) -> list[int]:
    """One image's columns, by the two passes written as loops."""
    sign = -1 if reverse else 1

    def best(columns: Sequence[int], most: int) -> list[int]:
        return sorted(columns, key=lambda column: -sign * cosines[column])[:most]

    if len(cosines) <= chunk:
        return best(range(len(cosines)), count)
    keep = chunk // math.ceil(len(cosines) / chunk)
    kept: list[int] = []
    for start in range(0, len(cosines), chunk):
        kept += best(range(start, min(start + chunk, len(cosines))), keep)
    return best(kept, count)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("width", [1, 9, 20, 21, 40, 57, 100])
@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 30])
def test_two_passes_are_those_of_the_reference(width: int, count: int, reverse: bool) -> None:
    cosines = torch.from_numpy(np.random.default_rng(width).permutation(4 * width).reshape(4, -1) / 1000.0)
    columns = rank_columns(cosines, count, 20, reverse)
    assert columns.tolist() == [as_the_reference(row, count, 20, reverse) for row in cosines.tolist()]


def test_choices_have_their_list_phrase_and_cosine() -> None:
    tables = [random_table("a", 20, 1), random_table("b", 3, 2), random_table("c", 7, 3)]
    images = random_table("images", 5, 4).features
    ranking = Ranking.of(images, tables)
    for row, choices in enumerate(ranking.nearest(30, 100)):
        assert len({choice.phrase for choice in choices}) == 30
        assert [choice.similarity for choice in choices] == sorted(ranking.cosines[row].tolist())[::-1]
        for choice in choices:
            (table,) = [table for table in tables if table.kind == choice.kind]
            features = table.features[table.phrases.index(choice.phrase)]
            assert float(features @ images[row]) == pytest.approx(choice.similarity, abs=1e-6)


def test_the_nearest_of_a_kind_are_of_that_kind() -> None:
    tables = [random_table("a", 20, 1), random_table("b", 3, 2), random_table("c", 7, 3)]
    images = random_table("images", 5, 4).features
    expected = (images @ tables[2].features.T).argsort(dim=1)
    ranking = Ranking.of(images, tables)
    for row, choices in enumerate(ranking.nearest(2, 100, "c", reverse=True)):
        assert [choice.phrase for choice in choices] == [f"c {column}" for column in expected[row, :2]]
