"""MiniLM beside `SentenceTransformer.encode` at its best batch size, and beside the floor.

The floor is what the network's matrix products would take at the speed of one large product, measured in the
same run. Ours and the library's turns are interleaved; medians of five.
"""

from __future__ import annotations

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from timing import in_turns, median_seconds, record
from unprompt.networks.checkpoints import locate
from unprompt.networks.minilm import CHECKPOINT, PromptEncoder

REPEATS = 5
BATCHES = (16, 32, 64, 128, 256)
LAYERS, WIDTH, INNER = 6, 384, 1536
WEIGHTS = LAYERS * (4 * WIDTH * WIDTH + 2 * WIDTH * INNER)  # a token meets each once


def prompts(count: int, words: tuple[int, int], vocabulary: list[str]) -> list[str]:
    """Texts of so many words, from and to, drawn at random."""
    random = np.random.default_rng(count)
    return [" ".join(random.choice(vocabulary, random.integers(*words))) for _ in range(count)]


def products_a_second() -> float:
    """Multiplications with addition that one large product does in a second."""
    left, right = torch.randn(4096, WIDTH), torch.randn(WIDTH, INNER)
    (taken,) = in_turns(lambda: [left @ right for _ in range(20)], repeats=REPEATS)
    return 20 * 4096 * WIDTH * INNER / taken.wall


def main() -> None:
    """Print a line for each kind of texts."""
    folder = locate(CHECKPOINT).folder
    ours = PromptEncoder.load("cpu")
    library = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    words = [word for word in (folder / "vocab.txt").read_text("utf-8").split("\n") if word.isalpha()]

    def theirs(texts: list[str], batch: int) -> np.ndarray:
        rows: np.ndarray = library.encode(
            texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False
        )
        return rows

    speed = products_a_second()
    for name, texts in (
        ("one short prompt", ["a red fox in the snow"]),
        ("2,000 short phrases", prompts(2000, (1, 6), words)),
        ("400 long prompts", prompts(400, (20, 60), words)),
    ):
        some = texts[:200]
        best = min(BATCHES, key=lambda batch: median_seconds(lambda: theirs(some, batch), REPEATS))  # noqa: B023
        repeats = 50 if len(texts) == 1 else 1
        taken, other = in_turns(
            lambda: [ours.encode(texts) for _ in range(repeats)],  # noqa: B023
            lambda: [theirs(texts, best) for _ in range(repeats)],  # noqa: B023
            repeats=REPEATS,
        )
        mine, peer = taken.wall / repeats, other.wall / repeats
        tokens = sum(len(library.tokenizer(text)["input_ids"]) for text in texts)
        floor = tokens * WEIGHTS / speed
        apart = float(np.abs(ours.encode(texts) - theirs(texts, best)).max())
        print(
            f"{name} ({tokens:,} tokens): {mine:.4f} s; SentenceTransformer.encode, batch {best}: {peer:.4f} "
            f"s; {peer / mine:.2f} times as fast; {mine / floor:.2f} times the floor; apart by {apart:.1e}"
        )
        record(f"MiniLM, {name} / SentenceTransformer.encode", taken.walls, other.walls)


if __name__ == "__main__":
    main()
