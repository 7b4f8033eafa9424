"""Stable Diffusion that follows a drawing: ControlNets and T2I-Adapters for scribbles, from local folders.

Zhang, Rao & Agrawala 2023, "Adding Conditional Control to Text-to-Image Diffusion Models", and Mou et al.
2023, "T2I-Adapter". A folder has the layout of lllyasviel/control_v11p_sd15_scribble or
TencentARC/t2iadapter_sketch_sd15v2: `config.json` beside the parameters. Both read white lines on black.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.diffusion.engine import Sd2Renderer
from unprompt.diffusion.model import PARAMETERS, load_network, with_parts_of
from unprompt.errors import CheckpointError, ConfigError, RunError
from unprompt.networks.devices import is_out_of_memory
from unprompt.progress import Tell, untold

if TYPE_CHECKING:
    from PIL import Image

    from unprompt.diffusion.engine import Sd2Engine
    from unprompt.painting.engine import Picture

CONTROLNET, ADAPTER = "controlnet", "t2i-adapter"
_CLASSES = {CONTROLNET: "ControlNetModel", ADAPTER: "T2IAdapter"}
_LAYOUTS = {
    CONTROLNET: "lllyasviel/control_v11p_sd15_scribble",
    ADAPTER: "TencentARC/t2iadapter_sketch_sd15v2",
}
MOST_SCALE = 2.0  # of conditioning: beyond it pictures fall apart


@dataclass(frozen=True, eq=False)
class Control:
    """What a picture is to follow.

    `image`: RGB, white lines on black, of the picture's size. `scale`: how strongly, 0 for not at all, 1 as
    the network learnt. `until`: for so large a part of the steps, above 0 to 1; a ControlNet's alone.
    """

    image: Image.Image
    scale: float = 1.0
    until: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.scale <= MOST_SCALE:
            raise ConfigError(f"conditioning must be from 0 to {MOST_SCALE:g}, got {self.scale}")
        if not 0 < self.until <= 1:
            raise ConfigError(f"until must be above 0 and at most 1, got {self.until}")


def load_control(folder: Path, kind: str, pipeline: Any) -> Any:
    """The ControlNet or T2I-Adapter of a folder, on the device and in the precision of a pipeline's U-Net.

    `kind`: CONTROLNET or ADAPTER. Raises CheckpointError for a folder that is not one, is damaged, or was
    made for another Stable Diffusion; RunError where it does not fit into the memory.
    """
    check_control(folder, kind)
    unet = pipeline.unet
    network = load_network(
        folder, "diffusers", _CLASSES[kind], PARAMETERS, str(unet.dtype).removeprefix("torch.")
    )
    _check_fits(folder, network, kind, unet)
    try:
        return network.to(unet.device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"the network in {folder} does not fit into the memory of {unet.device} beside Stable Diffusion; "
            "close what else uses it, or use a device with more free memory"
        ) from error


def check_control(folder: Path, kind: str) -> None:
    """Raise CheckpointError where a folder has not the files of a ControlNet or T2I-Adapter."""
    there = any((folder / name).is_file() for name in PARAMETERS)
    if not there or not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder} has no config.json beside {PARAMETERS[0]}; expected a folder of one {_CLASSES[kind]}, "
            f"in the layout of {_LAYOUTS[kind]}"
        )


def _check_fits(folder: Path, network: Any, kind: str, unet: Any) -> None:
    """Raise CheckpointError for one that was made for another U-Net: else a tensor's shape would say so."""
    wide = tuple(int(channels) for channels in unet.config.block_out_channels)
    if kind == CONTROLNET:
        own = tuple(int(channels) for channels in network.config.block_out_channels)
        words, wanted = network.config.cross_attention_dim, unet.config.cross_attention_dim
    else:
        own = tuple(int(channels) for channels in network.config.channels)
        words = wanted = None
    if own != wide or words != wanted:
        raise CheckpointError(
            f"{folder} was made for another Stable Diffusion: its blocks have {own} channels"
            + (f" and read texts of {words} numbers" if words else "")
            + f", the model's {wide}"
            + (f" and {wanted}" if wanted else "")
            + "; take one for this version"
        )


class ScribbleRenderer(Sd2Renderer):
    """A loaded model with a network that reads drawings. Batches and seeds are as Sd2Renderer's."""

    def __init__(
        self, engine: Sd2Engine, pipeline: Any, batch: int, network: Any, kind: str, tell: Tell = untold
    ) -> None:
        """`pipeline`: `model.load_pipeline`'s; `network`: `load_control`'s, of this `kind`."""
        super().__init__(engine, pipeline, batch, tell)
        self.kind = kind
        self._network = network
        self._plain = pipeline

    def follow(self, pictures: Sequence[Picture], control: Control) -> list[Image.Image]:
        """As `render`, with each picture following the control image."""
        if self.kind == CONTROLNET:
            self.pipeline = with_parts_of(
                self._plain, "StableDiffusionControlNetPipeline", controlnet=self._network
            )
        else:
            self.pipeline = with_parts_of(
                self._plain, "StableDiffusionAdapterPipeline", adapter=self._network
            )

        def begin(batch: Sequence[Picture], generators: Sequence[Any]) -> dict[str, Any]:
            return {**self._from_noise(batch, generators), **self._conditions(control, "image", len(batch))}

        return self._render(pictures, begin)

    def refollow(
        self, pictures: Sequence[Picture], control: Control, image: Image.Image, strength: float
    ) -> list[Image.Image]:
        """As `repaint`, with each picture following the control image. ConfigError without a ControlNet."""
        if self.kind != CONTROLNET:
            raise ConfigError("a T2I-Adapter paints from noise alone; begin with an image by a ControlNet")
        self.pipeline = with_parts_of(
            self._plain, "StableDiffusionControlNetImg2ImgPipeline", controlnet=self._network
        )

        begun = self._begin_with(image, strength)

        def begin(batch: Sequence[Picture], _: Sequence[Any]) -> dict[str, Any]:
            return {
                "image": [begun] * len(batch),
                "strength": strength,
                **self._conditions(control, "control_image", len(batch)),
            }

        return self._render(pictures, begin)

    def _telling(self, before: int, now: int, pictures: int) -> dict[str, Any]:
        if self.kind == CONTROLNET:
            return super()._telling(before, now, pictures)
        steps = self.engine.steps

        def after_step(step: int, _: Any, latents: Any) -> None:
            self.tell(before * steps + now * (step + 1), pictures * steps)

        return {"callback": after_step}  # diffusers' older form, the only one of this pipeline

    def _conditions(self, control: Control, name: str, count: int) -> dict[str, Any]:
        image = self._flat(control.image)
        if self.kind == CONTROLNET:
            return {
                name: [image] * count,
                "controlnet_conditioning_scale": control.scale,
                "control_guidance_end": control.until,
            }
        grey = int(self._network.config.in_channels) == 1
        return {
            name: [image.convert("L") if grey else image] * count,
            "adapter_conditioning_scale": control.scale,
        }
