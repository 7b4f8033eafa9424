"""Prompts that a language model writes: what all such engines share.

Every text has a seed of its own, from which come the random numbers of its tokens, one each: token t is the
first at which the summed probabilities exceed number t (inverse transform sampling). So a text depends on its
seed and on what the model was given, and not on its neighbours, up to the rounding of a batch's matrix
products. That rounding is the same each time as well: a batch always holds the same numbers of the stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from unprompt.datasets.seeds import derive_seed
from unprompt.errors import RunError
from unprompt.generate.config import SamplingConfig
from unprompt.generate.prompts import Draft
from unprompt.networks.devices import within_memory
from unprompt.networks.shared_prefix import SharedPrefix
from unprompt.text.english import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LanguageModelPrompts(ABC):
    """A language model as an engine. `identity` is the sha256 of its files, `device` where the model is."""

    name: ClassVar[str]

    def __init__(
        self, model: Any, tokenizer: Any, config: SamplingConfig, identity: str, device: str
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._sampling = config
        self._identity = identity
        self._device = device

    @abstractmethod
    def given(self) -> Mapping[str, Any]:
        """What the model is given to write on from, as JSON: a part of the settings."""

    @abstractmethod
    def texts(self, numbers: Sequence[int], draws: NDArray[np.float32]) -> list[tuple[str, str]]:
        """Each number's prompt, and why it is none: from draws (B, T), made together."""

    def settings(self) -> Mapping[str, Any]:
        """The checkpoint's content, the settings of the sampling, and what decides the rounding."""
        import torch
        import transformers

        config = self._sampling
        return {
            "engine": self.name,
            "model_sha256": self._identity,
            **self.given(),
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
        batch = self._sampling.batch
        first = start - start % batch
        while True:
            for draft in self.write(range(first, first + batch)):
                if draft.number >= start:
                    yield draft
            first += batch

    def write(self, numbers: Sequence[int]) -> list[Draft]:
        """The drafts of these numbers, made together."""
        config = self._sampling
        seeds = [derive_seed(config.seed, self.name, number) for number in numbers]
        draws = np.stack(
            [np.random.default_rng(seed).random(config.max_tokens, dtype=np.float32) for seed in seeds]
        )
        return [
            Draft(
                number,
                f"{self.name}-{config.seed}-{number:07d}",
                text,
                self.name,
                seed,
                rejected,
                ends_batch=number == numbers[-1],
            )
            for number, seed, (text, rejected) in zip(numbers, seeds, self.texts(numbers, draws), strict=True)
        ]

    def decode(self, tokens: Sequence[int]) -> str:
        """Tokens as text, with its spaces as they are."""
        return str(self._tokenizer.decode(tokens, clean_up_tokenization_spaces=False))


def write_on(
    model: Any,
    starts: Sequence[Sequence[int]],
    draws: NDArray[np.float32],
    config: SamplingConfig,
    ended: Callable[[int, Sequence[int]], bool],
    prefix: SharedPrefix | None = None,
) -> list[list[int]]:
    """Sample what follows B starts, given as tokens: B lists of tokens, without the end mark.

    `draws`: (B, T) in [0, 1), one number a token, so that no more than T are written. Row b stops at the end
    mark and where `ended(b, tokens)` says so. `prefix` stands before all starts. Starts of different lengths
    are padded on the left; rows that are done are left out of the batch once they are an eighth of it. Raises
    RunError where the batch does not fit into the memory, or the model's numbers are not finite.
    """
    import torch

    device, longest = model.device, max(map(len, starts))
    inputs = torch.zeros(len(starts), longest, dtype=torch.long)  # (B, S)
    mask = torch.zeros_like(inputs)
    for row, start in enumerate(starts):
        inputs[row, longest - len(start) :] = torch.tensor(start)
        mask[row, longest - len(start) :] = 1
    positions = ((mask.cumsum(1) - 1).clamp(min=0) + (prefix.length if prefix else 0)).to(device)
    inputs, mask, numbers = inputs.to(device), mask.to(device), torch.from_numpy(draws).to(device)
    before = {"prefix": prefix.layers} if prefix else {}

    written: list[list[int]] = [[] for _ in starts]
    rows, running, cache = list(range(len(starts))), set(range(len(starts))), None
    with torch.inference_mode():
        for step in range(draws.shape[1]):
            with within_memory(counted(len(starts), "text"), str(device), "a smaller --batch"):
                output = model(
                    input_ids=inputs,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=1,
                    **before,
                )
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
            if len(rows) - len(running) >= len(rows) / 8:
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


def token_probabilities(logits: Any, config: SamplingConfig) -> tuple[Any, Any]:
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
