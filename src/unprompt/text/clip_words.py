"""How long a text is for CLIP, by the tokenizer that open_clip carries."""

from __future__ import annotations

from functools import cache
from typing import Any

from unprompt.errors import CheckpointError
from unprompt.storage.packages import load_alone

CLIP_TOKENS = 75  # CLIP reads 77, and its start and end marks are two of them


@cache
def clip_tokenizer() -> Any:
    """CLIP's tokenizer from the installed open_clip, whose module for it is loaded alone: it saves seconds.

    Raises CheckpointError where the package is not installed.
    """
    module = load_alone("open_clip", "tokenizer.py")
    if module is None:
        raise CheckpointError(
            "CLIP's word list comes from open_clip_torch; run: pip install 'unprompt[generate]'"
        )
    return module.SimpleTokenizer()
