"""What learns in a training: all of a network, or one of several that learn in turn, as a GAN's two do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from unprompt.learning.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Part:
    """What learns by a loss of its own.

    `objective`: inputs -> their mean loss, and sums over them by name, of what metrics.csv shall have the
    means of. All its parameters that want a gradient learn. Another part's network that it looks through must
    not be one of its modules (hold its `forward`); the loop sees to it that this learns nothing meanwhile.
    """

    objective: torch.nn.Module
    name: str = "network"
    learning_rate: float | None = None  # peak (None: the schedule's)
    weight_decay: float | None = None  # of what has two dimensions and more (None: the schedule's)
    groups: Sequence[Mapping[str, Any]] = ()  # AdamW's, each with its peak "lr", where those two do not do
    betas: tuple[float, float] = (0.9, 0.99)
    ema: float = 0.0  # decay of the moving average (0: none)
    network: torch.nn.Module | None = None  # of the objective, that is averaged and used (None: all of it)


class PartlyFrozen(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """An objective over a network of which a part learns: what wants a gradient when this is made.

    Its state is that part alone: what is frozen may be gigabytes, and is read again from where it came.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network
        self._learns = [name for name, value in self.named_parameters() if value.requires_grad]

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        every = super().state_dict(*args, **kwargs)
        return {name: every[name] for name in self._learns}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        return super().load_state_dict({**super().state_dict(), **state_dict}, strict, assign)


class Learner:
    """A part on its device: its objective as processes share it, its optimiser and its average."""

    def __init__(self, part: Part, schedule: Schedule, accelerator: Any) -> None:
        self.name = part.name
        self._accelerator = accelerator
        self._whole = part.objective.to(accelerator.device)
        self._network = part.network or part.objective
        self._ema = None
        if part.ema:
            from timm.utils import ModelEmaV3

            self._ema = ModelEmaV3(self._network, part.ema, use_warmup=True)
        rate = schedule.learning_rate if part.learning_rate is None else part.learning_rate
        decay = schedule.weight_decay if part.weight_decay is None else part.weight_decay
        groups = [dict(group) for group in part.groups] or decayed(part.objective, decay)
        optimizer = torch.optim.AdamW(
            groups, lr=rate, betas=part.betas, fused=accelerator.device.type != "mps"
        )
        self._peaks = [group["lr"] for group in optimizer.param_groups]
        self._parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        self.objective, self._optimizer = accelerator.prepare(part.objective, optimizer)

    @property
    def average(self) -> torch.nn.Module:
        """The network, averaged where it is."""
        return self._ema.module if self._ema else self._network

    def want_gradients(self, wanted: bool) -> None:
        """Say of all that learns whether it wants gradients."""
        for parameter in self._parameters:
            parameter.requires_grad_(wanted)

    def step(self, share: float, clip: float, step: int) -> None:
        """Take the gradients that are there as far as `share` of the peak learning rates goes."""
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * share
        if clip:
            self._accelerator.clip_grad_norm_(self.objective.parameters(), clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._ema:
            self._ema.update(self._network, step + 1)

    def state(self) -> dict[str, Any]:
        """State dicts of what the next step depends on."""
        state = {"objective": self._whole.state_dict(), "optimizer": self._optimizer.state_dict()}
        if self._ema:
            state["average"] = self._ema.module.state_dict()
        return state

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        self._whole.load_state_dict(state["objective"])
        self._optimizer.load_state_dict(state["optimizer"])
        if self._ema:
            self._ema.module.load_state_dict(state["average"])


def decayed(module: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups of all parameters that want a gradient; those of two dimensions and more decay."""
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in wanted if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in wanted if p.ndim < 2], "weight_decay": 0.0},
    ]
