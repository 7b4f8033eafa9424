"""Prompts that SmolLM2 adds to a list of examples.

SmolLM2 is small and was taught to chat: after a start phrase it tells a story. Shown a few prompts as a list,
it writes one more line. A batch is shown examples of its own, drawn by seed, which the model reads once for
all rows. Lines that are no prompts after all are dropped, each by a rule with a name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.datasets.seeds import derive_seed
from unprompt.errors import CheckpointError, ConfigError
from unprompt.generate.config import Smollm2Config
from unprompt.generate.language_model import LanguageModelPrompts, write_on
from unprompt.networks.checkpoints import folder_of, sha256_of_files
from unprompt.networks.shared_prefix import read_prefix
from unprompt.networks.smollm2_checkpoint import LAYOUT, load_smollm2, model_file
from unprompt.text.cleaning import TOO_SHORT, clean_prompt, holds_address, plain, sentence_end

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARK = "-"  # before each line of the list
LEAST_WORDS = 3
SAME = 0.8  # a line repeats an example that has this share of its words

CUT_OFF = "cut off"
EMPTY = "empty"
PROSE = "more than one sentence"
REPEATS_EXAMPLE = "repeats an example"
# Why a line is no prompt, and what it then has; the first that fits.
REASONS: Mapping[str, re.Pattern[str]] = {
    "list mark": re.compile(r"(?:[-*•#>|]|\(?\w[.)])(?=\s)|\d+[.):]"),
    "heading": re.compile(r".*:$", re.DOTALL),
    "question": re.compile(r".*\?", re.DOTALL),
    "to the reader": re.compile(
        r"""(?:.*\b)?(?:I|we|you|your|yours|our|my|me|please|let's|here's|here\ (?:is|are)|prompts?)\b
        |(?:sure|okay|yes|no|note|this|these|it)\b""",
        re.IGNORECASE | re.DOTALL | re.VERBOSE,
    ),
    "instruction": re.compile(
        r"(?:write|create|describe|imagine|generate|use|choose|consider|think|remember|include|add|make|try|"
        r"find|take|give|show|tell|explain|design|identify|list|provide|play|go|have|look|keep)\b",
        re.IGNORECASE,
    ),
}


class Smollm2Prompts(LanguageModelPrompts):
    """A SmolLM2 as an engine: a text is one more line of a list of examples."""

    name = "smollm2"

    def __init__(self, model: Any, tokenizer: Any, config: Smollm2Config, identity: str, device: str) -> None:
        super().__init__(model, tokenizer, config, identity, device)
        self._config = config
        self._examples = config.examples or read_examples()
        self._lines = [tokenizer.encode(f"{MARK} {example}\n") for example in self._examples]
        self._mark = tokenizer.encode(MARK)
        most = sum(sorted(map(len, self._lines))[-config.shots :]) + len(self._mark) + config.max_tokens
        if most > model.config.max_position_embeddings:
            raise ConfigError(
                f"{config.shots} of the examples and a new line can be {most} tokens, and this model takes "
                f"{model.config.max_position_embeddings}; give shorter examples, or fewer by --shots"
            )
        # Byte-level tokens spell a line feed as "Ċ" and a carriage return as "č"; "<|…|>" are a chat's marks.
        self._ends = {
            token
            for piece, token in tokenizer.get_vocab().items()
            if "Ċ" in piece or "č" in piece or (piece.startswith("<|") and piece.endswith("|>"))
        }

    @classmethod
    def load(cls, config: Smollm2Config, device: str) -> Smollm2Prompts:
        """Find the checkpoint and load it on `device`, on a GPU in half precision.

        Raises CheckpointError where it is missing, damaged or another model, ConfigError where it cannot do
        what `config` asks.
        """
        folder = folder_of(config.model, LAYOUT)
        path = model_file(folder)
        model, tokenizer = load_smollm2(path, "float16" if device.startswith("cuda") else "float32")
        if len(tokenizer) > model.config.vocab_size:
            raise CheckpointError(f"{path}: its tokenizer has more tokens than its model; get it again")
        return cls(model.to(device), tokenizer, config, sha256_of_files(folder, [path]), device)

    def given(self) -> Mapping[str, Any]:
        """The examples by their sha256, and how many a batch is shown."""
        content = hashlib.sha256("\n".join(self._examples).encode()).hexdigest()
        return {"examples_sha256": content, "shots": self._config.shots}

    def shown(self, batch: int) -> list[int]:
        """The numbers of the examples that the batch `batch` of the stream is shown, in their order."""
        seed = derive_seed(self._config.seed, self.name, "examples", batch)
        chosen = np.random.default_rng(seed).choice(len(self._lines), self._config.shots, replace=False)
        return [int(number) for number in chosen]

    def texts(self, numbers: Sequence[int], draws: NDArray[np.float32]) -> list[tuple[str, str]]:
        """Each number's line as a prompt, and why it is none."""
        texts: list[tuple[str, str]] = []
        for batch, members in groupby(numbers, key=lambda number: number // self._config.batch):
            rows = slice(len(texts), len(texts) + len(list(members)))
            texts += self._batch(self.shown(batch), draws[rows])
        return texts

    def _batch(self, shown: Sequence[int], draws: NDArray[np.float32]) -> list[tuple[str, str]]:
        prefix = read_prefix(self._model, [token for number in shown for token in self._lines[number]])
        written = write_on(
            self._model,
            [self._mark] * len(draws),
            draws,
            self._config,
            lambda row, tokens: tokens[-1] in self._ends,
            prefix,
        )
        examples = [self._examples[number] for number in shown]
        texts = []
        for tokens in written:
            cut_off = len(tokens) == self._config.max_tokens and tokens[-1] not in self._ends
            line = self.decode(tokens).partition("\n")[0]
            texts.append((line.strip(), CUT_OFF) if cut_off else read_line(line, examples))
        return texts


def read_examples() -> tuple[str, ...]:
    """The package's own example prompts."""
    text = (files("unprompt") / "data" / "example_prompts.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def read_line(line: str, examples: Sequence[str]) -> tuple[str, str]:
    """A line that the model added to a list of examples -> (prompt, ""), or (text, why it is no prompt)."""
    text = plain(line)
    if not text:
        return "", EMPTY
    if holds_address(line):
        return text, "address"
    for reason, pattern in REASONS.items():
        if pattern.match(line.strip()):
            return text, reason
    end = sentence_end(text)
    if end is not None and end < len(text):
        return text, PROSE
    prompt, rejected = clean_prompt(line)
    if not rejected and len(prompt.split()) < LEAST_WORDS:
        rejected = TOO_SHORT
    if not rejected and any(repeats(prompt, example) for example in examples):
        rejected = REPEATS_EXAMPLE
    return prompt, rejected


def repeats(prompt: str, example: str) -> bool:
    """Whether 4 in 5 of a prompt's different words are an example's."""
    words, others = (set(re.findall(r"\w+", text.casefold())) for text in (prompt, example))
    return len(words & others) >= SAME * len(words)
