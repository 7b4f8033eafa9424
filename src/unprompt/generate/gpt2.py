"""Prompts that GPT-2 writes on from a start phrase.

Every text has a seed of its own, from which come the random numbers of its tokens, one each: token t is the
first at which the summed probabilities exceed number t (inverse transform sampling). So a text depends on its
seed and start and not on its neighbours, up to the rounding of a batch's matrix products. That rounding, too,
is the same each time, since a batch always holds the same numbers of the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.datasets.seeds import derive_seed
from unprompt.errors import CheckpointError, ConfigError, RunError
from unprompt.generate.config import Gpt2Config
from unprompt.generate.prompts import Draft
from unprompt.networks.checkpoints import folder_of
from unprompt.networks.gpt2_checkpoint import LAYOUT, load_model, load_tokenizer, model_sha256
from unprompt.text.cleaning import clean_prompt, is_whole, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENGINE = "gpt2"
NOTHING_NEW = "nothing new"  # the model stopped at the start phrase


class Gpt2Prompts:
    """A GPT-2 checkpoint as an engine. `identity` is the sha256 of its files, `device` where the model is."""

    def __init__(self, model: Any, tokenizer: Any, config: Gpt2Config, identity: str, device: str) -> None:
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
        self._model = model
        self._tokenizer = tokenizer
        self._config = config
        self._identity = identity
        self._device = device
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
        if len(tokenizer) > model.config.vocab_size:
            raise CheckpointError(
                f"{folder}: the tokenizer has {len(tokenizer)} tokens, the model {model.config.vocab_size}; "
                "they belong to different checkpoints, get both from one"
            )
        return cls(model, tokenizer, config, identity, device)

    def settings(self) -> Mapping[str, Any]:
        """The checkpoint's content, the settings of the sampling, and what decides the rounding."""
        import torch
        import transformers

        config = self._config
        return {
            "engine": ENGINE,
            "model_sha256": self._identity,
            "starts": list(config.starts),
            "seed": config.seed,
            "temperature": config.temperature,
            "top_k": config.top_k,
            "top_p": config.top_p,
            "max_tokens": config.max_tokens,
            "batch": config.batch,
            "device": self._device.partition(":")[0],
            "dtype": str(self._model.dtype).removeprefix("torch."),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }

    def drafts(self, start: int) -> Iterator[Draft]:
        """Endless. What lies before `start` in its batch is written again and passed over."""
        batch = self._config.batch
        first = start - start % batch
        while True:
            for draft in self.write(range(first, first + batch)):
                if draft.number >= start:
                    yield draft
            first += batch

    def write(self, numbers: Sequence[int]) -> list[Draft]:
        """The drafts of these numbers, made together."""
        config = self._config
        seeds = [derive_seed(config.seed, ENGINE, number) for number in numbers]
        turns = [number % len(config.starts) for number in numbers]
        draws = np.stack(
            [np.random.default_rng(seed).random(config.max_tokens, dtype=np.float32) for seed in seeds]
        )

        def ended(row: int, tokens: Sequence[int]) -> bool:
            return not self._ends.isdisjoint(tokens) and is_whole(self._text(turns[row], tokens))

        starts = [self._starts[turn] for turn in turns]
        written = write_on(self._model, starts, draws, config, ended)
        drafts = []
        for number, seed, turn, tokens in zip(numbers, seeds, turns, written, strict=True):
            cut_off = len(tokens) == config.max_tokens
            text, rejected = clean_prompt(self._text(turn, tokens), cut_off)
            if not rejected and len(text) <= len(plain(config.starts[turn])):
                rejected = NOTHING_NEW
            drafts.append(Draft(number, f"{ENGINE}-{config.seed}-{number:07d}", text, ENGINE, seed, rejected))
        return drafts

    def _text(self, turn: int, tokens: Sequence[int]) -> str:
        return self._config.starts[turn] + str(
            self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        )


def write_on(
    model: Any,
    starts: Sequence[Sequence[int]],
    draws: NDArray[np.float32],
    config: Gpt2Config,
    ended: Callable[[int, Sequence[int]], bool],
) -> list[list[int]]:
    """Sample what follows B starts, given as tokens: B lists of tokens, without the end mark.

    `draws`: (B, T) in [0, 1), one number a token, so that no more than T are written. Row b stops at the end
    mark and where `ended(b, tokens)` says so. Starts of different lengths are padded on the left; rows that
    are done are left out of the batch once they are half of it. Raises RunError where the batch does not fit
    into the memory, or the model's numbers are not finite.
    """
    import torch

    device, longest = model.device, max(map(len, starts))
    inputs = torch.zeros(len(starts), longest, dtype=torch.long)  # (B, S)
    mask = torch.zeros_like(inputs)
    for row, start in enumerate(starts):
        inputs[row, longest - len(start) :] = torch.tensor(start)
        mask[row, longest - len(start) :] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0).to(device)
    inputs, mask, numbers = inputs.to(device), mask.to(device), torch.from_numpy(draws).to(device)

    written: list[list[int]] = [[] for _ in starts]
    rows, running, cache = list(range(len(starts))), set(range(len(starts))), None
    with torch.inference_mode():
        for step in range(draws.shape[1]):
            try:
                output = model(
                    input_ids=inputs,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                )
            except torch.cuda.OutOfMemoryError as error:
                raise RunError(
                    f"{len(starts)} texts at once do not fit into the GPU's memory; give a smaller --batch"
                ) from error
            cache = output.past_key_values
            probabilities, tokens = token_probabilities(output.logits[:, -1], config)
            if not torch.isfinite(probabilities).all():
                raise RunError(f"the model's scores are not finite in {model.dtype}; try --device cpu")
            chosen = choose_tokens(probabilities, tokens, numbers[rows, step])  # (b,)
            for row, token in zip(rows, chosen.tolist(), strict=True):
                if row not in running:
                    continue
                if token == model.config.eos_token_id:
                    running.discard(row)
                    continue
                written[row].append(token)
                if ended(row, written[row]):
                    running.discard(row)
            if not running:
                break
            if 2 * len(running) <= len(rows):
                left = torch.tensor(
                    [place for place, row in enumerate(rows) if row in running], device=device
                )
                cache.batch_select_indices(left)
                mask, positions, chosen = mask[left], positions[left], chosen[left]
                rows = [row for row in rows if row in running]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            positions = positions[:, -1:] + 1
            inputs = chosen[:, None]
    return written


def token_probabilities(logits: Any, config: Gpt2Config) -> tuple[Any, Any]:
    """Logits (B, V) -> probabilities (B, K) and their tokens (B, K), the likeliest first.

    Temperature, then the `top_k` likeliest, then of those the fewest that make up `top_p` (nucleus sampling:
    Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration").
    """
    kept = min(config.top_k or logits.shape[-1], logits.shape[-1])
    scores, tokens = (logits.float() / config.temperature).topk(kept)
    probabilities = scores.softmax(-1)
    before = probabilities.cumsum(-1) - probabilities  # mass of what is likelier
    probabilities = probabilities.where(before < config.top_p, 0.0)
    return probabilities / probabilities.sum(-1, keepdim=True), tokens


def choose_tokens(probabilities: Any, tokens: Any, numbers: Any) -> Any:
    """Numbers (B,) in [0, 1) -> tokens (B,), each the first whose summed probability exceeds its number."""
    passed = (probabilities.cumsum(-1) <= numbers[:, None]).sum(-1)
    last = (probabilities > 0).sum(-1) - 1  # the sum may stop short of 1 by a rounding
    return tokens.gather(-1, passed.minimum(last)[:, None])[:, 0]
