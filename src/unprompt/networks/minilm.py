"""Prompts -> embeddings with all-MiniLM-L6-v2."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unprompt.errors import InputError
from unprompt.networks.checkpoints import cache_folder, declared, locate, verify
from unprompt.networks.extent import Extent, made_within
from unprompt.networks.huggingface import stay_offline
from unprompt.progress import StepBars
from unprompt.records import DIM, Embeddings, Prompts
from unprompt.storage.caching import make_once
from unprompt.storage.files import read_arrays, write_arrays
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from unprompt.records import FloatArray

CHECKPOINT = "all-minilm-l6-v2"
BATCH = 32


class TokenStates(NamedTuple):
    """A text's tokens, the special ones at both ends among them.

    `states`: (T, 384) float32. `starts`: (T,) the character of the text at which each begins.
    """

    states: FloatArray
    starts: tuple[int, ...]


class PromptEncoder:
    """all-MiniLM-L6-v2 through sentence-transformers, from a local folder.

    `identity` names the weights, so that what was computed with others is never taken from a cache.
    """

    def __init__(self, model: Any, identity: str) -> None:
        self._model = model
        self.identity = identity

    @classmethod
    def load(cls, device: str = "cpu", folder: Path | None = None) -> PromptEncoder:
        """Find the checkpoint (or take it from `folder`), check its sha256 and load it on `device`.

        Raises CheckpointError where it is missing or not the official file.
        """
        found = locate(CHECKPOINT, folder)
        weights = found.checkpoint.main_file
        verify(found, only=[weights.name])
        stay_offline()
        with needed_for("embedding prompts", "lite"):
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging
        logging.disable_progress_bar()
        with made_within(Extent.of_files([found.folder / weights.name]), f"the model in {found.folder}"):
            model = SentenceTransformer(
                str(found.folder), device=device, local_files_only=True, trust_remote_code=False
            )
        return cls(model, encoder_identity())

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """N texts -> (N, 384) float32 unit rows. Text beyond the model's 256 tokens has no influence."""
        if not texts:
            return np.empty((0, DIM), dtype=np.float32)
        vectors = self._model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    def encode_tokens(self, texts: Sequence[str]) -> list[TokenStates]:
        """What the last layer says of each token of N texts: see TokenStates.

        A text's embedding is the mean of its tokens' states, at unit length.
        """
        if not texts:
            return []
        states = self._model.encode(
            list(texts), batch_size=BATCH, output_value="token_embeddings", show_progress_bar=False
        )
        read = self._model.tokenizer(list(texts), return_offsets_mapping=True, truncation=True)
        return [
            TokenStates(np.asarray(one.cpu(), dtype=np.float32), tuple(start for start, _ in offsets))
            for one, offsets in zip(states, read["offset_mapping"], strict=True)
        ]

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
    key = hashlib.sha256("\n".join((encoder.identity, *texts)).encode()).hexdigest()[:20]
    path = cache_folder() / "embeddings" / f"{what}-{key}.npz"

    def read(path: Path) -> FloatArray:
        vectors = read_arrays(path, ("embeddings",))["embeddings"]
        if vectors.shape != (len(texts), DIM):
            raise InputError(f"{path} holds {vectors.shape}, expected {(len(texts), DIM)}")
        return np.asarray(vectors, dtype=np.float32)

    def write(path: Path, vectors: FloatArray) -> None:
        write_arrays(path, embeddings=vectors)

    return make_once(path, read, lambda: _encode_alike(encoder, texts, what), write, f"{what} are embedded")


def _encode_alike(encoder: PromptEncoder, texts: Sequence[str], what: str) -> FloatArray:
    """Encode texts of like lengths together: what shares a batch is not filled up."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors = np.empty((len(texts), DIM), dtype=np.float32)
    step = 16 * BATCH
    with StepBars("text") as bars:
        for start in range(0, len(texts), step):
            bars.show(f"embedding {what} (once)", start, len(texts))
            rows = order[start : start + step]
            vectors[rows] = encoder.encode([texts[row] for row in rows])
        bars.show(f"embedding {what} (once)", len(texts), len(texts))
    return vectors
