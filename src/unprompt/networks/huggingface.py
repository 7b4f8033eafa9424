"""Hugging Face's libraries: used for local folders only, without a server and without a word on the side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from unprompt.storage.packages import needed_for

WEIGHTS = (  # the files that a model's folder may have them in, the first that is there counts
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def stay_offline() -> None:
    """Never ask a server about a local folder. Counts where the hub's client is imported after this call."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")


@contextmanager
def never_asking() -> Iterator[None]:
    """Have transformers refuse code in a folder in this block at once, where nobody tells it not to run it.

    It would ask on the terminal whether to, and run it upon a y. Every call of unprompt's own says
    trust_remote_code=False; this is for libraries that call it.
    """
    from transformers import dynamic_module_utils

    before = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    try:
        yield
    finally:
        dynamic_module_utils.TIME_OUT_REMOTE_CODE = before


def import_transformers(work: str, extra: str) -> Any:
    """The library, silenced. Raises CheckpointError as `needed_for` does."""
    stay_offline()
    with needed_for(work, extra):
        import transformers
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers
