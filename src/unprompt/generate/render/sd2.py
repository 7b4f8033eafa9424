"""The engine `sd2`: Stable Diffusion through diffusers, from a folder on this machine.

The folder has the layout of stabilityai/stable-diffusion-2 (`model_index.json`, `unet/`, `vae/` ...). Its
parts are loaded one by one, so that an error names the file that is wrong, and that no class or code which a
folder may name is ever run.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unprompt.checkpoints import known_checkpoints, locate, sha256_of
from unprompt.devices import choose_device, nth_gpu
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.files import read_json

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.generate.render.engine import Picture

CHECKPOINT = "stable-diffusion-2"
DTYPES = ("float16", "bfloat16", "float32")

# What a run changes: `light` takes about 0.6 times the work of `competition` (steps times pixels).
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "competition": MappingProxyType({"steps": 50, "width": 768, "height": 768, "save_size": 512}),
        "light": MappingProxyType({"steps": 35, "width": 712, "height": 712, "save_size": None}),
    }
)

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
        "euler-a": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
        "unipc": ("UniPCMultistepScheduler", {}),
    }
)

# Part -> the class that loads it, and the files that may hold its parameters, the preferred first.
NETWORKS: Mapping[str, tuple[str, str, tuple[str, str]]] = MappingProxyType(
    {
        "text_encoder": ("transformers", "CLIPTextModel", ("model.safetensors", "pytorch_model.bin")),
        "unet": (
            "diffusers",
            "UNet2DConditionModel",
            ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
        ),
        "vae": (
            "diffusers",
            "AutoencoderKL",
            ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
        ),
    }
)

VOCABULARY = ("vocab.json", "merges.txt")
UNMERGED = 2 * 256 + 2  # words of CLIP's vocabulary that need no merge: bytes, bytes at a word's end, marks

# Numbers alive at the worst moment of one step, per pixel of one guided picture (two passes of the UNet).
# Counted by adding up live tensors of Stable Diffusion 2's UNet at 512 to 1,024 pixels, batches 1 to 8, with
# attention that does not keep its scores: 614 MB in float32 for each more picture of 768 x 768.
UNET_NUMBERS_PER_PIXEL = 261
# What that count leaves out: the libraries' workspaces and the gaps between blocks of memory.
HEADROOM = 2
MOST_AT_ONCE = 16  # more only make a step longer

# What the loaders of torch, safetensors, diffusers and transformers raise for files whose bytes are wrong.
DAMAGED = (
    OSError,
    ValueError,  # and JSONDecodeError, UnicodeDecodeError
    RuntimeError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    pickle.UnpicklingError,
)


@dataclass(frozen=True)
class Sd2Engine:
    """Settings of the Stable Diffusion engine. The defaults are the competition's."""

    # No fields: every engine of this class has them.
    name = "sd2"
    chunk = 16
    wants_gpu = True
    packages = ("diffusers", "transformers", "torch", "pillow")

    model: str = CHECKPOINT  # a folder, or the name of a declared checkpoint
    steps: int = 50
    guidance: float = 7.5  # 1: no guidance, the negative prompt then has no effect
    width: int = 768  # pixels, multiples of 8
    height: int = 768
    save_size: int | None = 512  # pixels; a picture whose longer side is larger is scaled down to it
    scheduler: str = "ddim"
    negative_prompt: str = ""
    batch: int = 0  # pictures at once; 0: as many as the free memory of a GPU takes, 1 on a CPU
    device: str = "auto"
    dtype: str = "auto"  # "auto": float16 on a CUDA device, else float32

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"steps must be at least 1, got {self.steps}")
        if not 1 <= self.guidance <= 100:
            raise ConfigError(f"guidance must be between 1 (none) and 100, got {self.guidance}")
        for side in ("width", "height"):
            pixels = getattr(self, side)
            if pixels < 64 or pixels % 8:
                raise ConfigError(f"{side} must be a multiple of 8 and at least 64, got {pixels}")
        if self.save_size is not None and self.save_size < 1:
            raise ConfigError(f"save_size must be at least 1, got {self.save_size}")
        if self.scheduler not in SCHEDULERS:
            raise ConfigError(f"there is no scheduler '{self.scheduler}'; there are: {', '.join(SCHEDULERS)}")
        if self.negative_prompt and self.guidance == 1:
            raise ConfigError("a negative prompt has no effect with guidance 1; raise the guidance")
        if self.batch < 0:
            raise ConfigError(f"batch must be at least 1, or 0 for what the memory takes, got {self.batch}")
        if self.dtype not in ("auto", *DTYPES):
            raise ConfigError(f"dtype must be auto or one of {', '.join(DTYPES)}, got '{self.dtype}'")

    def resolved(self) -> Sd2Engine:
        """The same engine with device and dtype chosen, so that other processes choose no others.

        Raises ConfigError for a device that this machine does not have.
        """
        device = choose_device(self.device)
        dtype = self.dtype
        if dtype == "auto":
            dtype = "float16" if device.startswith("cuda") else "float32"
        return replace(self, device=device, dtype=dtype)

    def settings(self) -> Mapping[str, Any]:
        """All that decides the pictures, as JSON. The model is named by what is in its files.

        The batch and the device are left out: they change a picture by rounding at most. Reads the whole
        model once per process; raises CheckpointError where it is not there.
        """
        return {
            "engine": self.name,
            "model_sha256": model_sha256(model_folder(self.model)),
            "steps": self.steps,
            "guidance": self.guidance,
            "width": self.width,
            "height": self.height,
            "save_size": self.save_size,
            "scheduler": self.scheduler,
            "negative_prompt": self.negative_prompt,
            "dtype": self.resolved().dtype,
        }

    def check(self, prompts: Sequence[str]) -> None:
        """Raise InputError where prompts are empty; warn, once for all, where the model will cut some.

        The model reads the first 75 tokens between its start and end marks; what follows changes nothing.
        Raises CheckpointError where the model is not there.
        """
        empty = [number for number, prompt in enumerate(prompts, start=1) if not prompt.strip()]
        if empty:
            raise InputError(
                f"{len(empty)} of {len(prompts)} prompts are empty, first: number {empty[0]}; remove them"
            )
        long = over_length(load_tokenizer(model_folder(self.model)), prompts)
        if long:
            warnings.warn(
                f"{len(long)} of {len(prompts)} prompts are longer than the model reads and will be cut, "
                f"first: number {long[0] + 1}",
                stacklevel=2,
            )

    def open(self, worker: int = 0) -> Sd2Renderer:
        """Load the model onto its device; where there are several GPUs, onto that of the worker.

        Raises CheckpointError for a model that is missing or damaged, RunError where it does not fit into
        the memory.
        """
        engine = self.resolved()
        if engine.device == "cuda":
            engine = replace(engine, device=nth_gpu(worker))
        pipeline = load_pipeline(model_folder(engine.model), engine.scheduler, engine.dtype, engine.device)
        return Sd2Renderer(engine, pipeline, engine.batch or automatic_batch(engine))


