"""Stable Diffusion's files: naming a model by its content, and loading it part by part.

Each part is loaded by a class named here, so nothing that model_index.json names is run, and nothing is
unpickled.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unprompt.errors import CheckpointError, InputError, RunError
from unprompt.networks.checkpoints import sha256_of_files
from unprompt.networks.devices import is_out_of_memory
from unprompt.networks.extent import Extent, check_numbers, made_within
from unprompt.networks.huggingface import stay_offline
from unprompt.storage.damage import damaged_weights
from unprompt.storage.files import read_json
from unprompt.storage.packages import needed_for
from unprompt.text.english import agreed, counted

LAYOUT = "stabilityai/stable-diffusion-2"

# Name -> the class of diffusers and what differs from the model's own scheduler settings. Its noise schedule
# and prediction type stay as they are. Latents have no fixed range, so DDIM must not clip them to [-1, 1].
SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "ddim": ("DDIMScheduler", {"clip_sample": False}),
        "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "dpmsolver++-karras": (
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
        ),
        "euler": ("EulerDiscreteScheduler", {}),
        "euler-karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
        "euler-a": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "heun-karras": ("HeunDiscreteScheduler", {"use_karras_sigmas": True}),
        "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
        "unipc": ("UniPCMultistepScheduler", {}),
    }
)

# Part -> the class that loads it, and the files that may hold its parameters, the preferred first.
PARAMETERS = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
)
NETWORKS: Mapping[str, tuple[str, str, tuple[str, ...]]] = MappingProxyType(
    {
        "text_encoder": (
            "transformers",
            "CLIPTextModel",
            ("model.safetensors", "model.fp16.safetensors", "pytorch_model.bin"),
        ),
        "unet": ("diffusers", "UNet2DConditionModel", PARAMETERS),
        "vae": ("diffusers", "AutoencoderKL", PARAMETERS),
    }
)

VOCABULARY = ("vocab.json", "merges.txt")
UNMERGED = 2 * 256 + 2  # words of CLIP's vocabulary that need no merge: bytes, bytes at a word's end, marks


def model_files(folder: Path) -> tuple[Path, ...]:
    """The files that loading reads, in a fixed order.

    Raises CheckpointError, with a count and the first, where some are missing.
    """
    files = [folder / "scheduler" / "scheduler_config.json"]
    missing: list[str] = []
    for part, (_, _, weights) in NETWORKS.items():
        files.append(folder / part / "config.json")
        there = [folder / part / name for name in weights if (folder / part / name).is_file()]
        files += there[:1]
        missing += [] if there else [f"{part}/{weights[0]} (or {' or '.join(weights[1:])})"]
    missing = [str(file.relative_to(folder)) for file in files if not file.is_file()] + missing
    tokenizer = folder / "tokenizer"
    if not (tokenizer / "tokenizer.json").is_file():  # the newer form, which holds both
        missing += [f"tokenizer/{name}" for name in VOCABULARY if not (tokenizer / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is not a whole Stable Diffusion folder: {counted(len(missing), 'file')} "
            f"{agreed(len(missing), 'are')} missing, first: {missing[0]}; expected the layout of {LAYOUT}"
        )
    return (*files, *(path for path in sorted(tokenizer.iterdir()) if path.is_file()))


def model_sha256(folder: Path) -> str:
    """One sha256 over the names and contents of the files that loading reads."""
    states = (path.stat() for path in model_files(folder))
    return _model_sha256(folder, tuple((state.st_size, state.st_mtime_ns) for state in states))


@cache
def _model_sha256(folder: Path, _states: tuple[tuple[int, int], ...]) -> str:
    """`_states`, the files' sizes and times, are only there so that a changed file is read again."""
    return sha256_of_files(folder, model_files(folder))


def load_pipeline(folder: Path, scheduler: str, dtype: str, device: str) -> Any:
    """The StableDiffusionPipeline of a folder, with no safety checker and no progress bars.

    Raises CheckpointError for missing and damaged files, RunError where it does not fit into the memory.
    """
    try:
        pipeline = (
            _library("diffusers")
            .StableDiffusionPipeline(
                **load_parts(folder, dtype),
                scheduler=load_scheduler(folder, scheduler),
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            )
            .to(device)
        )
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"the model in {folder} does not fit into the memory of {device} in {dtype}; close what else "
            "uses it, or use a device with more free memory"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_parts(folder: Path, dtype: str) -> dict[str, Any]:
    """The tokenizer and the three networks of a folder by their names, on the CPU, as pipelines take them.

    The networks are in evaluation mode and want no gradients. Raises CheckpointError for missing and damaged
    files.
    """
    model_files(folder)
    tokenizer = load_tokenizer(folder)
    # Both would write a line for every picture whose prompt is cut; `check` tells it once for all.
    for library in ("diffusers", "transformers"):
        _library(library).utils.logging.set_verbosity_error()
    return {"tokenizer": tokenizer, **{part: _load_network(folder, part, dtype) for part in NETWORKS}}


def repainting(pipeline: Any) -> Any:
    """A pipeline with the same networks and scheduler that begins with an image; nothing is loaded."""
    return with_parts_of(pipeline, "StableDiffusionImg2ImgPipeline")


