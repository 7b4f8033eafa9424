"""Make src/unprompt/data/prompt_map.safetensors: from sentences about nouns to what prompts with them say.

    python -m datasets_meta.make_prompt_map parti.txt compbench.txt coco_tifa.txt coco_sugar.txt

Each file is a list of prompts, one a line. No image takes part. For every noun and pair of nouns that
several prompts mention, the map W (384 x 384) learns to lead from "a photo of a NOUN" (less the mean of
ImageNet's class sentences) to the mean embedding of the prompts that mention NOUN (less their list's mean):
a ridge regression, nouns weighed by how many prompts mention them. How strong the ridge is, is chosen by
five-fold cross-validation over nouns.

The lists of the shipped file: PartiPrompts (google-research/parti, Apache-2.0), T2I-CompBench
(Karine-Huang/T2I-CompBench, MIT), and COCO captions (CC BY 4.0) as Yushi-Hu/tifa and linzhiqiu/t2v_metrics
(SugarCrepe) quote them; prompts near to those of the images that unprompt is measured on were taken out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from unprompt.members.zeroshot import class_sentences, sentence_about
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.minilm import PromptEncoder, encode_cached
from unprompt.text.words import STOP_WORDS, split_words

TARGET = Path(__file__).resolve().parents[1] / "src" / "unprompt" / "data"
_BEFORE_NOUNS = """
    a an the one two three four five six seven eight nine ten some several many his her their its of
"""
BEFORE_NOUNS = frozenset(_BEFORE_NOUNS.split())
AFTER_NOUNS = STOP_WORDS | {"is", "are", "was", "were", "wearing", "sitting", "standing", "holding", "riding"}
MENTIONS = 3  # prompts that must mention a noun
TRUSTED = 50  # more mentions than this say no more
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)  # of the ridge, in units of the inputs' mean variance
FOLDS = 5
Array = NDArray[np.float32]


def singular(word: str) -> str:
    """ "dogs" -> "dog"; short words and those in -ss stay."""
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def find_nouns(prompts: Iterable[str]) -> Iterator[str]:
    """Words and pairs of words where nouns stand: after an article or a number, before a small word."""
    for prompt in prompts:
        words = [*re.findall(r"[a-z0-9']+|[^\sa-z0-9']", prompt.lower()), "."]
        for start, word in enumerate(words):
            if word not in BEFORE_NOUNS:
                continue
            for length in (1, 2, 3):
                phrase = words[start + 1 : start + 1 + length]
                following = words[start + 1 + length : start + 2 + length]
                if not following or any(
                    part in STOP_WORDS or not part[0].isalpha() or len(part) < 3 for part in phrase
                ):
                    break
                if following[0] in AFTER_NOUNS or not following[0][0].isalpha():
                    *others, last = phrase
                    yield singular(last)
                    if others:
                        yield f"{others[-1]} {singular(last)}"


def mentioned(prompt: str) -> Iterator[str]:
    """All single words and pairs of a prompt, the last word of each in the singular."""
    words = split_words(prompt)
    for first, second in zip([None, *words], words, strict=False):
        yield singular(second)
        if first is not None:
            yield f"{first} {singular(second)}"


def fit(inputs: Array, targets: Array, weights: Array, strength: float) -> Array:
    """The ridge regression's W (384, 384), with inputs @ W near to targets."""
    gram = inputs.T @ (inputs * weights[:, None])
    ridge = strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    solved: Array = np.linalg.solve(gram + ridge, inputs.T @ (targets * weights[:, None])).astype(np.float32)
    return solved


def explained(inputs: Array, targets: Array, weights: Array, strength: float) -> float:
    """Share of the targets' squared length that maps explain on nouns that they were not fitted to."""
    fold = np.random.default_rng(0).integers(0, FOLDS, len(inputs))
    left = 0.0
    for held in range(FOLDS):
        train, test = fold != held, fold == held
        mapped = inputs[test] @ fit(inputs[train], targets[train], weights[train], strength)
        left += float((((mapped - targets[test]) ** 2).sum(axis=1) * weights[test]).sum())
    return 1 - left / float(((targets**2).sum(axis=1) * weights).sum())


def means_by_noun(lists: Sequence[Sequence[str]], vectors: Sequence[Array]) -> dict[str, tuple[Array, int]]:
    """By noun: the mean of what sets the prompts that mention it apart from their list, and their number."""
    counts = Counter(noun for prompts in lists for noun in find_nouns(prompts))
    nouns = {noun for noun, count in counts.items() if count >= MENTIONS}
    found: dict[str, list[Array]] = defaultdict(list)
    for prompts, rows in zip(lists, vectors, strict=True):
        for prompt, row in zip(prompts, rows - rows.mean(axis=0), strict=True):
            for noun in nouns.intersection(mentioned(prompt)):
                found[noun].append(row)
    return {
        noun: (np.mean(found[noun], axis=0), len(found[noun]))
        for noun in sorted(found)
        if len(found[noun]) >= MENTIONS
    }


def main() -> None:
    """Write the map and its record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("lists", nargs="+", type=Path, help="lists of prompts, one a line")
    parser.add_argument(
        "--out", type=Path, default=TARGET, help="folder for prompt_map.safetensors and .json"
    )
    options = parser.parse_args()
    encoder = PromptEncoder.load()
    lists = [
        [line.strip() for line in path.read_text().splitlines() if line.strip()] for path in options.lists
    ]
    vectors = [
        encode_cached(encoder, prompts, path.stem) for path, prompts in zip(options.lists, lists, strict=True)
    ]
    by_noun = means_by_noun(lists, vectors)
    targets = np.stack([mean for mean, _ in by_noun.values()])
    weights = np.minimum([count for _, count in by_noun.values()], TRUSTED).astype(np.float32)
    centre = encode_cached(encoder, class_sentences(), "classes").mean(axis=0)
    inputs = encoder.encode([sentence_about(noun) for noun in by_noun]) - centre
    shares = {strength: explained(inputs, targets, weights, strength) for strength in STRENGTHS}
    best = max(shares, key=shares.__getitem__)
    path = options.out / "prompt_map.safetensors"
    save_file({"map": torch.from_numpy(fit(inputs, targets, weights, best)).half()}, path)
    path.chmod(0o644)  # save_file gives it to its owner alone
    record = {
        "what": 'linear map (384 x 384, 16 bits) from "a photo of a NOUN" less the mean class sentence '
        "to the mean of the prompts that mention NOUN less their list's mean",
        "licence": "that of unprompt",
        "made_by": "python -m datasets_meta.make_prompt_map " + " ".join(path.name for path in options.lists),
        "prompts": {
            path.name: {"prompts": len(prompts), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path, prompts in zip(options.lists, lists, strict=True)
        },
        "sources": "PartiPrompts (Apache-2.0); T2I-CompBench (MIT); COCO captions (CC BY 4.0) by way of tifa "
        "and SugarCrepe; near-duplicates of the test sets' prompts (cosine >= 0.9) taken out",
        "nouns": len(by_noun),
        "explained_on_held_out_nouns": {str(strength): round(share, 4) for strength, share in shares.items()},
        "strength": best,
        "sha256": sha256_of(path),
    }
    (options.out / "prompt_map.json").write_text(json.dumps(record, indent=2) + "\n")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
