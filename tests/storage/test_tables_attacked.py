"""Damaged tables: submissions, samples, prompts, parquet, JSON and TOML are read, or refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import polars as pl

from tests.fuzzing import Attack, run
from unprompt.records import DIM, Embeddings
from unprompt.storage.files import read_json, read_prompts
from unprompt.storage.parts import read_image_bytes
from unprompt.storage.submission import read_submission, read_submission_ids, write_submission
from unprompt.storage.toml_files import read_toml


def attacks(folder: Path) -> list[Attack]:
    """The attacks on readers of tables and settings; `folder`: an empty place for their files."""
    rows = np.eye(2, DIM, dtype=np.float32)
    write_submission(folder / "submission.csv", Embeddings(("a", "b1"), rows))
    pl.DataFrame({"imgId": ["a", "b1"], "prompt": ["a red fox", 'ein "Haus"\n']}).write_csv(
        folder / "prompts.csv"
    )
    pictures = [{"bytes": b"123", "path": "a.png"}, {"bytes": b"4", "path": None}]
    pl.DataFrame({"image": pictures, "n": [1, 2]}).write_parquet(folder / "part.parquet")
    (folder / "a.json").write_text('{"a": [1, 2.5, {"b": null}], "name": "x"}')
    (folder / "a.toml").write_text('[member]\nweight = 0.45\nnames = ["a", "b"]\nwhen = 2024-01-01\n')
    sample = (folder / "submission.csv").read_bytes()
    seeds: list[tuple[str, bytes, Callable[[Path], object]]] = [
        ("submission.csv", sample, read_submission),
        ("sample.csv", sample[: 20 * 384], read_submission_ids),
        ("prompts.csv", (folder / "prompts.csv").read_bytes(), read_prompts),
        (
            "part.parquet",
            (folder / "part.parquet").read_bytes(),
            lambda path: read_image_bytes(path, 1, "image"),
        ),
        ("a.json", (folder / "a.json").read_bytes(), read_json),
        ("a.toml", (folder / "a.toml").read_bytes(), read_toml),
    ]

    def attack(name: str, content: bytes, read: Callable[[Path], object]) -> Attack:
        def read_damaged(name: str, damaged: bytes) -> None:
            path = folder / f"damaged-{name}"
            path.write_bytes(damaged)
            read(path)

        return Attack(f"tables: {name}", [(name, content)], read_damaged)

    return [attack(*seed) for seed in seeds]


def test_damaged_tables(tmp_path: Path) -> None:
    for attack in attacks(tmp_path):
        assert [escape for escape in run(attack, Random(8), 150) if escape] == [], attack.name
