"""The loop that trains a CLIP and a captioner: AdamW over rows of examples, saved on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unprompt.errors import ConfigError, RunError
from unprompt.progress import Progress, silent
from unprompt.storage.files import writing

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

STATE = "state.pt"
CHECK = 25  # steps between two looks at the loss and the clock


@dataclass(frozen=True)
class Schedule:
    """How a network learns."""

    epochs: int = 5
    batch: int = 64  # examples a step
    learning_rate: float = 1e-3  # peak, after the warm-up; then half a cosine to 0
    weight_decay: float = 0.05  # of what has two dimensions and more
    warmup: float = 0.05  # share of all steps
    clip: float = 1.0  # longest gradient (0: any)
    seed: int = 0
    save_minutes: float = 3.0  # between two saves: what a kill can cost

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1),
            ("batch", 1),
            ("weight_decay", 0),
            ("clip", 0),
            ("save_minutes", 0),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup must be at least 0 and below 1, got {self.warmup}")

    def deciding(self) -> dict[str, Any]:
        """The settings on which the result depends."""
        return {name: value for name, value in asdict(self).items() if name != "save_minutes"}


@dataclass(frozen=True)
class Learnt:
    """What `learn` tells: its seconds over all starts, and the mean loss of the last epoch's examples."""

    seconds: float
    loss: float


def learn(
    network: Any,
    loss_at: Callable[[NDArray[np.int64]], Tensor],
    examples: int,
    schedule: Schedule,
    work: Path,
    progress: Progress = silent,
) -> Learnt:
    """Train the parameters of `network` that want a gradient, in place, in training mode.

    `loss_at`: rows (B,) of the examples -> their mean loss. `work`: the folder for the state from which a
    call that was killed goes on, with the same result as if it had not been. `progress` is told the epoch,
    examples done and in all. Raises RunError for a loss that is not a number and a state that is damaged.
    """
    import torch

    from unprompt.datasets.batches import epoch_batches
    from unprompt.datasets.seeds import derive_seed
    from unprompt.learning.schedule import learning_rate_share

    optimizer = _optimizer(network, schedule)
    rows = np.arange(examples)
    per_epoch = len(epoch_batches(rows, schedule.batch, schedule.seed, 1))
    state = _State(work / STATE, network, optimizer)
    network.train()
    step, seconds, losses = state.read()
    began = saved = time.monotonic()
    plan: list[NDArray[np.int64]] = []
    pending = torch.zeros((), device=next(network.parameters()).device)
    while step < schedule.epochs * per_epoch:
        epoch, number = step // per_epoch + 1, step % per_epoch
        if not plan or number == 0:
            plan = epoch_batches(rows, schedule.batch, schedule.seed, epoch)
        if number == 0:
            losses = 0.0
        torch.manual_seed(derive_seed(schedule.seed, "step", step))
        for group in optimizer.param_groups:
            group["lr"] = schedule.learning_rate * learning_rate_share(
                step, schedule.epochs * per_epoch, schedule.warmup
            )
        loss = loss_at(plan[number])
        loss.backward()
        if schedule.clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), schedule.clip)
        optimizer.step()
        optimizer.zero_grad()
        pending += loss.detach()
        step, number = step + 1, number + 1
        progress(f"epoch {epoch}", number * schedule.batch, per_epoch * schedule.batch)
        if number % CHECK and number < per_epoch:
            continue
        losses += float(pending)
        pending.zero_()
        if not math.isfinite(losses):
            raise RunError(
                f"the loss is not a number, at step {step} in epoch {epoch}; start anew with a lower "
                f"learning_rate than {schedule.learning_rate:g}"
            )
        now = time.monotonic()
        if now - saved >= 60 * schedule.save_minutes or step == schedule.epochs * per_epoch:
            state.write(step, seconds + now - began, losses)
            saved = now
    return Learnt(seconds + time.monotonic() - began, losses / per_epoch)


def _optimizer(network: Any, schedule: Schedule) -> Any:
    import torch

    wanted = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in wanted if p.ndim > 1], "weight_decay": schedule.weight_decay},
        {"params": [p for p in wanted if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=schedule.learning_rate, betas=(0.9, 0.98), fused=wanted[0].device.type != "mps"
    )


class _State:
    """Where a training stands, on disk."""

    def __init__(self, path: Path, network: Any, optimizer: Any) -> None:
        self._path = path
        self._network = network
        self._optimizer = optimizer

    def read(self) -> tuple[int, float, float]:
        """Steps done, seconds taken, and the sum of this epoch's losses; all 0 where nothing was saved."""
        import torch

        if not self._path.exists():
            return 0, 0.0, 0.0
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError) as error:
            raise RunError(
                f"{self._path} cannot be read ({str(error).splitlines()[0]}); remove it to start anew"
            ) from error
        self._network.load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        return state["step"], state["seconds"], state["losses"]

    def write(self, step: int, seconds: float, losses: float) -> None:
        import torch

        with writing(self._path) as stream:
            torch.save(
                {
                    "network": self._network.state_dict(),
                    "optimizer": self._optimizer.state_dict(),
                    "step": step,
                    "seconds": seconds,
                    "losses": losses,
                },
                stream,
            )