class Sd2Renderer:
    """A loaded model. `batch` is how many pictures it makes at once; it falls where memory runs out.

    A picture's noise comes from its own generator, seeded with its seed, on the CPU: it is the same on every
    device and whatever else is in the batch. With a batch of 1, the same machine gives the same bytes. Larger
    batches are added up in another order: in float32 on a CPU, single pixels then differ by one level of 255.
    On a GPU nothing was measured; there, count on the same picture, not on the same bytes.
    """

    def __init__(self, engine: Sd2Engine, pipeline: Any, batch: int) -> None:
        self.engine = engine
        self.pipeline = pipeline
        self.batch = batch

    def render(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        """One RGB image a picture, in order.

        A batch that does not fit into the memory is halved, with a warning, and made again; later batches
        have the smaller size. Raises RunError where a single picture does not fit, and where the model gives
        numbers that are not finite, which would be saved as a black image.
        """
        images: list[Image.Image] = []
        while len(images) < len(pictures):
            batch = pictures[len(images) : len(images) + self.batch]
            drawn = self._drawn_if_it_fits(batch)
            if drawn is None:
                # Only here, after the error and the tensors that it held are gone, is there memory to free.
                empty_cache(self.engine.device)
                self.batch = len(batch) // 2
                warnings.warn(
                    f"out of memory with {len(batch)} pictures of {self._size} at once; going on with "
                    f"{self.batch}",
                    stacklevel=2,
                )
            else:
                images += drawn
        return images

    @property
    def _size(self) -> str:
        return f"{self.engine.width} x {self.engine.height} pixels"

    def _drawn_if_it_fits(self, batch: Sequence[Picture]) -> list[Image.Image] | None:
        """The images of one batch, or None where memory ran out and a smaller batch can help."""
        try:
            return self._draw(batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                half = " dtype float16," if self.engine.dtype == "float32" and self._on_gpu else ""
                raise RunError(
                    f"one picture of {self._size} does not fit into the memory of {self.engine.device} in "
                    f"{self.engine.dtype}; use{half} a smaller width and height, the preset 'light', or a "
                    "device with more free memory"
                ) from error
        return None

    @property
    def _on_gpu(self) -> bool:
        return self.engine.device.startswith("cuda")

    def _draw(self, batch: Sequence[Picture]) -> list[Image.Image]:
        import torch

        engine, pipeline = self.engine, self.pipeline
        scale = pipeline.vae_scale_factor
        shape = (1, pipeline.unet.config.in_channels, engine.height // scale, engine.width // scale)
        generators = [torch.Generator("cpu").manual_seed(picture.seed) for picture in batch]
        noise = [torch.randn(shape, generator=generator) for generator in generators]
        with torch.no_grad():
            latents = pipeline(
                prompt=[picture.prompt for picture in batch],
                negative_prompt=[engine.negative_prompt] * len(batch),
                height=engine.height,
                width=engine.width,
                num_inference_steps=engine.steps,
                guidance_scale=engine.guidance,
                generator=generators,  # some schedulers add noise at every step
                latents=torch.cat(noise).to(engine.device, pipeline.unet.dtype),  # (B, 4, H / 8, W / 8)
                output_type="latent",
            ).images
            # One by one: decoding a picture takes more memory than a step, and gains nothing by company.
            return [self._decode(latents[row : row + 1], picture) for row, picture in enumerate(batch)]

    def _decode(self, latent: Any, picture: Picture) -> Image.Image:
        """One picture's latent (1, 4, H / 8, W / 8) -> its image, scaled down where that was asked."""
        import torch
        from PIL import Image

        vae = self.pipeline.vae
        pixels = vae.decode(latent / vae.config.scaling_factor, return_dict=False)[0]  # (1, 3, H, W)
        # Before they are clamped to [0, 1], which would hide an infinity.
        if not torch.isfinite(pixels).all():
            mend = "use dtype float32"
            if self.engine.dtype == "float32":
                mend = "the model's parameters are damaged, get them again"
            raise RunError(
                f"'{picture.image_id}' has pixels that are not finite, made in {self.engine.dtype}; {mend}"
            )
        image: Image.Image = self.pipeline.image_processor.postprocess(pixels, output_type="pil")[0]
        limit = self.engine.save_size
        if limit is None or max(image.size) <= limit:
            return image
        factor = limit / max(image.size)
        size = tuple(max(1, round(side * factor)) for side in image.size)
        return image.resize((size[0], size[1]), Image.Resampling.LANCZOS)


# --- the model's files


def model_folder(model: str) -> Path:
    """The folder of a model: `model` itself, or where the checkpoint of that name is found.

    Raises CheckpointError that says how to get it.
    """
    if Path(model).is_dir():
        return Path(model)
    if model in known_checkpoints():
        return locate(model).folder
    raise CheckpointError(
        f"there is no model folder '{model}', and no checkpoint of that name; give a folder in the layout of "
        f"stabilityai/stable-diffusion-2, or the name '{CHECKPOINT}'"
    )


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
        missing += [] if there else [f"{part}/{weights[0]} (or {weights[1]})"]
    missing = [str(file.relative_to(folder)) for file in files if not file.is_file()] + missing
    tokenizer = folder / "tokenizer"
    if not (tokenizer / "tokenizer.json").is_file():  # the newer form, which holds both
        missing += [f"tokenizer/{name}" for name in VOCABULARY if not (tokenizer / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is not a whole Stable Diffusion folder: {len(missing)} files are missing, first: "
            f"{missing[0]}; expected the layout of stabilityai/stable-diffusion-2"
        )
    return (*files, *(path for path in sorted(tokenizer.iterdir()) if path.is_file()))


def model_sha256(folder: Path) -> str:
    """One sha256 over the names and contents of the files that loading reads."""
    states = (path.stat() for path in model_files(folder))
    return _model_sha256(folder, tuple((state.st_size, state.st_mtime_ns) for state in states))


@cache
def _model_sha256(folder: Path, _states: tuple[tuple[int, int], ...]) -> str:
    """`_states`, the files' sizes and times, are only there so that a changed file is read again."""
    lines = (f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n" for path in model_files(folder))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def load_pipeline(folder: Path, scheduler: str, dtype: str, device: str) -> Any:
    """The StableDiffusionPipeline of a folder, with no safety checker and no progress bars.

    Raises CheckpointError for missing and damaged files, RunError where it does not fit into the memory.
    """
    model_files(folder)
    tokenizer = load_tokenizer(folder)
    diffusers = _library("diffusers")
    # Both would write a line for every picture whose prompt is cut; `check` tells it once for all.
    diffusers.utils.logging.set_verbosity_error()
    _library("transformers").utils.logging.set_verbosity_error()
    try:
        pipeline = diffusers.StableDiffusionPipeline(
            tokenizer=tokenizer,
            scheduler=_load_scheduler(folder, scheduler),
            **{part: _load_network(folder, part, dtype) for part in NETWORKS},
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).to(device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"the model in {folder} does not fit into the memory of {device} in {dtype}; close what else "
            "uses it, or use a device with more free memory"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder. Raises CheckpointError where it is missing or damaged."""
    model_files(folder)
    check_vocabulary(folder / "tokenizer")
    transformers = _library("transformers")
    try:
        return transformers.CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)
    except DAMAGED as error:
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


def over_length(tokenizer: Any, prompts: Sequence[str]) -> list[int]:
    """Positions of the prompts that have more tokens than the model reads."""
    long: list[int] = []
    for start in range(0, len(prompts), 1000):
        # `truncation` off makes the tokenizer itself warn, once, about something that is told here.
        rows = tokenizer(list(prompts[start : start + 1000]), verbose=False).input_ids
        long += [start + row for row, ids in enumerate(rows) if len(ids) > tokenizer.model_max_length]
    return long


def _load_scheduler(folder: Path, name: str) -> Any:
    class_name, changes = SCHEDULERS[name]
    kind = getattr(_library("diffusers"), class_name)
    try:
        return kind.from_config(kind.load_config(str(folder / "scheduler"), local_files_only=True), **changes)
    except DAMAGED as error:
        raise _damaged(folder / "scheduler", error) from error


def _load_network(folder: Path, part: str, dtype: str) -> Any:
    """One network, from safetensors where there is such a file, else from a .bin with `weights_only`.

    Both libraries pass `weights_only=True` to torch.load, so nothing is unpickled.
    """
    import torch
    from safetensors import SafetensorError

    library, class_name, weights = NETWORKS[part]
    try:
        network, report = getattr(_library(library), class_name).from_pretrained(
            str(folder / part),
            dtype=getattr(torch, dtype),
            use_safetensors=(folder / part / weights[0]).is_file(),
            local_files_only=True,
            output_loading_info=True,
        )
    except (*DAMAGED, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise _damaged(folder / part, error) from error
    if report["missing_keys"]:  # they would be left as random numbers
        missing = sorted(report["missing_keys"])
        raise CheckpointError(
            f"{folder / part} lacks {len(missing)} of the network's parameters, first: {missing[0]}; "
            "another model's, or incomplete: get them again"
        )
    return network.eval().requires_grad_(False)


def _damaged(path: Path, error: BaseException) -> CheckpointError:
    reason = " ".join(str(error).split())[:200]
    return CheckpointError(f"{path} cannot be loaded ({type(error).__name__}: {reason}); get it again")


def _library(name: str) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a local folder must never make it ask a server
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise CheckpointError(
            f"Stable Diffusion needs {error.name}; run: pip install torch diffusers transformers"
        ) from error
    if name == "transformers":
        module.utils.logging.disable_progress_bar()
    return module


# --- memory


def batch_for(free_bytes: int, width: int, height: int, dtype: str) -> int:
    """How many guided pictures of `width` x `height` pixels to make at once in `free_bytes` of memory.

    At least 1, at most 16. An estimate on the safe side, from UNET_NUMBERS_PER_PIXEL; where it is still too
    much, the renderer halves it.
    """
    bytes_per_number = 4 if dtype == "float32" else 2
    picture = UNET_NUMBERS_PER_PIXEL * width * height * bytes_per_number * HEADROOM
    return max(1, min(MOST_AT_ONCE, free_bytes // picture))


def automatic_batch(engine: Sd2Engine) -> int:
    """`batch_for` the memory that is free on a CUDA device now, after the model was loaded; elsewhere 1.

    Two reasons for 1 on a CPU: a picture's pixels are then the same to the last bit whatever is made beside
    it and however much memory is free, and from 512 pixels on, one picture keeps all cores busy.
    """
    if engine.device.startswith("cuda"):
        import torch

        # torch keeps what it has freed; that is free for it, though not for the driver.
        kept = torch.cuda.memory_reserved(engine.device) - torch.cuda.memory_allocated(engine.device)
        free = torch.cuda.mem_get_info(engine.device)[0] + kept
        return batch_for(free, engine.width, engine.height, engine.dtype)
    return 1


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, on any device, says that there is not enough memory."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    signs = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def empty_cache(device: str) -> None:
    """Give back the memory that torch keeps for later."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
