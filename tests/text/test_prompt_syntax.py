"""Prompts without weights and networks' names say what they said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unprompt.text.prompt_syntax import without_syntax


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("a fox in snow", "a fox in snow"),
        ("(a fox:1.2), ((red)), [[snow]] <lora:ink:0.8>", "a fox, red, snow"),
        ("<lora:a:1> <hypernet:b:0.5>, a fox, <lyco:c>", "a fox"),
        ("((a (red:1.1) fox:0.9)), snow", "a red fox, snow"),
        ("a [cat:fox:0.5] in [snow::10] by [oil|ink]", "a fox in snow by oil"),
        ("{{a fox}}, {snow}, 1.5::red ::", "a fox, snow, red"),
        (".5::a fox::, -1::dog::, 12::snow::", "a fox, dog, snow"),
        ("(a fox:.5), (snow:+12), (a dog: -1.25 )", "a fox, snow, a dog"),
        ("a fox\n BREAK,\n in snow ,AND a dog ADDROW", "a fox, in snow, a dog"),
        ("a fox \\(animal\\), (snow:1.1)", "a fox (animal), snow"),
        ("a fox BREAK in snow AND a dog", "a fox, in snow, a dog"),
        ("a fox, embedding:easynegative.pt", "a fox, easynegative.pt"),
        ("a clock at 10:30, ratio 3:2", "a clock at 10:30, ratio 3:2"),
        ("I <3 foxes", "I <3 foxes"),
        ("a fox) in (snow", "a fox) in (snow"),
        ("a knight, 8k --ar 16:9 --v 4", "a knight, 8k"),
        ("a knight --no people, text --ar 3:2, 8k", "a knight, 8k"),
        ("a knight —ar 16:9 --tile --stylize 250", "a knight"),
        ("a knight -- a queen -- and a well--known fox", "a knight -- a queen -- and a well--known fox"),
        ("", ""),
    ],
)
def test_by_hand(typed: str, said: str) -> None:
    assert without_syntax(typed) == said


@given(st.lists(st.sampled_from(["red", "fox", "in snow", "oil, ink"]), min_size=1), st.data())
def test_weights_change_no_words(words: list[str], data: st.DataObject) -> None:
    forms = st.sampled_from(["{}", "({})", "({}:1.3)", "[{}]", "((({}:0.5)))", "{}<lora:x:1>"])
    typed = ", ".join(data.draw(forms).format(word) for word in words)
    assert without_syntax(typed) == ", ".join(words)


@given(st.text(alphabet="ab()[]{}<>:|,. 1\\"))
def test_any_text_ends(typed: str) -> None:
    assert len(without_syntax(typed)) <= 2 * len(typed)


def test_long_rows_of_digits_and_spaces_take_no_time() -> None:
    for sign in ("1", " ", "\n", "1.", "1 "):
        without_syntax(f"a{sign * 20_000}b, (a:{sign * 20_000}, 1.5::{sign * 20_000}::")
    assert without_syntax(f"a fox{' ' * 20_000}BREAK{chr(10) * 20_000},a dog") == "a fox, a dog"


def test_long_rows_of_brackets_take_no_time() -> None:
    for sign in "([{<\\":
        without_syntax(sign * 50_000)
    without_syntax("1::" * 20_000)
