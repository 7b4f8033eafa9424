"""Prompts that GPT-2 writes on from a start phrase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unprompt.errors import ConfigError
from unprompt.generate.config import Gpt2Config
from unprompt.generate.language_model import LanguageModelPrompts, write_on
from unprompt.networks.checkpoints import folder_of
from unprompt.networks.gpt2_checkpoint import LAYOUT, load_model, load_tokenizer, model_sha256
from unprompt.networks.huggingface import check_tokens
from unprompt.text.cleaning import clean_prompt, is_whole, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOTHING_NEW = "nothing new"  # the model stopped at the start phrase


class Gpt2Prompts(LanguageModelPrompts):
    """A GPT-2 checkpoint as an engine: a text is the first sentence that begins with its start phrase."""

    name = "gpt2"

    def __init__(self, model: Any, tokenizer: Any, config: Gpt2Config, identity: str, device: str) -> None:
        super().__init__(model, tokenizer, config, identity, device)
        longest = model.config.n_positions - config.max_tokens
        starts = [tokenizer.encode(start) for start in config.starts]
        for start, tokens in zip(config.starts, starts, strict=True):
            if is_whole(f"{start} a"):
                raise ConfigError(
                    f"the start phrase '{start}' holds a whole sentence; give one that can be written on"
                )
            if len(tokens) > longest:
                raise ConfigError(
                    f"the start phrase '{start[:40]}…' has {len(tokens)} tokens; with {config.max_tokens} to "
                    f"be written, this model takes {longest}"
                )
        self._config = config
        self._starts = starts
        # Byte-level tokens spell a line feed as "Ċ" and a carriage return as "č".
        self._ends = {
            token for piece, token in tokenizer.get_vocab().items() if any(sign in piece for sign in ".!?Ċč")
        }

    @classmethod
    def load(cls, config: Gpt2Config, device: str) -> Gpt2Prompts:
        """Find the checkpoint and load it on `device`, on a GPU in half precision.

        Raises CheckpointError where it is missing, damaged or another model, ConfigError where it cannot do
        what `config` asks.
        """
        folder = folder_of(config.model, LAYOUT)
        identity = model_sha256(folder)
        tokenizer = load_tokenizer(folder)
        model = load_model(folder, "float16" if device.startswith("cuda") else "float32").to(device)
        check_tokens(tokenizer, model.config.vocab_size, folder)
        return cls(model, tokenizer, config, identity, device)

    def given(self) -> Mapping[str, Any]:
        """The start phrases."""
        return {"starts": list(self._config.starts)}

    def texts(self, numbers: Sequence[int], draws: NDArray[np.float32]) -> list[tuple[str, str]]:
        """Each number's first sentence, cleaned, and why it is no prompt."""
        config = self._config
        turns = [number % len(config.starts) for number in numbers]

        def ended(row: int, tokens: Sequence[int]) -> bool:
            return not self._ends.isdisjoint(tokens) and is_whole(self._text(turns[row], tokens))

        starts = [self._starts[turn] for turn in turns]
        texts = []
        for turn, tokens in zip(turns, write_on(self._model, starts, draws, config, ended), strict=True):
            text, rejected = clean_prompt(self._text(turn, tokens), cut_off=len(tokens) == config.max_tokens)
            if not rejected and len(text) <= len(plain(config.starts[turn])):
                rejected = NOTHING_NEW
            texts.append((text, rejected))
        return texts

    def _text(self, turn: int, tokens: Sequence[int]) -> str:
        return self._config.starts[turn] + self.decode(tokens)
