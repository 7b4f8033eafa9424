"""Options made of settings: forms, defaults, help; and settings read back from them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from unprompt.api.config import ServeConfig
from unprompt.app.settings import AppSettings, ServerConfig
from unprompt.cli import build_parser
from unprompt.cli.options import add_settings, given_settings, settings_from
from unprompt.cli.train import read_settings
from unprompt.datasets.config import DescribeConfig
from unprompt.diffusion.config import Sd2Config
from unprompt.easy_diffuser.config import FitConfig, NegativeConfig
from unprompt.errors import ConfigError
from unprompt.generate.config import FilterConfig, Gpt2Config, RenderConfig, Smollm2Config
from unprompt.interrogator.config import InterrogateConfig, InterrogatorConfig
from unprompt.networks.captioner_config import CaptionConfig, CaptionerConfig
from unprompt.networks.clip_config import ClipConfig
from unprompt.recipes.config import PocketConfig
from unprompt.regression.config import MachineConfig, TrainConfig, TuneConfig
from unprompt.runs.config import PredictConfig
from unprompt.settings import setting
from unprompt.storage.text_config import TextConfig


@dataclass(frozen=True)
class Config:
    """One setting of each kind."""

    word: str = setting("lite", "a word")
    path: Path | None = setting(None, "a path", metavar="FILE")
    count: int = setting(0, "a count", shown="all of them")
    rate: float = setting(1e-4, "a rate, 5% or so")
    head: str = setting("mlp", "a head", choices=("linear", "mlp"))
    fast_one: bool = setting(False, "a switch", flag="fast")
    kept: bool = setting(True, "kept")
    names: tuple[str, ...] = setting((), "names")
    sizes: tuple[int, ...] = setting((16, 32), "sizes", metavar="S")
    span: tuple[float, float] = setting((0.5, 2.0), "a range", metavar=("LOW", "HIGH"))
    hidden: int = 7


def parsed(*arguments: str, **how: Any) -> argparse.Namespace:
    """What a parser with Config's options makes of a command line."""
    parser = argparse.ArgumentParser()
    add_settings(parser, Config, **how)
    return parser.parse_args(arguments)


def helped(**how: Any) -> str:
    """The help of Config's options, with single spaces."""
    parser = argparse.ArgumentParser()
    add_settings(parser, Config, **how)
    return " ".join(parser.format_help().split())


def test_nothing_given_is_the_defaults() -> None:
    assert settings_from(parsed(), Config) == Config()
    assert settings_from(parsed(left_open=True), Config) == Config()
    assert given_settings(parsed(left_open=True), Config) == {}


def test_all_forms() -> None:
    arguments = "--word w --path p --count 3 --rate 0.5 --head linear --fast --no-kept --names a b --sizes 8"
    options = parsed(*arguments.split(), "--span", "1", "4")
    wanted = Config("w", Path("p"), 3, 0.5, "linear", True, False, ("a", "b"), (8,), (1.0, 4.0))
    assert settings_from(options, Config) == wanted
    assert settings_from(options, Config, hidden=8).hidden == 8


def test_a_file_can_be_overridden_by_no_and_by_none() -> None:
    options = parsed("--no-fast", "--names", left_open=True)
    assert given_settings(options, Config) == {"fast_one": False, "names": ()}


@pytest.mark.parametrize(
    "wrong",
    [["--names"], ["--no-fast"], ["--head", "words"], ["--count", "x"], ["--span", "1"], ["--hidden", "1"]],
)
def test_wrong_usage(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(*wrong)
    assert stopped.value.code == 2


def test_only_and_skip() -> None:
    assert set(vars(parsed(only=("word", "count")))) == {"word", "count"}
    assert set(vars(parsed(skip=("word", "count")))) == {
        *("path", "rate", "head", "fast_one", "kept", "names", "sizes", "span")
    }


@pytest.mark.parametrize("left_open", [False, True])
def test_help_shows_defaults(left_open: bool) -> None:
    text = helped(left_open=left_open)
    for says in (
        "--word NAME a word (lite)",
        "--path FILE a path --count",
        "--count N a count (all of them)",
        "--rate X a rate, 5% or so (0.0001)",
        "--head {linear,mlp} a head (mlp)",
        "a switch --kept",
        "sizes (16 32)",
        "--span LOW HIGH a range (0.5 2)",
    ):
        assert says in text


COMMANDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "predict": ("predict I --out R", (PredictConfig, TextConfig)),
    "interrogate": (
        "interrogate I",
        (InterrogatorConfig, InterrogateConfig, ClipConfig, CaptionerConfig, TextConfig),
    ),
    "caption": ("caption I", (CaptionConfig, TextConfig)),
    "prompts": ("prompts --out P", (Gpt2Config, Smollm2Config)),
    "filter": ("filter P --out K", (FilterConfig,)),
    "render": ("render P --out D", (RenderConfig, Sd2Config)),
    "describe": ("describe D", (DescribeConfig,)),
    "train": ("train D --out R", (TrainConfig, MachineConfig)),
    "tune": ("tune D --out S", (TuneConfig, MachineConfig)),
    "bank": ("bank D --out B", (ClipConfig,)),
    "pocket": ("pocket", (PocketConfig,)),
    "app": ("app", (ServerConfig, AppSettings)),
    "serve": ("serve", (ServeConfig,)),
    "easy-diffuser": ("easy-diffuser fit D --out F", (FitConfig,)),
    "easy-diffuser run": ("easy-diffuser run I", (NegativeConfig,)),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_options_has_its_settings_defaults(name: str) -> None:
    line, kinds = COMMANDS[name]
    options = build_parser([name.split()[0]]).parse_args(line.split())
    for kind in kinds:
        assert settings_from(options, kind) == kind()


def test_train_takes_defaults_then_the_file_then_the_options(tmp_path: Path) -> None:
    file = tmp_path / "base.toml"
    file.write_text('epochs = 9\nbatch = 16\nfold_norms = true\naugment = ["crop"]\nweights = "w.pth"\n')
    line = ["train", "D", "--out", "R", "--config", str(file), "--batch", "8", "--no-fold-norms", "--augment"]
    options = build_parser(["train"]).parse_args(line)
    assert read_settings(options) == TrainConfig(epochs=9, batch=8, weights=Path("w.pth"))
    fresh = build_parser(["train"]).parse_args([*line, "--from-scratch"])
    assert read_settings(fresh) == TrainConfig(epochs=9, batch=8, from_scratch=True)
    file.write_text("epochs = 9\nfrom_scratch = true\n")
    given = build_parser(["train"]).parse_args([*line, "--weights", "w.pth"])
    assert read_settings(given) == TrainConfig(epochs=9, batch=8, weights=Path("w.pth"))
    both = build_parser(["train"]).parse_args(
        ["train", "D", "--out", "R", "--weights", "w", "--from-scratch"]
    )
    with pytest.raises(ConfigError, match="exclude each other"):
        read_settings(both)
