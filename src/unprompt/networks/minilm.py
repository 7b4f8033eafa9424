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
from unprompt.networks.cores import each_on_a_core, torch_on_one_thread
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
TOGETHER = 256  # tokens that a core looks at together; more are not faster there
TOGETHER_ELSEWHERE = 1024  # by a GPU


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
        network = self._network
        assert network is not None
        on_cores = network.device == "cpu"
        bundles = _bundles([len(text) for text in texts], TOGETHER if on_cores else TOGETHER_ELSEWHERE)

        def look(rows: Sequence[int]) -> list[Tensor]:
            return list(network.states([texts[row] for row in rows]))

        looked_at = each_on_a_core(look, bundles) if on_cores else map(look, bundles)
        for rows, found in zip(bundles, looked_at, strict=True):
            start = 0
            for states in found:
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


def _bundles(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Rows of texts with so many tokens each, the shortest first, in bundles of about `most` tokens, or a
    text.

    They do not depend on the number of cores, so neither does the last digit of what is computed.
    """
    rows = np.argsort(lengths, kind="stable")
    ends = np.cumsum(np.take(lengths, rows))
    middles = ends - np.take(lengths, rows) / 2
    bundle = middles * -(-ends[-1:] // most) // ends[-1:]  # (N,) the number of each row's
    return [part.tolist() for part in np.split(rows, np.flatnonzero(np.diff(bundle)) + 1) if len(part)]
