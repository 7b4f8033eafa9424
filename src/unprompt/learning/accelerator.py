"""Accelerate's view of the machine, and a folder that several processes of one training share.

The same code runs on one CPU, one GPU, or under `accelerate launch` on several of them and on several
machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from unprompt.networks.devices import choose_device
from unprompt.storage.packages import needed_for
from unprompt.storage.resumable import FolderKind, open_folder
from unprompt.storage.sources import Sources

PATIENCE = timedelta(hours=12)  # of processes that wait while the first one decodes, embeds or draws


def open_accelerator(device: str = "auto", precision: str = "fp32", compiled: bool = False) -> Any:
    """An Accelerator for a device as `choose_device` takes it and a precision as `choose_precision` does.

    `compiled`: objectives run through torch.compile. Raises CheckpointError where Accelerate is missing.
    """
    with needed_for("training", "train"):
        from accelerate import Accelerator, InitProcessGroupKwargs
        from accelerate.state import AcceleratorState, PartialState
    chosen = choose_device(device)
    precision = choose_precision(precision, chosen)
    if chosen.startswith("cuda:"):
        torch.cuda.set_device(chosen)
    # Of an earlier run in this process: it would insist on its precision, and on the kind of its device.
    earlier = PartialState._shared_state.get("device")
    AcceleratorState._reset_state(
        reset_partial_state=earlier is not None and earlier.type != torch.device(chosen).type
    )
    return Accelerator(
        cpu=chosen == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        dynamo_backend="inductor" if compiled else None,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )


def choose_precision(wanted: str, device: str) -> str:
    """ "auto" -> bf16 on a GPU that computes in it, fp16 on one that does not (P100, T4), else fp32."""
    if wanted != "auto":
        return wanted
    if not device.startswith("cuda"):
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def device_of(accelerator: Any) -> str:
    """The device of this process, as torch names it."""
    return str(accelerator.device)


@contextmanager
def shared_folder(
    accelerator: Any,
    out: Path,
    kind: FolderKind,
    plan: Mapping[str, Any],
    overwrite: bool,
    sources: Sources | None = None,
) -> Iterator[None]:
    """Open a folder for the work of all processes: the main one as `open_folder` does, the others after it.

    At the end they wait for each other, so that none goes on before the folder is finished.
    """
    with ExitStack() as stack:
        if accelerator.is_main_process:
            stack.enter_context(open_folder(out, kind, plan, overwrite, sources=sources))
        accelerator.wait_for_everyone()
        yield
        accelerator.wait_for_everyone()
