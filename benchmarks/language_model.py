"""Prompts by SmolLM2: speed beside transformers' `generate`, and what they are like beside the grammar's.

The peer does what its documentation shows: `generate` on the whole list of examples, a prompt at a time, from
the model and tokenizer that transformers itself makes of the same file. A second one is asked for a batch by
`num_return_sequences`. All draw alike (temperature, top k, top p), stop at a line feed, and write in turns.
Seconds are those of one thread's CPU, so that other work on the machine counts less; the target: 185 usable
prompts a minute.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from timing import record
from unprompt.datasets.near_duplicates import THRESHOLD, filter_near_duplicates
from unprompt.generate.config import Smollm2Config
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.generate.prompts import describe_rejected
from unprompt.generate.smollm2 import MARK, Smollm2Prompts, read_examples, read_line
from unprompt.networks.checkpoints import locate
from unprompt.networks.minilm import PromptEncoder

TARGET = 185  # usable prompts a CPU minute
ALONE = 6  # prompts a turn of the peer that writes one at a time
TURNS = 2


def cpu_seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this process for a piece of work, and what it gave."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def joined(work: Callable[[], list[str]], calls: int) -> list[str]:
    """What so many calls give, one after the other."""
    return [line for _ in range(calls) for line in work()]


@dataclass(eq=False)
class Written:
    """What one way wrote, turn by turn."""

    name: str
    seconds: float = 0.0  # of a CPU
    drafts: int = 0
    usable: int = 0
    costs: list[float] = field(default_factory=list)  # seconds for a usable prompt, in each turn

    def add(self, seconds: float, drafts: int, usable: int) -> None:
        """Count a turn."""
        self.seconds += seconds
        self.drafts += drafts
        self.usable += usable
        self.costs.append(seconds / usable)

    @property
    def rate(self) -> float:
        """Usable prompts a CPU minute."""
        return self.usable / self.seconds * 60

    def line(self) -> str:
        """For people."""
        return f"{self.name}: {self.drafts} drafts, {self.seconds:.1f} CPU s, {self.rate:.0f} a CPU minute"


def load_by_transformers(path: Path) -> tuple[Any, Any]:
    """Model and tokenizer as the documentation shows."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    return model.eval(), tokenizer


def generate(
    model: Any, tokenizer: Any, examples: Sequence[str], config: Smollm2Config, count: int
) -> list[str]:
    """`count` lines after the same examples by one call of transformers' `generate`."""
    text = "".join(f"{MARK} {example}\n" for example in examples) + MARK
    inputs = tokenizer(text, return_tensors="pt")
    line_feed = tokenizer.encode("\n")
    with torch.inference_mode():
        tokens = model.generate(
            **inputs,
            do_sample=True,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            max_new_tokens=config.max_tokens,
            num_return_sequences=count,
            eos_token_id=[*line_feed, model.config.eos_token_id],
            pad_token_id=model.config.eos_token_id,
        )
    begun = inputs["input_ids"].shape[1]
    lines = tokenizer.batch_decode(tokens[:, begun:], skip_special_tokens=True)
    return [line.partition("\n")[0] for line in lines]


def describe(prompts: Sequence[str], encoder: PromptEncoder) -> dict[str, float]:
    """Length, variety and how much one constant vector would know of prompts."""
    vectors = encoder.encode(list(prompts))  # (N, 384)
    total = vectors.sum(0)
    count = len(prompts)
    return {
        "words": float(np.mean([len(prompt.split()) for prompt in prompts])),
        "distinct": len({prompt.casefold() for prompt in prompts}) / count,
        # The sum over all pairs of rows, without each row with itself.
        "mean cosine": float((total @ total - count) / (count * (count - 1))),
        "near": 1 - float(np.mean(filter_near_duplicates(vectors).kept)),
        "constant": float(np.mean(vectors @ (total / np.linalg.norm(total)))),
        "kinds of words": len({word.strip(",.").casefold() for prompt in prompts for word in prompt.split()}),
    }


def main() -> None:
    """Print loading, speed and what the prompts are like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drafts", type=int, default=512, help="of SmolLM2, and prompts of the grammar")
    parser.add_argument("--read", type=int, default=0, help="print so many prompts, evenly spread")
    options = parser.parse_args()
    if options.drafts < TURNS:
        parser.error(f"--drafts has to be at least {TURNS}, one a turn")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = Smollm2Config()
    path = locate("smollm2").main_path

    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    from transformers import LlamaForCausalLM  # noqa: F401  imported before either is timed

    loading, engine = cpu_seconds(lambda: Smollm2Prompts.load(config, "cpu"))
    theirs, (model, tokenizer) = cpu_seconds(lambda: load_by_transformers(path))
    print(
        f"loading: {loading:.1f} CPU s with sha256; transformers: {theirs:.1f}, {theirs / loading:.1f} times"
    )

    examples = [read_examples()[number] for number in engine.shown(0)]
    stream, drafts = engine.drafts(0), []
    ours = Written("unprompt")
    peers = {
        Written("generate, one at a time"): (ALONE, 1),
        Written(f"generate, {config.batch} at once"): (1, config.batch),
    }
    for _ in range(TURNS):
        seconds, some = cpu_seconds(lambda: list(islice(stream, options.drafts // TURNS)))
        drafts += some
        ours.add(seconds, len(some), sum(not draft.rejected for draft in some))
        for peer, (calls, count) in peers.items():
            generated = partial(generate, model, tokenizer, examples, config, count)
            seconds, lines = cpu_seconds(partial(joined, generated, calls))
            peer.add(seconds, len(lines), sum(not read_line(line, examples)[1] for line in lines))
    print(f"{ours.line()} (target: {TARGET})")
    for peer in peers:
        print(f"{peer.line()}; x {ours.rate / peer.rate:.1f}")
        record(f"prompts by SmolLM2 / {peer.name}", ours.costs, peer.costs)

    good = [draft.text for draft in drafts if not draft.rejected]
    rejected = Counter(draft.rejected for draft in drafts if draft.rejected)
    print(f"usable: {len(good) / len(drafts):.3f} of the drafts ({describe_rejected(rejected)})")
    encoder = PromptEncoder.load("cpu")
    pocket = [draft.text for draft in islice(PocketPrompts(0).drafts(0), len(good))]
    print(f"by MiniLM, near is at {THRESHOLD} and above:")
    for name, prompts in (("SmolLM2", good), ("the grammar", pocket), ("our examples", read_examples())):
        about = ", ".join(f"{key} {value:.3g}" for key, value in describe(prompts, encoder).items())
        print(f"  {name}, {len(prompts)}: {about}")
    for number in np.linspace(0, len(good) - 1, options.read, dtype=int):
        print(f"  {good[number]}")


if __name__ == "__main__":
    main()
