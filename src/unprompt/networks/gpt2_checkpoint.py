"""A GPT-2 folder on disk: whether it is one, and loading it. Nothing is ever downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unprompt.errors import CheckpointError
from unprompt.networks.checkpoints import sha256_of_files
from unprompt.networks.extent import Extent, check_numbers, made_within, parts_of
from unprompt.networks.huggingface import WEIGHTS, import_transformers
from unprompt.storage.damage import damaged_weights
from unprompt.storage.files import read_json
from unprompt.text.english import counted

LAYOUT = "openai-community/gpt2"
NEEDED_FOR = ("GPT-2", "generate")  # the work, and what installs its packages
VOCABULARY = ("vocab.json", "merges.txt")


def model_files(folder: Path) -> list[Path]:
    """The files of a GPT-2 folder that loading reads, config.json first.

    Raises CheckpointError for a folder of another model, and where the weights or the tokenizer are missing.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise CheckpointError(
            f"{folder} has no config.json, so it is no model folder; expected the layout of {LAYOUT}"
        )
    kind = read_json(config).get("model_type")
    if kind != "gpt2":
        raise CheckpointError(
            f"{folder} holds a model of the type '{kind}', not 'gpt2'; "
            f"give a folder in the layout of {LAYOUT}"
        )
    weights = [folder / name for name in WEIGHTS if (folder / name).is_file()][:1]
    if not weights:
        raise CheckpointError(
            f"{folder} has no weights ({' or '.join(WEIGHTS)}); copy them from where its config.json is from"
        )
    if weights[0].suffix == ".json":
        weights += parts_of(weights[0], read_json(weights[0]))
    tokenizer = [folder / "tokenizer.json"]
    if not tokenizer[0].is_file():
        tokenizer = [folder / name for name in VOCABULARY]
    for path in (*weights, *tokenizer):
        if not path.is_file():
            raise CheckpointError(
                f"{folder} has no {path.name}; copy it from where its config.json is from "
                f"(a tokenizer is tokenizer.json, or {' and '.join(VOCABULARY)})"
            )
    return [config, *weights, *tokenizer]


def model_sha256(folder: Path) -> str:
    """One sha256 over the names and contents of the files that loading reads."""
    return sha256_of_files(folder, model_files(folder))


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder. Raises CheckpointError where it is missing or damaged."""
    model_files(folder)
    transformers = import_transformers(*NEEDED_FOR)
    try:
        return transformers.GPT2TokenizerFast.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # tokenizers knows no other kind for files whose bytes are wrong
        raise CheckpointError(
            f"the tokenizer in {folder} cannot be loaded ({error}); get it again"
        ) from error


def load_model(folder: Path, dtype: str) -> Any:
    """The GPT2LMHeadModel of a folder, on the CPU. Raises CheckpointError where it is missing or damaged."""
    files = model_files(folder)
    transformers = import_transformers(*NEEDED_FOR)
    extent = Extent.of_files(path for path in files if path.suffix in (".safetensors", ".bin"))
    check_numbers(read_json(files[0]), str(files[0]), extent)
    with made_within(extent, f"the model in {folder}"):
        try:
            model, report = transformers.GPT2LMHeadModel.from_pretrained(
                str(folder),
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except damaged_weights() as error:
            first = str(error).strip().partition("\n")[0]
            raise CheckpointError(
                f"the model in {folder} cannot be loaded ({first}); get it again"
            ) from error
    if missing := sorted(report["missing_keys"]):  # transformers fills them with random numbers
        raise CheckpointError(
            f"the weights in {folder} lack {counted(len(missing), 'tensor')} of a GPT-2, first: "
            f"{missing[0]}; get them again"
        )
    return model.eval().requires_grad_(False)
