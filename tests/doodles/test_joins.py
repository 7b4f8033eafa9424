"""Joins of groups of strokes that are not clear: what is told of them, and who decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.doodles.own import FACE, HOUSE, LADDER, SUN
from unprompt.doodles.drawing import Drawing, joined
from unprompt.doodles.group_config import GroupConfig
from unprompt.doodles.group_network import LEAST, GroupNetwork
from unprompt.doodles.groups import group_by, group_strokes
from unprompt.doodles.joins import Join, see_joins

SHEET = joined([HOUSE, SUN.moved(0.5, (120, 10))])
HOUSES = tuple(range(len(HOUSE.strokes)))
SUNS = tuple(range(len(HOUSE.strokes), len(SHEET.strokes)))


class Counting:
    """Says how many strokes a drawing has: 1, 2 or more."""

    words = ("one", "two", "more")

    def probabilities(self, drawings: Sequence[Drawing], looks: int = 1) -> np.ndarray:
        found = np.full((len(drawings), 3), 0.1, np.float32)
        for row, drawing in zip(found, drawings, strict=True):
            row[min(len(drawing.strokes), 3) - 1] = 0.8
        return found


@pytest.fixture
def unsure() -> GroupNetwork:
    """A network that says of all strokes alike, and not clearly, that they are not of one thing."""
    torch.manual_seed(0)
    network = GroupNetwork(GroupConfig(16, 1, 16, 1, 2, words=Counting.words)).eval()
    for layer in (network.strokes.among.same[-1], network.joins.weigh[-1]):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, -1.0)
    return network


def test_a_join_is_told_by_its_scores_its_sizes_and_what_the_namer_says() -> None:
    sheet = Drawing(([(0, 0), (10, 0)], [(0, 1), (0, 21)], [(100, 0), (100, 0.1)]))
    scores = np.array([[2.0], [-1.0]], np.float32)
    (told,) = see_joins([Join(0, sheet, (0, 1), (2,), scores)], Counting())
    small, large = 0.8 + LEAST, 0.1 + LEAST
    entropy = -(small * np.log(small) + 2 * large * np.log(large))
    wanted = [
        *(0.5, -1, 2),
        *np.log([1, 2]),
        np.log((0.1 + 1) / (30 + 1)),
        *np.log([0.001 + 0.01, 0.21 + 0.01]),
        *(np.log(small), entropy) * 3,
        *np.log([0.17, 0.17, 0.17]),  # "one", "two" and "more": .8 x .1 + .1 x .8 + .1 x .1
    ]
    np.testing.assert_allclose(told, wanted, atol=5e-3)


def test_order_size_and_place_of_groups_change_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(len(HOUSES), len(SUNS))).astype(np.float32)
    far = SHEET.moved(3.0, (500, -40))
    joins = [
        Join(0, SHEET, HOUSES, SUNS, scores),
        Join(0, SHEET, SUNS, HOUSES, scores.T),
        Join(1, far, HOUSES, SUNS, scores),
    ]
    told = see_joins(joins, Counting())
    np.testing.assert_allclose(told, told[:1].repeat(3, 0), atol=1e-4)


def test_what_is_not_clear_is_judged_and_the_judge_is_followed(unsure: GroupNetwork) -> None:
    sheets = [SHEET, Drawing(()), FACE, joined([LADDER, FACE.moved(1, (300, 0))])]
    asked: list[Join] = []

    def judge(joins: Sequence[Join], answer: bool) -> list[bool]:
        asked.extend(joins)
        return [answer] * len(joins)

    apart = group_by(unsure, sheets, lambda joins: judge(joins, False))
    assert [len(groups) for groups in apart] == [len(sheet.strokes) for sheet in sheets]
    assert {join.sheet for join in asked} == {0, 2, 3}
    for join in asked:
        assert join.drawing is sheets[join.sheet]
        assert join.scores.shape == (len(join.one), len(join.other))
    (whole,), nothing, *others = group_by(unsure, sheets, lambda joins: judge(joins, True))
    assert whole.strokes == tuple(range(len(SHEET.strokes)))
    assert nothing == []
    assert [len(groups) for groups in others] == [1, 1]


def test_the_network_decides_by_what_the_namer_says(unsure: GroupNetwork) -> None:
    assert len(group_strokes(unsure, [FACE], Counting())[0]) == len(FACE.strokes)
    torch.nn.init.constant_(unsure.joins.weigh[-1].bias, 1.0)
    assert len(group_strokes(unsure, [FACE], Counting())[0]) == 1
