"""Embeddings of long prompt lists: made in steps that survive a kill, and kept beside the list.

`kept.npz` beside `kept.csv` holds ids and embeddings as a member's file does, and with each row a hash of
its text and the encoder's identity, so that embeddings are never taken for prompts that have changed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unprompt.errors import InputError
from unprompt.networks.minilm import PromptEncoder
from unprompt.progress import Progress, silent
from unprompt.records import DIM, Embeddings, Prompts
from unprompt.storage.files import read_arrays, write_arrays, write_embeddings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.records import FloatArray

STEP = 2048  # texts between two saves: a few seconds' work


def encode_in_steps(
    encoder: PromptEncoder,
    texts: Sequence[str],
    work: Path,
    progress: Progress = silent,
) -> FloatArray:
    """N texts -> (N, 384) float32 unit rows, saving every step in the folder `work`.

    A step's file is named by the hash of its texts and of the encoder's weights: what an interrupted call
    has done is taken from there. The caller removes `work` when it has put the result somewhere.
    """
    vectors = np.empty((len(texts), DIM), dtype=np.float32)
    for start in range(0, len(texts), STEP):
        step = texts[start : start + STEP]
        path = work / f"{_digest([encoder.identity, *step]).hex()[:20]}.npz"
        if path.exists():
            vectors[start : start + STEP] = read_arrays(path, ("embeddings",))["embeddings"]
        else:
            vectors[start : start + STEP] = encoder.encode(step)
            write_arrays(path, embeddings=vectors[start : start + STEP])
        progress("embedding prompts", min(start + STEP, len(texts)), len(texts))
    return vectors


def beside(prompts_file: Path) -> Path:
    """kept.csv -> kept.npz, where the embeddings of a prompt list are kept."""
    return prompts_file.with_suffix(".npz")


def write_beside(prompts_file: Path, prompts: Prompts, vectors: FloatArray, identity: str) -> None:
    """Keep the embeddings of a prompt list for the commands that read it next."""
    write_embeddings(
        beside(prompts_file),
        Embeddings(prompts.ids, vectors),
        text_hashes=text_hashes(prompts.texts),
        encoder=np.array(identity),
    )


def read_beside(prompts_file: Path, prompts: Prompts, identity: str) -> FloatArray | None:
    """The (N, 384) embeddings kept beside a prompt list, or None where they are not there or not of it.

    Raises InputError where the file is there but damaged.
    """
    path = beside(prompts_file)
    if not path.exists():
        return None
    try:
        found = read_arrays(path, ("ids", "embeddings", "text_hashes", "encoder"))
    except InputError as error:
        if "has no array" in str(error):  # somebody else's file of that name
            return None
        raise
    same = (
        str(found["encoder"]) == identity
        and np.array_equal(found["ids"], np.array(prompts.ids, dtype=np.str_))
        and np.array_equal(found["text_hashes"], text_hashes(prompts.texts))
    )
    return Embeddings(prompts.ids, found["embeddings"]).vectors if same else None


def text_hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """(N,) 64-bit hashes of texts."""
    return np.array([int.from_bytes(_digest([text])[:8], "little") for text in texts], dtype=np.uint64)


def _digest(texts: Sequence[str]) -> bytes:
    return hashlib.blake2b("\n".join(texts).encode("utf-8", "surrogatepass")).digest()


def forget_steps(work: Path) -> None:
    """Remove what `encode_in_steps` has saved."""
    shutil.rmtree(work, ignore_errors=True)
