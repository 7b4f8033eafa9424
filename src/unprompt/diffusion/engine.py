"""The engine `sd2`: Stable Diffusion through diffusers, from a folder on this machine.

The folder has the layout of stabilityai/stable-diffusion-2 (`model_index.json`, `unet/`, `vae/` …); see
sd2_model.py for how it is loaded, memory.py for how many pictures are made at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from unprompt.diffusion.config import Sd2Config
from unprompt.diffusion.memory import automatic_batch, empty_cache
from unprompt.diffusion.model import (
    LAYOUT,
    SCHEDULERS,
    find_too_long,
    load_pipeline,
    load_tokenizer,
    model_sha256,
)
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.networks.checkpoints import folder_of
from unprompt.networks.devices import choose_device, is_out_of_memory, nth_gpu
from unprompt.networks.fits import Fit
from unprompt.progress import Tell, untold
from unprompt.storage.images import image_of
from unprompt.text.english import agreed, counted, part_of

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.painting.engine import Picture

PATIENCE = 16  # batches that fit before a larger one is tried again
# A batch and its generators -> what the pipeline is given to begin with.
Begin = Callable[[Sequence["Picture"], Sequence[Any]], dict[str, Any]]


@dataclass(frozen=True)
class Sd2Engine(Sd2Config):
    """The Stable Diffusion engine: its settings, and how to open a model with them."""

    # No fields: every engine of this class has them.
    name = "sd2"
    chunk = 16
    wants_gpu = True
    packages = ("diffusers", "transformers", "torch", "pillow")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scheduler not in SCHEDULERS:
            raise ConfigError(f"there is no scheduler '{self.scheduler}'; there are: {', '.join(SCHEDULERS)}")

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
            "model_sha256": model_sha256(folder_of(self.model, LAYOUT)),
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
                f"{part_of(len(empty), len(prompts), 'prompt')} {agreed(len(empty), 'are')} empty, first: "
                f"number {empty[0]}; remove {agreed(len(empty), 'them')}"
            )
        long = find_too_long(load_tokenizer(folder_of(self.model, LAYOUT)), prompts)
        if long:
            warnings.warn(
                f"{part_of(len(long), len(prompts), 'prompt')} {agreed(len(long), 'are')} longer than the "
                f"model reads and will be cut, first: number {long[0] + 1}",
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
        pipeline = load_pipeline(
            folder_of(engine.model, LAYOUT), engine.scheduler, engine.dtype, engine.device
        )
        fitting = automatic_batch(engine.device, engine.width, engine.height, engine.dtype)
        return Sd2Renderer(engine, pipeline, engine.batch or fitting)


class Sd2Renderer:
    """A loaded model.

    A picture's noise comes from its own generator, seeded with its seed, on the CPU: it is the same on every
    device and whatever else is in the batch. With a batch of 1, the same machine gives the same bytes. Larger
    batches are added up in another order: in float32 on a CPU, single pixels then differ by one level of 255.
    On a GPU nothing was measured; there, count on the same picture, not on the same bytes.
    """

    def __init__(
        self, engine: Sd2Engine, pipeline: Any, batch: int, tell: Tell = untold, eta: float = 0.0
    ) -> None:
        """`tell`: hears of every step of all pictures together. `eta`: how much noise DDIM adds, 0 to 1."""
        self.engine = engine
        self.pipeline = pipeline
        self._fit = Fit(batch, PATIENCE)
        self.tell = tell
        self.eta = eta

    @property
    def batch(self) -> int:
        """How many pictures it makes at once, which falls where memory runs out; see `Fit`."""
        return self._fit.size

    def render(self, pictures: Sequence[Picture]) -> list[Image.Image]:
        """One RGB image a picture, in order.

        A batch that does not fit into the memory is halved, with a warning, and made again; later batches
        have the smaller size. Raises RunError where a single picture does not fit, and where the model gives
        numbers that are not finite, which would be saved as a black image.
        """
        return self._render(pictures, self._from_noise)

    def repaint(self, pictures: Sequence[Picture], image: Image.Image, strength: float) -> list[Image.Image]:
        """As `render`, beginning with an image of the engine's size instead of with noise alone.

        What is transparent in it is white. `strength`: how much of it is turned into noise, above 0 to 1; so
        large a part of the steps is taken. The pipeline must be `model.repainting`'s. ConfigError where
        that is less than one step, and for another size.
        """
        begun = self._begin_with(image, strength)

        def from_image(batch: Sequence[Picture], _: Sequence[Any]) -> dict[str, Any]:
            return {"image": [begun] * len(batch), "strength": strength}

        return self._render(pictures, from_image)

    def _begin_with(self, image: Image.Image, strength: float) -> Image.Image:
        """An image to begin with as RGB: diffusers takes one of four channels for latents, without a word."""
        if int(self.engine.steps * strength) < 1:
            raise ConfigError(
                f"strength {strength:g} of {self.engine.steps} steps is less than one step, which changes "
                "nothing; give more of either"
            )
        return self._flat(image)

    def _flat(self, image: Image.Image) -> Image.Image:
        """An image of the engine's size as RGB, white where it is transparent; ConfigError for others."""
        if image.size != (self.engine.width, self.engine.height):
            raise ConfigError(
                f"an image of {image.width} x {image.height} pixels does not fit pictures of {self._size}; "
                "resize it"
            )
        return image_of(image)

    def _render(self, pictures: Sequence[Picture], begin: Begin) -> list[Image.Image]:
        images: list[Image.Image] = []
        while len(images) < len(pictures):
            batch = pictures[len(images) : len(images) + self.batch]
            telling = self._telling(len(images), len(batch), len(pictures))
            drawn = self._drawn_if_it_fits(batch, begin, telling)
            if drawn is None:
                # Only here, after the error and the tensors that it held are gone, is there memory to free.
                empty_cache(self.engine.device)
                self._fit.shrink(len(batch))
                warnings.warn(
                    f"out of memory with {counted(len(batch), 'picture')} of {self._size} at once; going "
                    "on with "
                    f"{self.batch}",
                    stacklevel=2,
                )
            else:
                images += drawn
                self._fit.note(len(batch))
        return images

    @property
    def _size(self) -> str:
        return f"{self.engine.width} x {self.engine.height} pixels"

    def _telling(self, before: int, now: int, pictures: int) -> dict[str, Any]:
        """What has a pipeline tell its steps, while `now` of all pictures are made and some were `before`."""

        def after_step(pipeline: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            steps = pipeline.num_timesteps  # some schedulers take more than were asked for
            self.tell(before * steps + now * (step + 1), pictures * steps)
            return tensors

        return {"callback_on_step_end": after_step}

    def _drawn_if_it_fits(
        self, batch: Sequence[Picture], begin: Begin, telling: Mapping[str, Any]
    ) -> list[Image.Image] | None:
        """The images of one batch, or None where memory ran out and a smaller batch can help."""
        try:
            return self._draw(batch, begin, telling)
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

    def _from_noise(self, batch: Sequence[Picture], generators: Sequence[Any]) -> dict[str, Any]:
        """What a batch begins with: each picture's noise, from its own generator."""
        import torch

        engine, pipeline = self.engine, self.pipeline
        scale = pipeline.vae_scale_factor
        shape = (1, pipeline.unet.config.in_channels, engine.height // scale, engine.width // scale)
        noise = [torch.randn(shape, generator=generator) for generator in generators]
        return {
            "height": engine.height,
            "width": engine.width,
            "latents": torch.cat(noise).to(engine.device, pipeline.unet.dtype),  # (B, 4, H / 8, W / 8)
        }

    def _draw(self, batch: Sequence[Picture], begin: Begin, telling: Mapping[str, Any]) -> list[Image.Image]:
        import torch

        engine, pipeline = self.engine, self.pipeline
        generators = [torch.Generator("cpu").manual_seed(picture.seed) for picture in batch]
        with torch.no_grad():
            latents = pipeline(
                prompt=[picture.prompt for picture in batch],
                negative_prompt=[engine.negative_prompt] * len(batch),
                num_inference_steps=engine.steps,
                guidance_scale=engine.guidance,
                generator=generators,  # some schedulers add noise at every step
                output_type="latent",
                eta=self.eta,
                **telling,
                **begin(batch, generators),
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
