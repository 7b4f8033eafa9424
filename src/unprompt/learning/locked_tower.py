"""An image tower that stays as it is while a text tower learns to match it.

Zhai et al. 2022, "LiT: Zero-Shot Transfer with Locked-image text Tuning". Its features are then made once,
so that many epochs cost a CPU little more than one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.progress import Progress, silent

if TYPE_CHECKING:
    from unprompt.datasets.pixels import Pixels
    from unprompt.networks.preprocess import Preprocess
    from unprompt.networks.state_dicts import StateDict
    from unprompt.records import FloatArray

LOOK_BATCH = 64


@dataclass(frozen=True, eq=False)
class LockedTower:
    """A network of timm's, by its name, and how it wants images. `network`: (B, 3, S, S) -> (B, d)."""

    name: str
    preprocess: Preprocess
    network: Any

    def features(
        self,
        pixels: Pixels,
        device: str = "cpu",
        progress: Progress = silent,
        stages: int = 0,
    ) -> FloatArray:
        """What the tower makes of N images, (N, d). `progress` is told images done and in all.

        With `stages`, `pixels` are what so many first stages made of the images, see frozen_stages.py.
        """
        import torch

        from unprompt.datasets.batches import batches
        from unprompt.learning.frozen_stages import later_stages

        self.network.to(device)
        plan = np.split(np.arange(len(pixels)), range(LOOK_BATCH, len(pixels), LOOK_BATCH))
        found: list[FloatArray] = []
        with torch.inference_mode():
            for rows, images in batches(pixels, plan, workers=0):
                seen = images.to(device)
                if stages:
                    made = later_stages(self.network, stages, seen.permute(0, 3, 1, 2).float())
                else:
                    made = self.network(self.preprocess.normalise(seen))
                found.append(made.cpu().numpy())
                progress("features", int(rows[-1]) + 1, len(pixels))
        return np.concatenate(found)

    def state(self) -> StateDict:
        """The tower's tensors as timm names them, also where norms were folded into convolutions.

        A folded norm comes back as one that adds the convolution's bias and does nothing else.
        """
        import timm
        import torch

        state = {name: tensor.cpu() for name, tensor in self.network.state_dict().items()}
        with torch.device("meta"):
            own = timm.create_model(self.name, num_classes=0)
        for parent, module in own.named_modules():
            for (conv_name, conv), (norm_name, norm) in pairwise(module.named_children()):
                where = [".".join(filter(None, (parent, name))) for name in (conv_name, norm_name)]
                folded = f"{where[1]}.weight" not in state
                if folded and isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                    bias = state.pop(f"{where[0]}.bias")
                    state |= {
                        f"{where[1]}.{name}": tensor for name, tensor in _plain_norm(norm, bias).items()
                    }
        return state


def _plain_norm(norm: Any, bias: Any) -> StateDict:
    """Tensors with which a batch norm only adds `bias`."""
    import torch

    return {
        "weight": torch.full_like(bias, math.sqrt(1 + norm.eps)),
        "bias": bias,
        "running_mean": torch.zeros_like(bias),
        "running_var": torch.ones_like(bias),
        "num_batches_tracked": torch.tensor(0),
    }
