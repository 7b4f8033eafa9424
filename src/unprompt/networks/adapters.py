"""Low-rank updates of captioners, in peft's own format: begun, written, read, and added to the weights.

Hu et al. 2021, "LoRA": a layer's W becomes W + alpha / rank * B A, and only A and B learn.

    FOLDER/
      adapter_config.json           rank, alpha, which layers
      adapter_model.safetensors     A and B of each

`peft.PeftModel.from_pretrained` reads what is written here, and what others trained with peft is read here.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unprompt.errors import CheckpointError, ConfigError, InputError, UnpromptError
from unprompt.networks.captioner_files import CaptionNetwork, load_captioner
from unprompt.networks.extent import Extent, TooLargeError, check_numbers, made_within
from unprompt.networks.huggingface import WEIGHTS, stay_offline
from unprompt.storage.files import read_json
from unprompt.storage.packages import needed_for

# The parts of a BLIP-2, and the layers of each that get updates. The language model's are those that are
# customary for OPT; only the other two can change what is seen.
PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"language": ("q_proj", "k_proj"), "vision": ("qkv",), "qformer": ("query", "value")}
)
JOINED_BY = "+"
ADAPTER = "adapter"  # the folder's name in what a training leaves
SETTINGS, TENSORS = "adapter_config.json", "adapter_model.safetensors"
SMALL_FILES = (".json", ".txt", ".model", ".jinja")  # what stands beside a model's weights


def layers_of(targets: str) -> tuple[str, ...]:
    """ "language+vision" -> ("q_proj", "k_proj", "qkv"); a word that is no part is the name of a layer.

    Raises ConfigError for a name that is empty.
    """
    words = [word.strip() for word in targets.split(JOINED_BY)]
    if not all(words):
        raise ConfigError(
            f"targets must be parts ({', '.join(PARTS)}) or names of layers, joined by {JOINED_BY}, "
            f"got '{targets}'"
        )
    return tuple(dict.fromkeys(name for word in words for name in PARTS.get(word, (word,))))


def add_adapter(network: Any, targets: str, rank: int, alpha: float, dropout: float) -> Any:
    """A peft model over a frozen network: `rank`, `alpha` and the dropout before A, of the layers `targets`.

    What it gives is at first what the network gave, as B begins at 0. In half precision the updates are
    still in float32. Raises ConfigError for layers that the network has not.
    """
    peft = _peft()
    names = layers_of(targets)
    linear = [name for name, module in network.named_modules() if type(module).__name__ == "Linear"]
    for name in names:
        if not any(one == name or one.endswith(f".{name}") for one in linear):
            last = sorted({one.rpartition(".")[2] for one in linear})
            raise ConfigError(f"no layer of this model is called '{name}'; there are {', '.join(last)}")
    settings = peft.LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(names), bias="none"
    )  # without a task_type, which would wrap the model as one of text alone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about names in transformers that peft still uses
        return peft.get_peft_model(network, settings)


def count_parameters(network: Any) -> tuple[int, int]:
    """How many numbers learn, and how many there are in all."""
    every = list(network.parameters())
    return sum(one.numel() for one in every if one.requires_grad), sum(one.numel() for one in every)


def save_adapter(folder: Path, adapted: Any) -> None:
    """Write the updates of a peft model into an empty folder, and nothing else."""
    adapted.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # a form to fill in, which says nothing


def find_adapter(folder: Path) -> Path:
    """The folder of updates: this one, or that of a training which left it. CheckpointError for none."""
    for place in (folder, folder / ADAPTER):
        if (place / SETTINGS).is_file():
            return place
    raise CheckpointError(
        f"{folder} holds no low-rank updates: there is no {SETTINGS} in it or in its folder {ADAPTER}; name "
        "what `unprompt doodle train --model` left, or a folder that peft wrote"
    )


def merge_adapter(loaded: CaptionNetwork, folder: Path) -> CaptionNetwork:
    """A captioner with the updates of a folder added to its weights, in the precision that these have.

    Raises CheckpointError for updates that are missing, damaged, or of another model.
    """
    folder = find_adapter(folder)
    peft = _peft()
    tensors = sorted(folder.glob("adapter_model.*"))
    try:
        check_numbers(read_json(folder / SETTINGS), str(folder / SETTINGS))
        extent = Extent.of_files([*tensors, *loaded.files[1:]])  # sets of layers may be replaced whole
    except InputError as error:
        raise _misfit(folder, loaded, error) from error
    with made_within(extent, str(folder)), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("error", UserWarning)  # a tensor that is missing is one to peft
        try:
            adapted = peft.PeftModel.from_pretrained(loaded.network, str(folder), torch_device="cpu")
            network = adapted.merge_and_unload(safe_merge=True)
        except (TooLargeError, UnpromptError):
            raise
        except Exception as error:  # peft, safetensors and torch each have kinds of their own
            raise _misfit(folder, loaded, error) from error
    network.eval().requires_grad_(False)
    return replace(loaded, network=network, files=(*loaded.files, folder / SETTINGS, *tensors))


def _misfit(folder: Path, loaded: CaptionNetwork, error: Exception) -> CheckpointError:
    first = " ".join(str(error).split())[:200] or type(error).__name__
    return CheckpointError(
        f"the low-rank updates in {folder} do not fit {loaded.files[0].parent}, or are damaged "
        f"({first}); give the model that they were trained on"
    )


def write_merged(model: Path, adapter: Path, out: Path) -> None:
    """Write a captioner's folder with updates added, in float32: it needs no peft any more.

    `model`: a folder in transformers' layout. `out`: an empty folder. Raises CheckpointError as `load` does.
    """
    if not model.is_dir():
        raise CheckpointError(f"{model} is no folder of a model; updates are added to one")
    merged = merge_adapter(load_captioner(model, None, "fp32"), adapter)
    for file in sorted(merged.files[0].parent.iterdir()):
        if file.suffix in SMALL_FILES and file.name not in WEIGHTS:
            shutil.copyfile(file, out / file.name)
    merged.network.save_pretrained(str(out))


def _peft() -> Any:
    stay_offline()
    with needed_for("low-rank updates", "train"):
        import peft
    return peft
