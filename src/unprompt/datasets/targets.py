"""What the network learns to say: the embedding of each image's prompt."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unprompt.datasets.embedded import encode_in_steps, forget_steps
from unprompt.errors import InputError, RunError
from unprompt.networks.checkpoints import cache_folder
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.progress import Progress, silent
from unprompt.records import unit_rows
from unprompt.storage.files import read_arrays, write_arrays
from unprompt.storage.places import in_reach

if TYPE_CHECKING:
    from unprompt.datasets.dataset import Dataset
    from unprompt.records import FloatArray


def embed_targets(
    dataset: Dataset,
    device: str,
    progress: Progress = silent,
) -> FloatArray:
    """The (N, 384) float32 unit rows of a data set's prompts, in the order of its images.

    They are the data set's own where it has them. Else each different prompt is embedded once and kept in
    the user's cache folder, since a data set may lie where nothing can be written; a call that is killed goes
    on where it was. MiniLM is loaded only where something has to be embedded.

    `progress` is told prompts done and in all. Raises InputError for an embedding without a direction,
    CheckpointError where MiniLM is needed and missing, RunError where the cache cannot be written.
    """
    if dataset.embeddings is not None:
        return unit_rows(dataset.embeddings.vectors, f"embeddings of {dataset.path}")
    texts = list(dict.fromkeys(dataset.prompts.texts))
    row_by_text = {text: row for row, text in enumerate(texts)}
    return _embed_once(texts, device, progress)[[row_by_text[text] for text in dataset.prompts.texts]]


def _embed_once(texts: Sequence[str], device: str, progress: Progress) -> FloatArray:
    """N different texts -> (N, 384), from the cache where they are there."""
    lengths = ",".join(str(len(text)) for text in texts)  # so that texts with line ends do not run together
    content = "\n".join((encoder_identity(), lengths, *texts)).encode("utf-8", "surrogatepass")
    path = cache_folder() / "embeddings" / f"targets-{hashlib.sha256(content).hexdigest()[:20]}.npz"
    if in_reach(path):
        try:
            return np.asarray(read_arrays(path, ("embeddings",))["embeddings"], dtype=np.float32)
        except InputError as error:
            warnings.warn(f"{error}; made again", stacklevel=3)
    steps = path.with_suffix(".steps")
    encoder = PromptEncoder.load(device)
    try:
        vectors = encode_in_steps(encoder, texts, steps, progress)
        write_arrays(path, embeddings=vectors)
    except OSError as error:
        raise RunError(
            f"embeddings cannot be kept in {path.parent}: {error.strerror}; "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    forget_steps(steps)
    return vectors
