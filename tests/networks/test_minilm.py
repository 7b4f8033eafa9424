"""Embeddings are the official ones, from the official file, and their cache is only ever a saving of time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.real_images import real_folder
from unprompt.errors import CheckpointError
from unprompt.networks.checkpoints import locate
from unprompt.networks.minilm import CHECKPOINT, PromptEncoder, _bundles, encode_cached
from unprompt.records import DIM, Prompts
from unprompt.storage.files import read_prompts, write_arrays
from unprompt.storage.submission import read_submission


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    pytest.importorskip("tokenizers")
    return PromptEncoder.load("cpu")


TEXTS = (
    "a photo of a cat",
    "",
    "🎨",
    "ramen carved out of fractal rose ebony, in the style of hudson river school",
)


@given(st.lists(st.integers(2, 256), max_size=300), st.sampled_from((64, 256, 1024)))
def test_bundles_are_all_texts_once_by_length_and_of_about_one_size(lengths: list[int], most: int) -> None:
    bundles = _bundles(lengths, most)
    rows = [row for bundle in bundles for row in bundle]
    assert sorted(rows) == list(range(len(lengths)))
    assert [lengths[row] for row in rows] == sorted(lengths)
    sizes = [sum(lengths[row] for row in bundle) for bundle in bundles]
    assert all(size < most + lengths[bundle[-1]] for size, bundle in zip(sizes, bundles, strict=True))


def test_embeddings_are_the_same_if_cores_take_bundles_of_their_own(encoder: PromptEncoder) -> None:
    import torch

    texts = [f"{number} {text}" for number in range(40) for text in TEXTS]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one_by_one = encoder.encode(texts)
        torch.set_num_threads(3)
        side_by_side = encoder.encode(texts)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(one_by_one, side_by_side)


def test_rows_are_unit_float32_and_in_order(encoder: PromptEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), DIM)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors.astype(np.float64), axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert np.abs(encoder.encode(TEXTS[::-1])[::-1] - vectors).max() < 1e-5


def test_rows_do_not_depend_on_their_batch(encoder: PromptEncoder) -> None:
    together = encoder.encode([*TEXTS, *(f"{number} dogs" for number in range(40))])
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    assert np.abs(together[: len(TEXTS)] - alone).max() < 1e-5


def test_embeddings_equal_mean_pooling_by_transformers_itself(encoder: PromptEncoder) -> None:
    """The model card's recipe without sentence-transformers: mean over tokens, then unit length."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = str(locate(CHECKPOINT).folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True).eval()
    tokens = tokenizer(list(TEXTS), padding=True, truncation=True, max_length=256, return_tensors="pt")
    with torch.inference_mode():
        states = model(**tokens).last_hidden_state  # (B, T, 384)
    mask = tokens["attention_mask"][..., None].float()
    mean = (states * mask).sum(1) / mask.sum(1)
    expected = torch.nn.functional.normalize(mean).numpy()
    assert np.abs(encoder.encode(TEXTS) - expected).max() < 1e-5


@pytest.mark.slow
def test_embeddings_and_tokens_equal_those_of_sentence_transformers(encoder: PromptEncoder) -> None:
    """Of texts of many lengths, so that many run through the network together, and of the longest."""
    transformers = pytest.importorskip("sentence_transformers")
    model = transformers.SentenceTransformer(
        str(locate(CHECKPOINT).folder), device="cpu", local_files_only=True
    )  # fmt: skip
    random = np.random.default_rng(0)
    words = ["a", "fox", "über", "雪の中", "snow,", "4k!", "\t\n", "(((masterpiece)))", "🎨", "e\u0301"]
    texts = [" ".join(random.choice(words, length)) for length in random.integers(0, 40, 40)]
    texts += ["fox " * 400, " leading and trailing ", "\0", "[MASK] [SEP]"]
    expected = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    assert np.abs(encoder.encode(texts) - expected).max() < 2e-6
    states = model.encode(texts, output_value="token_embeddings", show_progress_bar=False)
    read = model.tokenizer(texts, return_offsets_mapping=True, truncation=True)["offset_mapping"]
    for one, theirs, offsets in zip(encoder.encode_tokens(texts), states, read, strict=True):
        assert np.abs(one.states - theirs.numpy()).max() < 1e-5
        assert one.starts == tuple(start for start, _ in offsets)


def test_text_beyond_256_tokens_has_no_influence(encoder: PromptEncoder) -> None:
    long = "cat " * 254  # and the two tokens around it
    same, longer, shorter = encoder.encode([long, long + "dog " * 50, long[: -4 * 4] + "dog " * 4])
    assert np.abs(same - longer).max() < 1e-5
    assert np.abs(same - shorter).max() > 1e-4


def test_no_texts_give_no_rows(encoder: PromptEncoder) -> None:
    assert encoder.encode([]).shape == (0, DIM)


def test_prompts_keep_their_ids(encoder: PromptEncoder) -> None:
    embeddings = encoder.embed(Prompts(("b", "a"), TEXTS[:2]))
    assert embeddings.ids == ("b", "a")
    assert np.abs(embeddings.vectors - encoder.encode(TEXTS[:2])).max() < 1e-6


@pytest.mark.real
def test_the_official_embeddings_are_reproduced(encoder: PromptEncoder) -> None:
    folder = real_folder() / "kaggle7"
    official = read_submission(folder / "sample_submission.csv")
    ours = encoder.embed(read_prompts(folder / "prompts.csv")).at(official.ids)
    assert len(official) == 7
    assert np.abs(ours.vectors - official.vectors).max() < 1e-5


