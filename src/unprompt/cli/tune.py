"""`unprompt tune`: many training runs, in search of the settings that train best."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json, add_settings, settings_from
from unprompt.cli.printing import command
from unprompt.progress import StepBars
from unprompt.regression.config import MachineConfig, TrainConfig, TuneConfig
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.regression.trials import Trial

EXAMPLE = """\
  unprompt tune DATASET --out STUDY --trials 20 --epochs 3 --backbone tf_efficientnet_lite0
  unprompt tune DATASET --out STUDY --trials 40                   20 more
  unprompt tune DATASET --out STUDY --config base.toml --learning-rate 1e-5 3e-4 --batch 32 64
  unprompt train DATASET --out RUN --config STUDY/best.toml
"""
BASE = ("epochs", "backbone")  # settings of the training runs that have an option


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("dataset", type=Path, metavar="DATASET", help="a data set, as train takes it")
    parser.add_argument("--out", type=Path, required=True, metavar="STUDY", help="folder for the study")
    parser.add_argument(
        "--config", type=Path, metavar="TOML", help="settings that are not searched, and the first to try"
    )
    add_settings(parser, TuneConfig)
    add_settings(
        parser.add_argument_group("each run (overrides --config)"), TrainConfig, only=BASE, left_open=True
    )
    add_settings(parser, MachineConfig, only=("device",))
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Tune, a line a trial, then say what was best and how to use it."""
    options.when_interrupted = (
        "run the same command again to go on; finished trials and finished epochs are kept"
    )

    from tqdm import tqdm

    from unprompt.regression.trials import describe_trial
    from unprompt.regression.tune import tune
    from unprompt.storage.toml_files import read_config

    settings: dict[str, Any] = read_config(options.config, TrainConfig) if options.config else {}
    given = {name: getattr(options, name) for name in BASE}
    base = TrainConfig(**{**settings, **{name: value for name, value in given.items() if value is not None}})
    config, machine = settings_from(options, TuneConfig), MachineConfig(device=options.device)
    with StepBars("trial") as bars:

        def tell(trial: Trial, best: Trial | None) -> None:
            if not options.json:
                tqdm.write(describe_trial(trial, best))  # above the bar

        result = tune(
            options.dataset,
            options.out,
            base,
            config,
            machine,
            bars.show,
            tell,
        )
    if options.json:
        best = asdict(result.best)
        print(json.dumps({"out": str(result.out), "best": best, "constant": result.constant}))
        return
    print(
        f"best score {result.best.score:.4f} in trial {result.best.number}, of "
        f"{counted(len(result.trials), 'trial')}"
    )
    found = result.out / "best.toml"
    print(f"settings    {found}")
    print(f"trials      {result.out / 'trials.csv'} and trials.png")
    print(f"next        {command('train', options.dataset, '--out', 'RUN', '--config', found)}")
