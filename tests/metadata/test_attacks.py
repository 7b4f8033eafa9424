"""Damaged and hostile texts in pictures' files: read or passed over, within bounded time and memory."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.fuzzing import Attack, run, try_one
from tests.metadata.attacks import GRAPH, attacks
from unprompt.metadata.comfyui import read_comfyui


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("attack", attacks(), ids=lambda attack: attack.name)
def test_damaged_texts(attack: Attack) -> None:
    assert [escape for escape in run(attack, Random(8), 400) if escape] == []


def chained(length: int, fan: int) -> dict[str, Any]:
    """A graph whose prompt is put together of texts that are put together, `fan` times of the one before."""
    graph: dict[str, Any] = json.loads(json.dumps(GRAPH))
    for number in range(100, 100 + length):
        inputs = {f"string_{n}": [str(number + 1), 0] for n in "abcdefgh"[:fan]}
        graph[str(number)] = {"class_type": "StringConcatenate", "inputs": inputs}
    graph[str(100 + length)] = {"class_type": "StringConcatenate", "inputs": {"string_a": "x" * 1000}}
    graph["2"]["inputs"]["text"] = ["100", 0]
    return graph


@pytest.mark.parametrize(("length", "fan"), [(5000, 1), (40, 2), (30, 8)])
def test_graphs_that_multiply_are_bounded(length: int, fan: int) -> None:
    text = json.dumps(chained(length, fan))
    attack = Attack("graphs", [], lambda name, content: read_comfyui(text, None))
    assert try_one(attack, "", b"") is None
