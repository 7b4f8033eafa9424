"""Which device Accelerate computes on."""

from __future__ import annotations

import torch
from accelerate.state import PartialState

from unprompt.learning.accelerator import open_accelerator


def test_a_training_is_on_its_own_device_whatever_one_before_it_was_on() -> None:
    open_accelerator("cpu")
    PartialState().device = torch.device("cuda")  # as a training on a GPU leaves it
    assert open_accelerator("cpu").device.type == "cpu"
