"""A1111's text: what it writes is read back, lines that look like settings stay in the prompt."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.marked_pictures import PARAMETERS, SETTINGS
from unprompt.metadata.a1111 import (
    MOST_SETTINGS,
    NEGATIVE,
    has_settings,
    parse_parameters,
    read_settings,
    write_parameters,
)
from unprompt.metadata.generation import Generation


def parsed(text: str) -> Generation:
    found = parse_parameters(text)
    assert found is not None
    return found


def test_the_usual_text() -> None:
    assert parsed(PARAMETERS) == Generation(
        prompt="a lighthouse at dusk, (warm light:1.2)",
        negative="blurry, lowres",
        seed=42,
        size=(512, 768),
        sampler="Euler a",
        steps=20,
        cfg=7.0,
        model="demo",
        tool="AUTOMATIC1111",
    )


def test_lines_and_a_line_that_looks_like_settings() -> None:
    prompt, negative = (
        "a fox\nSteps: 3, Seed: 1, Size: 1x1\n\nin snow",
        "blurry\nSteps: 9, Seed: 2, Size: 2x2",
    )
    found = parsed(f"{prompt}\n{NEGATIVE} {negative}\n{SETTINGS}")
    assert found.prompt == "a fox\nSteps: 3, Seed: 1, Size: 1x1\n\nin snow"
    assert found.negative == "blurry\nSteps: 9, Seed: 2, Size: 2x2"
    assert found.seed == 42


def test_without_settings_all_is_prompt() -> None:
    assert parsed("a fox\nin snow").prompt == "a fox\nin snow"
    assert parsed(f"a fox\n{NEGATIVE} dog").negative == "dog"
    assert parsed("mood: dark, style: anime, light: soft").prompt == "mood: dark, style: anime, light: soft"
    looks_so = f"Steps: 3, Seed: 1, Size: 1x1\n{NEGATIVE} dog"
    assert parsed(looks_so).prompt == "Steps: 3, Seed: 1, Size: 1x1"
    assert parsed(SETTINGS).prompt == ""
    assert parse_parameters(" \n") is None
    assert not has_settings("a fox\nin snow")


def test_a_negative_prompt_alone() -> None:
    found = parsed(f"{NEGATIVE} dog\n{SETTINGS}")
    assert (found.prompt, found.negative, found.steps) == ("", "dog", 20)


def test_quotes_json_and_extensions() -> None:
    line = (
        'Steps: 20, Model: "a, b: \\"c\\"", Seed: 18446744073709551615, Size: 64x32, '
        'Hashes: {"model": "ab, c", "lora:x": "d"}, Lora hashes: "x: 1, y: 2", Hires upscale: 2, '
        "Hires steps: 10, Hires upscaler: Latent (nearest), ADetailer model: face_yolov8n.pt, "
        'Civitai resources: [{"type":"lora","weight":0.8}], Version: v1.9.4'
    )
    found = parsed(f"a fox\n{line}\nTemplate: a {{fox|dog}}")
    assert found.model == 'a, b: "c"'
    assert found.seed == 2**64 - 1
    assert found.others["Lora hashes"] == "x: 1, y: 2"
    assert json.loads(found.others["Hashes"]) == {"model": "ab, c", "lora:x": "d"}
    assert json.loads(found.others["Civitai resources"]) == [{"type": "lora", "weight": 0.8}]
    assert (found.others["Hires steps"], found.others["Hires upscaler"]) == ("10", "Latent (nearest)")
    assert found.others["Template"] == "a {fox|dog}"
    assert found.prompt == "a fox"


@pytest.mark.parametrize(
    ("more", "tool"),
    [
        ("Version: v1.10.1", "AUTOMATIC1111"),
        ("Version: f2.0.1v1.10.1-previous-400", "Forge"),
        ("App: SD.Next, Version: 9f8e7d", "SD.Next"),
        ("Version: Fooocus v2.5.0", "Fooocus"),
        ("Version: ComfyUI", "ComfyUI"),
    ],
)
def test_the_program_says_who_it_is(more: str, tool: str) -> None:
    assert parsed(f"a fox\n{SETTINGS}, {more}").tool == tool


@pytest.mark.parametrize("number", ["NaN", "1e999", "-1", "9" * 40, "", "seven"])
def test_a_number_that_is_none_is_left_out(number: str) -> None:
    found = parsed(f"a fox\nSteps: 20, Sampler: Euler, CFG scale: {number}, Seed: {number}, Size: {number}x4")
    assert found.prompt == "a fox"
    assert (found.seed, found.size) == (None, None)
    assert found.cfg in (None, -1)


def test_what_a_terminal_would_obey_and_half_characters_are_gone() -> None:
    assert parsed("a \x1b[31mred\x9b fox\ud800\r\nin snow\x00").prompt == "a [31mred fox\nin snow"


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40).map(str.strip)
LINES = st.lists(WORDS, max_size=5).map("\n".join).map(str.strip)


def quoted(value: str) -> str:
    """A value as A1111 writes it: in quotes where it would be cut."""
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,\n:|\"]|^[\[{]", value) else value


@given(LINES, LINES, WORDS.filter(bool), WORDS, st.integers(0, 2**64 - 1), st.integers(1, 9999))
@example("Steps: 1, Seed: 2, Size: 3x3", "a: b, c: d, e: f", 'a "quoted", name', "", 0, 1)
def test_what_is_written_is_read_back(
    prompt: str, negative: str, model: str, sampler: str, seed: int, width: int
) -> None:
    assume(NEGATIVE not in prompt + negative)
    settings = {
        "Steps": "20",
        "Sampler": quoted(sampler),
        "Seed": str(seed),
        "Size": f"{width}x64",
        "Model": quoted(model),
    }
    between = f"\n{NEGATIVE} {negative}" if negative else ""
    found = parsed(f"{prompt}{between}\n" + ", ".join(f"{name}: {value}" for name, value in settings.items()))
    plain = "\n".join(line.strip() for line in prompt.split("\n")).strip()
    assert found.prompt == plain
    assert found.negative == "\n".join(line.strip() for line in negative.split("\n")).strip()
    assert (found.model, found.sampler, found.seed, found.size) == (model, sampler, seed, (width, 64))


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    found = parse_parameters(text)
    assert found is None or not re.search(r"[\x00-\x08\x7f\ud800-\udfff]", found.prompt + found.negative)
    assert len(read_settings(text)) <= text.count(":")


def test_a_long_line_of_nearly_settings_takes_no_time() -> None:
    for text in ("a" * 300_000, "a b " * 100_000, "a: " * 100_000, 'a: "' + "\\" * 300_000, "{" * 100_000):
        parse_parameters(f"{text}\n{text}, Steps: 20")
        parse_parameters("Steps: 1, b: [" + text)


def test_of_very_many_lines_of_settings_the_first_ones_are_read() -> None:
    lines = [f"Key {number}: {number}" for number in range(20_000)]
    found = parse_parameters("\n".join(("a fox", "Steps: 20, Seed: 7, CFG scale: 7", *lines)))
    assert found is not None
    assert (found.prompt, found.seed) == ("a fox", 7)
    assert (len(found.others), list(found.others)[:2]) == (MOST_SETTINGS - 3, ["Key 0", "Key 1"])


WORDS = (
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).map(str.strip).filter(bool)
)


@given(
    WORDS.filter(lambda text: "\n" not in text),
    st.integers(0, 2**32),
    st.integers(1, 150),
    st.integers(10, 300),
    WORDS,
)
@example("a fox", 1, 20, 70, 'demo, v2: "x"')
@example("a fox", 1, 20, 70, "[]0")
def test_what_is_written_is_read_again(prompt: str, seed: int, steps: int, tenths: int, model: str) -> None:
    assume(not prompt.startswith(NEGATIVE))
    record = Generation(
        prompt,
        "blurry",
        seed,
        (512, 768),
        "Euler a",
        steps,
        tenths / 10,
        model,
        tool="AUTOMATIC1111",
        others={"Clip skip": "2"},
    )
    assert parse_parameters(write_parameters(record)) == record


def test_what_is_not_known_is_not_written() -> None:
    assert write_parameters(Generation("a fox")) == "a fox"
    assert write_parameters(Generation("", seed=0)) == "Seed: 0"
    assert write_parameters(parsed(PARAMETERS)) == PARAMETERS