# --- the weights' file


def linked_copy(folder: Path, change: int) -> Path:
    """The checkpoint's folder through links, but for a copy of the weights with one byte changed."""
    found = locate(CHECKPOINT)
    for file in found.checkpoint.files:
        link = folder / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(found.folder / file.name)
    content = bytearray(found.main_path.read_bytes())
    content[len(content) // 2] ^= change
    (folder / found.main_path.name).unlink()
    (folder / found.main_path.name).write_bytes(content)
    return folder


def test_weights_with_one_flipped_bit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors is not the checkpoint .* sha256 .* get it"
    ):
        PromptEncoder.load("cpu", linked_copy(tmp_path, change=1))


def test_a_tokenizer_that_is_damaged_is_told(tmp_path: Path) -> None:
    folder = linked_copy(tmp_path, change=0)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").write_text('{"model": {"type": "WordPiece"')
    with pytest.raises(CheckpointError, match=r"tokenizer\.json has 30 bytes, the checkpoint .* has 466,247"):
        PromptEncoder.load("cpu", folder)


def test_a_whole_copy_is_taken_from_the_folder_given(tmp_path: Path, encoder: PromptEncoder) -> None:
    copied = PromptEncoder.load("cpu", linked_copy(tmp_path, change=0))
    assert copied.identity == encoder.identity
    assert copied.encode(TEXTS).tobytes() == encoder.encode(TEXTS).tobytes()


# --- the cache


class CountingEncoder(PromptEncoder):
    """Gives each text a row of its own without a model, and counts the texts it was asked for."""

    def __init__(self, identity: str = "weights-1") -> None:
        super().__init__(None, None, identity)
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.asked += texts
        rows = [np.random.default_rng(list(text.encode())).normal(size=DIM) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), DIM)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unprompt" / "embeddings"


MANY = [f"{'x' * (number % 7)} {number}" for number in range(1200)]  # more than one step, lengths mixed


def test_the_second_call_reads_the_file(cache: Path) -> None:
    first = encode_cached(CountingEncoder(), MANY, "numbers")
    assert (first == CountingEncoder().encode(MANY)).all()  # in the order of the texts
    assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["numbers"]
    again = CountingEncoder()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert encode_cached(again, MANY, "numbers").tobytes() == first.tobytes()
    assert again.asked == []


@pytest.mark.parametrize("texts", [["a", "c"], ["b", "a"], ["a"], ["a", "b", "c"]])
def test_other_texts_have_another_file(cache: Path, texts: list[str]) -> None:
    encode_cached(CountingEncoder(), ["a", "b"], "letters")
    other = CountingEncoder()
    assert (encode_cached(other, texts, "letters") == CountingEncoder().encode(texts)).all()
    assert sorted(other.asked) == sorted(texts)


def test_the_end_of_a_text_is_not_a_line_s_end(cache: Path) -> None:
    encode_cached(CountingEncoder(), ["a\nb", "c"], "letters")
    other = CountingEncoder()
    encode_cached(other, ["a", "b\nc"], "letters")
    assert other.asked == ["a", "b\nc"]


def test_other_weights_have_another_file(cache: Path) -> None:
    encode_cached(CountingEncoder("weights-1"), ["a", "b"], "letters")
    other = CountingEncoder("weights-2")
    encode_cached(other, ["a", "b"], "letters")
    assert other.asked == ["a", "b"]


@pytest.mark.parametrize("damage", ["truncated", "text", "another shape", "no array", "empty"])
def test_a_damaged_file_is_made_again_with_a_warning(cache: Path, damage: str) -> None:
    whole = encode_cached(CountingEncoder(), ["a", "b"], "letters")
    (path,) = cache.iterdir()
    if damage == "another shape":
        write_arrays(path, embeddings=whole[:1])
    elif damage == "no array":
        write_arrays(path, vectors=whole)
    else:
        content = {"truncated": path.read_bytes()[:1000], "text": b"not an npz", "empty": b""}[damage]
        path.write_bytes(content)
    again = CountingEncoder()
    with pytest.warns(UserWarning, match=r"letters-.*\.npz.*made again"):
        rebuilt = encode_cached(again, ["a", "b"], "letters")
    assert (rebuilt == whole).all()
    assert again.asked == ["a", "b"]
    last = CountingEncoder()
    assert (encode_cached(last, ["a", "b"], "letters") == whole).all()
    assert last.asked == []


def test_a_cache_folder_that_cannot_be_written_only_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands where the folder would be: this stops root, too."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="cannot be written .*; letters are embedded anew each run"):
        vectors = encode_cached(CountingEncoder(), ["a", "b"], "letters")
    assert (vectors == CountingEncoder().encode(["a", "b"])).all()


def test_a_cache_on_a_full_disk_only_warns(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.warns(UserWarning, match="letters are embedded anew each run"):
        vectors = encode_cached(CountingEncoder(), ["a", "b"], "letters")
    assert (vectors == CountingEncoder().encode(["a", "b"])).all()


# --- BERT


def test_weights_of_another_network_are_told() -> None:
    torch = pytest.importorskip("torch")
    from unprompt.networks.bert import Bert

    with pytest.raises(CheckpointError, match=r"embeddings\.word_embeddings\.weight is missing"):
        Bert({"conv1.weight": torch.zeros(1)}, heads=12)
