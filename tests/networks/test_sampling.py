"""Drawing words by numbers that are spread evenly: by hand, and over many images."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unprompt.networks.sampling import DrawEvenly, draw, even_draws


def test_draws_by_hand() -> None:
    shares = torch.tensor([0.0, 0.25, 0.5, 0.0, 0.25, 0.0])
    numbers = torch.tensor([0.0, 0.24, 0.26, 0.74, 0.76, 0.999, 1.0])
    assert draw(shares.expand(7, -1), numbers).tolist() == [1, 1, 2, 2, 4, 4, 4]
    assert draw(7 * shares.expand(7, -1), numbers).tolist() == [1, 1, 2, 2, 4, 4, 4]


@given(st.integers(1, 40), st.integers(1, 12))
def test_each_column_has_one_number_in_each_part(samples: int, steps: int) -> None:
    numbers = even_draws(samples, steps)
    assert numbers.shape == (samples, steps)
    assert ((numbers * samples).long().sort(0).values == torch.arange(samples)[:, None]).all()
    assert torch.equal(numbers, even_draws(samples, steps))


def test_shares_are_met_exactly_where_they_are_parts_of_the_number() -> None:
    drawn = draw(torch.tensor([0.5, 0.125, 0.375]).expand(16, -1), even_draws(16, 1)[:, 0])
    assert torch.bincount(drawn).tolist() == [8, 2, 6]


def test_processor_leaves_each_row_its_drawn_word() -> None:
    numbers = torch.tensor([[0.1, 0.9], [0.6, 0.2]])
    processor = DrawEvenly(numbers)
    scores = torch.tensor(
        [[0.5, 0.5], [0.5, 0.5], [0.2, 0.8], [0.2, 0.8]]
    ).log()  # two images, two texts each
    assert processor(torch.zeros(4, 1), scores).argmax(1).tolist() == [0, 1, 0, 1]
    second = processor(torch.zeros(4, 2), scores)
    assert second.argmax(1).tolist() == [1, 0, 1, 0]
    assert second.isfinite().sum(1).tolist() == [1, 1, 1, 1]


def test_scale_of_scores_does_not_matter_beyond_their_softmax() -> None:
    scores = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    one = DrawEvenly(torch.tensor([[0.37]]))(torch.zeros(3, 1), scores)
    other = DrawEvenly(torch.tensor([[0.37]]))(torch.zeros(3, 1), scores + 5)
    assert torch.equal(one, other)
    processor = DrawEvenly(torch.tensor([[0.37]]))
    processor(torch.zeros(3, 1), scores)
    with pytest.raises(IndexError):  # a text is never longer than what is drawn for it
        processor(torch.zeros(3, 2), scores)