def with_parts_of(pipeline: Any, class_name: str, **more: Any) -> Any:
    """A pipeline of another of diffusers' classes with the same networks, scheduler, and `more` networks."""
    own = ("vae", "text_encoder", "tokenizer", "unet", "scheduler", "safety_checker", "feature_extractor")
    parts = {name: pipeline.components[name] for name in own} | more
    made = getattr(_library("diffusers"), class_name)(**parts, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder. Raises CheckpointError where it is missing or damaged."""
    model_files(folder)
    check_vocabulary(folder / "tokenizer")
    transformers = _library("transformers")
    try:
        return transformers.CLIPTokenizer.from_pretrained(
            str(folder / "tokenizer"), local_files_only=True, trust_remote_code=False
        )
    except damaged_weights() as error:
        raise _damaged(folder / "tokenizer", error) from error


def check_vocabulary(folder: Path) -> None:
    """Raise CheckpointError for a vocabulary that is damaged or ends too early.

    For the first the library raises a bare Exception, for the second nothing: it splits words wrongly.
    """
    try:
        contents = {path.name: read_json(path) for path in sorted(folder.glob("*.json"))}
    except InputError as error:
        raise CheckpointError(f"{folder} cannot be loaded ({error}); get it again") from error
    words, merges = (folder / name for name in VOCABULARY)
    if not (words.is_file() and merges.is_file()):
        return
    known = contents[words.name]
    lines = merges.read_text("utf-8", errors="replace").splitlines()
    pairs = [line.split() for line in lines if line and not line.startswith("#version")]
    wrong = next((pair for pair in pairs if len(pair) != 2 or "".join(pair) not in known), None)
    if wrong is not None or len(pairs) < len(known) - UNMERGED:
        raise CheckpointError(
            f"{folder} cannot be loaded ({merges.name} has {len(pairs)} merges for {len(known)} words"
            + (f", one of them is '{' '.join(wrong)}'" if wrong else "")
            + "); get it again"
        )


def find_too_long(tokenizer: Any, prompts: Sequence[str]) -> list[int]:
    """Positions of the prompts that have more tokens than the model reads."""
    long: list[int] = []
    for start in range(0, len(prompts), 1000):
        # `truncation` off makes the tokenizer itself warn, once, about something that is told here.
        rows = tokenizer(list(prompts[start : start + 1000]), verbose=False).input_ids
        long += [start + row for row, ids in enumerate(rows) if len(ids) > tokenizer.model_max_length]
    return long


def load_scheduler(folder: Path, name: str) -> Any:
    """One of SCHEDULERS with the noise schedule and prediction type of a model folder.

    Raises CheckpointError where the folder's settings cannot be read.
    """
    class_name, changes = SCHEDULERS[name]
    kind = getattr(_library("diffusers"), class_name)
    try:
        return kind.from_config(kind.load_config(str(folder / "scheduler"), local_files_only=True), **changes)
    except damaged_weights() as error:
        raise _damaged(folder / "scheduler", error) from error


def _load_network(folder: Path, part: str, dtype: str) -> Any:
    """One of a folder's NETWORKS, from safetensors where there is such a file, else from a .bin.

    Of two in safetensors the full one is read, else that in half precision, which is made `dtype` too.
    Both libraries pass `weights_only=True` to torch.load, so nothing is unpickled.
    """
    library, class_name, weights = NETWORKS[part]
    return load_network(folder / part, library, class_name, weights, dtype)


def load_network(folder: Path, library: str, class_name: str, weights: Sequence[str], dtype: str) -> Any:
    """A network of a folder by a class of diffusers or transformers, on the CPU, in evaluation mode.

    `weights`: files that may hold its parameters, the preferred first; one must be there. Raises
    CheckpointError for damaged files and for those of another network.
    """
    import torch

    file = next(name for name in weights if (folder / name).is_file())
    extent = Extent.of_files([folder / file])
    try:
        check_numbers(read_json(folder / "config.json"), str(folder / "config.json"), extent)
    except InputError as error:
        raise CheckpointError(f"{error}; get it again") from error
    with made_within(extent, str(folder)):
        try:
            network, report = getattr(_library(library), class_name).from_pretrained(
                str(folder),
                dtype=getattr(torch, dtype),
                use_safetensors=file.endswith(".safetensors"),
                variant="fp16" if ".fp16." in file else None,
                local_files_only=True,
                output_loading_info=True,
            )
        except damaged_weights() as error:
            if is_out_of_memory(error):
                raise
            raise _damaged(folder, error) from error
    if report["missing_keys"]:  # they would be left as random numbers
        missing = sorted(report["missing_keys"])
        raise CheckpointError(
            f"{folder} lacks {len(missing)} of the network's parameters, first: {missing[0]}; "
            "another model's, or incomplete: get them again"
        )
    return network.eval().requires_grad_(False)


def _damaged(path: Path, error: BaseException) -> CheckpointError:
    reason = " ".join(str(error).split())[:200]
    return CheckpointError(f"{path} cannot be loaded ({type(error).__name__}: {reason}); get it again")


def _library(name: str) -> Any:
    stay_offline()
    with needed_for("Stable Diffusion", "generate"):
        module = importlib.import_module(name)
    if name == "transformers":
        module.utils.logging.disable_progress_bar()
    return module
