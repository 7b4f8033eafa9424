"""A prefix that is read once, beside each whole text read alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny_gpt2, tiny_smollm2
from unprompt.networks.shared_prefix import read_prefix
from unprompt.networks.smollm2_checkpoint import load_smollm2


def llama(folder: Path) -> Any:
    return load_smollm2(tiny_smollm2.write_tiny_smollm2(folder) / tiny_smollm2.NAME, "float32")[0]


def gpt2(folder: Path) -> Any:
    return tiny_gpt2.load(tiny_gpt2.write_tiny_gpt2(folder))[0]


@pytest.mark.parametrize("make", [llama, gpt2])
def test_what_follows_a_prefix_is_what_follows_in_the_whole_text(tmp_path: Path, make: Any) -> None:
    """Three rows of different lengths, padded on the left, in two steps: four tokens, then one more."""
    model = make(tmp_path)
    generator = torch.Generator().manual_seed(0)
    beginning = torch.randint(3, 300, (1, 11), generator=generator)
    rows = torch.randint(3, 300, (3, 5), generator=generator)
    lengths = (4, 2, 1)
    with torch.inference_mode():
        wanted = torch.stack(
            [
                model(torch.cat([beginning, row[None, 4 - length :]], dim=1)).logits[0, -2:]
                for row, length in zip(rows, lengths, strict=True)
            ]
        )  # (3, 2, V): after the fourth token and after the fifth
        prefix = read_prefix(model, beginning[0].tolist())
        assert prefix.length == 11
        mask = torch.tensor([[0] * (4 - length) + [1] * length for length in lengths])
        positions = (mask.cumsum(1) - 1).clamp(min=0) + 11
        first = model(
            input_ids=rows[:, :4],
            attention_mask=mask,
            position_ids=positions,
            use_cache=True,
            prefix=prefix.layers,
        )
        second = model(
            input_ids=rows[:, 4:],
            attention_mask=torch.cat([mask, mask.new_ones(3, 1)], dim=1),
            position_ids=positions[:, -1:] + 1,
            past_key_values=first.past_key_values,
            prefix=prefix.layers,
        )
        made = torch.stack([first.logits[:, -1], second.logits[:, -1]], dim=1)
        torch.testing.assert_close(made, wanted, atol=1e-4, rtol=1e-4)
        without = model(input_ids=rows[:, :4], attention_mask=mask, position_ids=positions).logits[:, -1]
        assert (without - wanted[:, 0]).abs().max() > 0.01  # the prefix matters


def test_without_a_prefix_a_model_reads_as_before(tmp_path: Path) -> None:
    model = llama(tmp_path)
    tokens = torch.randint(3, 300, (2, 9), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = model(tokens).logits
        read_prefix(model, [5, 6, 7])
        torch.testing.assert_close(model(tokens).logits, before)
