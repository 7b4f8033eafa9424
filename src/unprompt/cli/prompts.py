"""`unprompt prompts`: new prompts, as many as are asked for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from unprompt.cli.options import add_json, add_settings, own_options
from unprompt.cli.printing import command
from unprompt.errors import ConfigError
from unprompt.generate.config import Gpt2Config, SamplingConfig, Smollm2Config
from unprompt.generate.engines import PROMPT_ENGINES
from unprompt.progress import StepBars
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.generate.prompts import PromptEngine

EXAMPLE = """\
  unprompt prompts --out prompts.csv --count 1000
  unprompt prompts --out prompts.csv --count 2000         the same 1,000 and 1,000 more
  unprompt prompts --out prompts.csv --from lines.txt
  unprompt prompts --out prompts.csv --count 1000 --engine smollm2
  unprompt prompts --out prompts.csv --count 1000 --engine gpt2 --model gpt2_folder \\
      --start "A picture of" "A painting of"
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="the prompts.csv to write")
    parser.add_argument("--count", type=int, metavar="N", help="how many (all of the file with --from)")
    parser.add_argument(
        "--engine",
        choices=list(PROMPT_ENGINES),
        help="pocket: the grammar of the pocket world (the default); smollm2: a small language model that "
        "pip installs; gpt2: a language model that you have; "
        "file: prompts that you have (the default with --from)",
    )
    add_settings(parser, SamplingConfig, only=("seed",), left_open=True)
    parser.add_argument("--overwrite", action="store_true", help="replace prompts that were made differently")
    add_json(parser)

    file = parser.add_argument_group("prompts from a file")
    file.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="a .csv, .jsonl, .txt or .parquet"
    )
    file.add_argument("--column", metavar="C", help="column that holds the prompts (prompt)")
    file.add_argument("--clean", action="store_const", const=True, help="clean each as a language model's")

    model = parser.add_argument_group("prompts by a language model")
    sampling = ("model", "temperature", "top_k", "top_p", "batch", "device")
    add_settings(model, SamplingConfig, only=sampling, left_open=True)

    gpt2 = parser.add_argument_group("prompts by GPT-2, which writes on from a start")
    gpt2.add_argument(
        "--start",
        action="extend",
        nargs="+",
        metavar="PHRASE",
        help=f'start phrase, taken in turn where there are more ("{Gpt2Config.starts[0]}")',
    )
    gpt2.add_argument("--starts-file", type=Path, metavar="TXT", help="start phrases, one a line")

    smollm2 = parser.add_argument_group("prompts by SmolLM2, which adds to a list of examples")
    smollm2.add_argument(
        "--examples",
        type=Path,
        metavar="FILE",
        help="prompts that show what is wanted, in a .csv, .jsonl, .txt or .parquet (64 of ours)",
    )
    add_settings(smollm2, Smollm2Config, only=("shots",), left_open=True)


def run(options: argparse.Namespace) -> None:
    """Write, then say what was kept, what was dropped, and what comes next."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.generate.prompts import PATIENCE, describe_rejected, extend_prompts

    name = options.engine or ("file" if options.source else "pocket")
    if options.count is None and name != "file":
        raise ConfigError(f"--engine {name} never ends; say how many prompts with --count")
    if options.count is not None and options.count < 1:
        raise ConfigError(f"--count must be at least 1, got {options.count}")
    engine = open_engine(name, options)
    with StepBars("prompt") as bars:
        patience = None if name == "file" else PATIENCE
        result = extend_prompts(
            options.out, engine, options.count, options.overwrite, patience=patience, progress=bars.show
        )
    if options.json:
        print(
            json.dumps(
                {
                    "out": str(result.path),
                    "engine": name,
                    "count": result.count,
                    "added": result.added,
                    "drafts": result.drafts,
                    "rejected": dict(result.rejected),
                },
                indent=2,
            )
        )
        return
    added = "all there before" if not result.added else f"{result.added} of them new"
    print(
        f"{counted(result.count, 'prompt')}, {added}, from {counted(result.drafts, 'draft')} "
        f"({describe_rejected(result.rejected)})"
    )
    for sample in result.samples:
        print(f"  {sample}")
    print(f"prompts     {result.path}")
    kept = result.path.with_name("kept.csv")
    print(f"next        {command('filter', result.path, '--out', kept)}")


def open_engine(name: str, options: argparse.Namespace) -> PromptEngine:
    """The engine with its options. Raises ConfigError for options that belong to another."""
    own = own_options(options, name, PROMPT_ENGINES)
    return PROMPT_ENGINES[name].open(options.seed, **own)
