"""The tables of engines: what they open, with their own settings and with those of all."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from unprompt.diffusion.engine import Sd2Engine
from unprompt.errors import ConfigError
from unprompt.generate.config import Gpt2Config, Smollm2Config
from unprompt.generate.engines import PROMPT_ENGINES
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.generate.prompt_files import FilePrompts
from unprompt.generate.render.engines import RENDER_ENGINES
from unprompt.pocket.engine import PocketEngine


@pytest.mark.parametrize("name", RENDER_ENGINES)
def test_a_render_engine_has_the_name_that_it_is_opened_by(name: str) -> None:
    assert RENDER_ENGINES[name].open(size=None, device="cpu").name == name


def test_a_size_is_of_the_whole_picture() -> None:
    assert RENDER_ENGINES["pocket"].open(size=(64, 64), device="cpu") == PocketEngine(64)
    assert RENDER_ENGINES["pocket"].open(size=(64, 32), device="cpu") == PocketEngine(64, 32)
    open_sd2 = RENDER_ENGINES["sd2"].open
    # A size of one's own is not scaled down, as the preset's is, unless that too is asked for.
    assert open_sd2((768, 512), "cpu") == Sd2Engine(width=768, height=512, save_size=None, device="cpu")
    assert open_sd2((768, 512), "cpu", save_size=256).save_size == 256
    assert open_sd2(None, "cpu") == Sd2Engine(device="cpu")


def test_own_settings_go_before_the_presets() -> None:
    light = RENDER_ENGINES["sd2"].open(None, "cpu", preset="light", steps=9)
    assert light == Sd2Engine(steps=9, width=712, height=712, save_size=None, device="cpu")


def test_own_settings_are_those_of_the_engine() -> None:
    every = {field.name for field in fields(Sd2Engine)}
    assert {*RENDER_ENGINES["sd2"].settings, "width", "height", "device"} == {*every, "preset"}
    gpt2 = {field.name for field in fields(Gpt2Config)}
    named = {*PROMPT_ENGINES["gpt2"].settings} - {"start", "starts_file"}
    assert named == gpt2 - {"starts", "seed"}
    smollm2 = {field.name for field in fields(Smollm2Config)}
    assert {*PROMPT_ENGINES["smollm2"].settings} == smollm2 - {"seed"}


def test_prompt_engines_take_a_seed_or_say_that_they_have_none(tmp_path: Path) -> None:
    assert PROMPT_ENGINES["pocket"].open(seed=None).settings() == PocketPrompts(0).settings()
    assert PROMPT_ENGINES["pocket"].open(seed=7).settings() == PocketPrompts(7).settings()
    path = tmp_path / "a.csv"
    path.write_text("text\na red fox\n")
    opened = PROMPT_ENGINES["file"].open(seed=None, source=path, column="text")
    assert opened.settings() == FilePrompts(path, "text").settings()
    with pytest.raises(ConfigError, match="a seed has no meaning"):
        PROMPT_ENGINES["file"].open(seed=1, source=path)
