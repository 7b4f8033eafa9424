"""Hugging Face's libraries: used for local folders only, without a server and without a word on the side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from unprompt.errors import CheckpointError
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = (  # the files that a model's folder may have them in, the first that is there counts
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKEN = "_token_id"  # how settings of special tokens end


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


def check_tokens(tokenizer: Any, rows: int, folder: Path) -> None:
    """Raise CheckpointError where a tokenizer of a folder has a token that a model of `rows` does not know.

    How many tokens there are does not tell: their numbers may have gaps.
    """
    count = max(tokenizer.get_vocab().values(), default=-1) + 1
    if count > rows:
        raise CheckpointError(
            f"{folder}: the tokenizer has {count} tokens, the model {rows}; they belong to "
            "different checkpoints, get both from one"
        )


def keep_only_tokens(network: Any, rows: int, folder: Path) -> None:
    """Have a network write as its caller says; of what its folder says of writing, the special tokens stay.

    Its settings may ask for a million texts of an image. Raises CheckpointError for a special token that the
    model does not know.
    """
    settings = network.config.to_dict()
    for part in (settings, settings.get("text_config") or {}):
        _special_tokens(part, rows, folder)
    for module in network.modules():  # a captioner's decoder writes by settings of its own
        given = getattr(module, "generation_config", None)
        if given is not None:
            module.generation_config = type(given)(**_special_tokens(given.to_dict(), rows, folder))


def _special_tokens(settings: Mapping[str, Any], rows: int, folder: Path) -> dict[str, Any]:
    tokens = {name: value for name, value in settings.items() if name.endswith(TOKEN) and value is not None}
    for name, value in tokens.items():
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, int) or not 0 <= number < rows:
                raise CheckpointError(
                    f"{folder} says {name} {value!s:.40}, and the model knows {rows:,} tokens; get it again"
                )
    return tokens
