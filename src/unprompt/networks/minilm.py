"""Prompts -> embeddings with all-MiniLM-L6-v2."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unprompt.errors import CheckpointError, InputError
from unprompt.networks.checkpoints import cache_folder, declared, locate, verify
from unprompt.networks.pipeline import torch_on_one_thread
from unprompt.progress import StepBars
from unprompt.records import DIM, Embeddings, Prompts
from unprompt.storage.caching import make_once
from unprompt.storage.files import read_arrays, write_arrays
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

    from unprompt.networks.bert import Bert
    from unprompt.records import FloatArray

CHECKPOINT = "all-minilm-l6-v2"
TOKENIZER_FILE = "tokenizer.json"
HEADS = 12  # of its attention
MOST_TOKENS = 256  # of a text, the two around it among them
TOLD_AFTER = 512  # texts
TOGETHER = 1024  # tokens that are looked at together; measured to be the fastest on two cores


class TokenStates(NamedTuple):
    """A text's tokens, the special ones at both ends among them.

    `states`: (T, 384) float32. `starts`: (T,) the character of the text at which each begins.
    """

    states: FloatArray
    starts: tuple[int, ...]


class PromptEncoder:
    """all-MiniLM-L6-v2 from a local folder: BERT's layers (bert.py), the mean over tokens, unit length.

    sentence-transformers' own numbers to 1e-6, without the seconds that its import takes. `identity` names
    the weights, so that what was computed with others is never taken from a cache.
    """

    def __init__(self, network: Bert | None, tokenizer: Tokenizer | None, identity: str) -> None:
        self._network = network
        self._tokenizer = tokenizer
        self.identity = identity

    @classmethod
    def load(cls, device: str = "cpu", folder: Path | None = None) -> PromptEncoder:
        """Find the checkpoint (or take it from `folder`), check its sha256 and load it on `device`.

        Raises CheckpointError where it is missing, or its weights or tokenizer are not the official ones.
        """
        found = locate(CHECKPOINT, folder)
        weights = found.checkpoint.main_file
        verify(found, only=[weights.name, TOKENIZER_FILE])
        with needed_for("embedding prompts", "lite"):
            from safetensors.torch import load_file
            from tokenizers import Tokenizer

            from unprompt.networks.bert import Bert
        path = found.folder / TOKENIZER_FILE
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library has no kind of its own
            raise CheckpointError(f"{path} is no tokenizer: {error}") from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(MOST_TOKENS)
        with torch_on_one_thread():
            network = Bert(load_file(found.main_path), HEADS, device)
        return cls(network, tokenizer, encoder_identity())

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """N texts -> (N, 384) float32 unit rows. Text beyond the model's 256 tokens has no influence."""
        vectors = np.empty((len(texts), DIM), dtype=np.float32)
        for rows, states in self._looked_at([read.ids for read in self._read(texts)]):
            mean = states.mean(1)
            vectors[rows] = (mean / mean.norm(dim=1, keepdim=True)).cpu().numpy()
        return vectors

    def encode_tokens(self, texts: Sequence[str]) -> list[TokenStates]:
        """What the last layer says of each token of N texts: see TokenStates.

        A text's embedding is the mean of its tokens' states, at unit length.
        """
        read = self._read(texts)
        found: dict[int, FloatArray] = {}
        for rows, states in self._looked_at([one.ids for one in read]):
            found.update(zip(rows, states.cpu().numpy(), strict=True))
        return [
            TokenStates(found[row], tuple(start for start, _ in one.offsets)) for row, one in enumerate(read)
        ]

    def _read(self, texts: Sequence[str]) -> list[Any]:
        assert self._tokenizer is not None
        read: list[Any] = self._tokenizer.encode_batch(list(texts))
        return read

    def _looked_at(self, texts: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Tensor]]:
        """Rows of texts that have T tokens each, and their states (N, T, 384), the shortest first."""
        assert self._network is not None
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for rows in _bundles(order, [len(text) for text in texts]):
            start = 0
            for states in self._network.states([texts[row] for row in rows]):
                yield rows[start : start + len(states)], states
                start += len(states)

    def embed(self, prompts: Prompts) -> Embeddings:
        """Embeddings of prompts, by the same ids."""
        return Embeddings(prompts.ids, self.encode(prompts.texts))


def encoder_identity() -> str:
    """The identity of every PromptEncoder that `load` gives, known without loading one."""
    return f"{CHECKPOINT}:{declared(CHECKPOINT).main_file.sha256}"


def encode_cached(encoder: PromptEncoder, texts: Sequence[str], what: str) -> FloatArray:
    """Encode a fixed list of texts once and keep the result in the user's cache.

    The file's name is the hash of the texts and of the encoder's weights. A damaged file is made again with
    a warning; a cache folder that cannot be written only costs the time of encoding again.
    """
    # As JSON, since a text may have line ends of its own.
    key = hashlib.sha256(json.dumps([encoder.identity, *texts]).encode()).hexdigest()[:20]
    path = cache_folder() / "embeddings" / f"{what}-{key}.npz"

    def read(path: Path) -> FloatArray:
        vectors = read_arrays(path, ("embeddings",))["embeddings"]
        if vectors.shape != (len(texts), DIM):
            raise InputError(f"{path} holds {vectors.shape}, expected {(len(texts), DIM)}")
        return np.asarray(vectors, dtype=np.float32)

    def write(path: Path, vectors: FloatArray) -> None:
        write_arrays(path, embeddings=vectors)

    return make_once(path, read, lambda: _encode_telling(encoder, texts, what), write, f"{what} are embedded")


def _encode_telling(encoder: PromptEncoder, texts: Sequence[str], what: str) -> FloatArray:
    """Encode texts, and tell how far it is."""
    vectors = np.empty((len(texts), DIM), dtype=np.float32)
    with StepBars("text") as bars:
        for start in range(0, len(texts), TOLD_AFTER):
            bars.show(f"embedding {what} (once)", start, len(texts))
            vectors[start : start + TOLD_AFTER] = encoder.encode(texts[start : start + TOLD_AFTER])
        bars.show(f"embedding {what} (once)", len(texts), len(texts))
    return vectors


def _bundles(rows: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Rows in order, as many at a time as have up to TOGETHER tokens, or one."""
    bundle: list[int] = []
    tokens = 0
    for row in rows:
        if bundle and tokens + lengths[row] > TOGETHER:
            yield bundle
            bundle, tokens = [], 0
        bundle.append(row)
        tokens += lengths[row]
    if bundle:
        yield bundle
