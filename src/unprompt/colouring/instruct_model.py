"""What an InstructPix2Pix consists of: a U-Net, a codec of pictures, and what reads the words.

    FOLDER/   model_index.json, unet/, vae/, text_encoder/ …   as diffusers lays it out
    FOLDER/   pocket.json, unet/, scheduler/                   a small one: its codec is fixed, MiniLM reads

The codec and the reader stand behind two small interfaces, so that training and painting are one code for the
large and the small. diffusers' own pipeline paints with either.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn import functional

from unprompt.colouring.instruct_config import POCKET, InstructTraining
from unprompt.colouring.line_art import with_lines
from unprompt.diffusion.instruct import takes_pictures, widen
from unprompt.diffusion.model import LAYOUT, SCHEDULERS, find_too_long, load_parts, model_sha256
from unprompt.errors import CheckpointError, ConfigError
from unprompt.networks.checkpoints import folder_of, sha256_of_files
from unprompt.networks.extent import Extent, check_numbers, made_within
from unprompt.networks.huggingface import stay_offline
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.records import DIM
from unprompt.storage.damage import damaged_safetensors, damaged_weights
from unprompt.storage.files import read_json, write_json
from unprompt.storage.packages import needed_for
from unprompt.text.english import agreed, part_of

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

RECORD = "pocket.json"
TOKENS = 32  # that MiniLM gives the pocket U-Net, marks and zeros after the end among them
SAMPLER = "euler-a"  # what the paper paints with, and what a written model names
CONV_IN = "conv_in.safetensors"
LORA_FILE = "pytorch_lora_weights.safetensors"
# Of the pocket's noise, as Stable Diffusion 2's.
NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


class Codec(Protocol):
    """Pictures to latents and back. Pictures are (B, 3, S, S) in -1 … 1, S a multiple of `factor`."""

    factor: int  # pixels of a side that become one latent
    channels: int  # of the latents that are learnt
    picture_channels: int  # of those of the picture to be coloured
    scale: float  # what the learnt latents are multiplied by
    module: Any  # what diffusers' pipeline takes for its `vae`

    def encode(self, edited: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation, (B, C, h, w) each and not scaled, of the latents that are to be learnt."""

    def encode_picture(self, picture: Tensor) -> Tensor:
        """(B, D, h, w): the latents of pictures that are to be coloured, as the pipeline makes them."""

    def finish(self, made: Image.Image, picture: Image.Image) -> Image.Image:
        """What the decoder made, with what only the picture to be coloured can add, of the same size."""


class AutoencoderCodec:
    """Stable Diffusion's own autoencoder, frozen."""

    def __init__(self, vae: Any) -> None:
        self.module = vae
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.channels = self.picture_channels = int(vae.config.latent_channels)
        self.scale = float(vae.config.scaling_factor)

    def encode(self, edited: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """The distribution that the autoencoder gives; the picture to be coloured has no part in it."""
        spread = self.module.encode(edited.to(self.module.dtype)).latent_dist
        return spread.mean.float(), spread.std.float()

    def encode_picture(self, picture: Tensor) -> Tensor:
        """The mode of the autoencoder's distribution, not scaled."""
        mode: Tensor = self.module.encode(picture.to(self.module.dtype)).latent_dist.mode()
        return mode.float()

    def finish(self, made: Image.Image, picture: Image.Image) -> Image.Image:
        """As it was made."""
        return made


class BlockCodec:
    """A fixed codec that learns nothing: colours are means of blocks, and lines come from the drawing.

    The latents to be learnt are the mean colour of each `factor` x `factor` block between its lines; the
    drawing's are its greys, halved in size, a channel for each place in a block. Decoding enlarges the
    colours smoothly, and `finish` multiplies the drawing on top. So small areas blur into their neighbours.
    """

    channels = 3
    scale = 1.5  # of flat pictures on white, whose deviation is about two thirds

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self.picture_channels = (factor // 2) ** 2
        self.module = _BlockModule(self)

    def encode(self, edited: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Mean colours, where dark lines of the drawing count next to nothing, and a deviation of 0."""
        weight = _grey(picture).square() + 1e-3  # (B, 1, S, S)
        pool = functional.avg_pool2d
        mean = pool(edited * weight, self.factor) / pool(weight, self.factor)
        return mean, torch.zeros_like(mean)

    def encode_picture(self, picture: Tensor) -> Tensor:
        """The drawing's greys in -1 … 1, so that 0, which stands for no drawing, is none of its paper."""
        half = functional.avg_pool2d(2 * _grey(picture) - 1, 2)
        return functional.pixel_unshuffle(half, self.factor // 2)

    def decode(self, latents: Tensor) -> Tensor:
        """(B, 3, h, w), not scaled -> (B, 3, S, S)."""
        return functional.interpolate(latents, scale_factor=self.factor, mode="bilinear", align_corners=False)

    def finish(self, made: Image.Image, picture: Image.Image) -> Image.Image:
        """The drawing multiplied on top."""
        return with_lines(made, picture)


class _BlockModule(torch.nn.Module):  # type: ignore[misc]  # torch has no types here
    """A BlockCodec as the pipeline takes an autoencoder."""

    def __init__(self, codec: BlockCodec) -> None:
        super().__init__()
        self._codec = codec
        self.config = SimpleNamespace(
            block_out_channels=(0,) * codec.factor.bit_length(),
            latent_channels=codec.channels,
            scaling_factor=codec.scale,
        )
        self.register_buffer("place", torch.zeros(()))  # as it has no weights: where it is, and in what type

    @property
    def device(self) -> torch.device:
        return self.place.device

    @property
    def dtype(self) -> torch.dtype:
        return self.place.dtype

    def encode(self, picture: Tensor) -> Any:
        latents = self._codec.encode_picture(picture)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: latents))

    def decode(self, latents: Tensor, return_dict: bool = False) -> tuple[Tensor]:
        return (self._codec.decode(latents),)


def _grey(pictures: Tensor) -> Tensor:
    """(B, 3, S, S) in -1 … 1 -> (B, 1, S, S) in 0 … 1: the mean of the channels."""
    return (pictures.mean(dim=1, keepdim=True) + 1) / 2


class Reader(Protocol):
    """Words to the states that the U-Net attends to."""

    width: int

    def states(self, texts: Sequence[str], device: torch.device | str) -> Tensor:
        """N texts -> (N, T, width) float32 on a device, T the same for all."""

    def warn_of_long(self, texts: Sequence[str]) -> None:
        """Warn, once for all, where texts are longer than what is read of them."""


class ClipReader:
    """Stable Diffusion's own text encoder, frozen: 77 tokens, what is missing filled up."""

    def __init__(self, tokenizer: Any, encoder: Any) -> None:
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.width = int(encoder.config.hidden_size)

    def states(self, texts: Sequence[str], device: torch.device | str) -> Tensor:
        """The last hidden states, as the pipeline takes them."""
        ids = self.tokenizer(
            list(texts),
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids
        with torch.no_grad():
            states: Tensor = self.encoder.to(device)(ids.to(device))[0]
        return states

    def warn_of_long(self, texts: Sequence[str]) -> None:
        """Warn where texts have more tokens than the model reads."""
        _warn(len(find_too_long(self.tokenizer, texts)), len(texts))


class MiniLMReader:
    """MiniLM's states of the first TOKENS tokens, zeros after the end. Each text is read once and kept."""

    width = DIM

    def __init__(self, encoder: PromptEncoder) -> None:
        self._encoder = encoder
        self._states_by_text: dict[str, Tensor] = {}

    def states(self, texts: Sequence[str], device: torch.device | str) -> Tensor:
        """As MiniLM gives them, before they are made one embedding."""
        new = [text for text in dict.fromkeys(texts) if text not in self._states_by_text]
        for text, (states, _) in zip(new, self._encoder.encode_tokens(new), strict=True):
            self._states_by_text[text] = torch.from_numpy(states)
        filled = torch.zeros(len(texts), TOKENS, DIM)
        for row, text in zip(filled, texts, strict=True):
            states = self._states_by_text[text][:TOKENS]
            row[: len(states)] = states
        return filled.to(device)

    def warn_of_long(self, texts: Sequence[str]) -> None:
        """Warn where texts have more tokens than are kept."""
        self.states(texts, "cpu")
        _warn(sum(len(self._states_by_text[text]) > TOKENS for text in texts), len(texts))


def _warn(long: int, total: int) -> None:
    if long:
        warnings.warn(
            f"{part_of(long, total, 'text')} {agreed(long, 'are')} longer than the model reads and will be "
            "cut",
            stacklevel=3,
        )


@dataclass(frozen=True, eq=False)
class InstructModel:
    """A U-Net that takes pictures, with all that it needs. `noise`: the settings of its scheduler."""

    unet: Any
    codec: Codec
    reader: Reader
    noise: dict[str, Any]
    identity: str  # by the contents of the files that it was made of

    def to(self, device: torch.device | str) -> None:
        """Move the frozen parts to a device; the U-Net is moved by what trains or paints."""
        self.codec.module.to(device)

    def scheduler(self, name: str = "") -> Any:
        """One of diffusion's SCHEDULERS by its name, or that of training, with this model's noise.

        Raises ConfigError for a name that is none.
        """
        if not name:
            return _diffusers().DDPMScheduler.from_config(self.noise)
        if name not in SCHEDULERS:
            raise ConfigError(f"there is no scheduler '{name}'; there are: {', '.join(SCHEDULERS)}")
        kind, changes = SCHEDULERS[name]
        return getattr(_diffusers(), kind).from_config(self.noise, **changes)

    def pipeline(self, unet: Any = None, scheduler: str = SAMPLER) -> Any:
        """diffusers' pipeline of this model, or with another U-Net in its place; nothing is loaded."""
        clip = self.reader if isinstance(self.reader, ClipReader) else None
        made = _diffusers().StableDiffusionInstructPix2PixPipeline(
            vae=self.codec.module,
            text_encoder=clip.encoder if clip else None,
            tokenizer=clip.tokenizer if clip else None,
            unet=self.unet if unet is None else unet,
            scheduler=self.scheduler(scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        made.set_progress_bar_config(disable=True)
        return made

    def save(self, folder: Path, unet: Any) -> None:
        """Write a folder that `read_model` reads, with this U-Net; a large one as diffusers lays it out."""
        if isinstance(self.codec, BlockCodec):
            unet.save_pretrained(folder / "unet")
            self.scheduler(SAMPLER).save_pretrained(folder / "scheduler")
            record = {"factor": self.codec.factor, "tokens": TOKENS, "reader": encoder_identity()}
            write_json(folder / RECORD, record)
        else:
            self.pipeline(unet).save_pretrained(folder)


def open_model(config: InstructTraining, device: str = "cpu") -> InstructModel:
    """The model that a training begins with: widened where it was text to image; `pocket` is made new.

    Raises CheckpointError for files that are missing, damaged or of another kind.
    """
    model = (
        new_pocket(config, device) if config.pocket else read_model(Path(config.model), device, widened=True)
    )
    latents = config.resolution // model.codec.factor
    model.unet.register_to_config(sample_size=latents)  # what the size of a painting is taken from
    return model


def new_pocket(config: InstructTraining, device: str = "cpu") -> InstructModel:
    """A small U-Net with random weights that reads MiniLM's states and the latents of a BlockCodec."""
    codec, reader = BlockCodec(config.factor), MiniLMReader(PromptEncoder.load(device))
    width = config.width
    unet = _diffusers().UNet2DConditionModel(
        sample_size=config.resolution // config.factor,
        in_channels=codec.channels + codec.picture_channels,
        out_channels=codec.channels,
        block_out_channels=(width, 2 * width, 2 * width),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=reader.width,
        attention_head_dim=4,
        norm_num_groups=16,
    )
    return InstructModel(unet, codec, reader, dict(NOISE), f"{POCKET}:{encoder_identity()}")


def read_model(
    folder: Path, device: str = "cpu", dtype: str = "float32", widened: bool = False
) -> InstructModel:
    """An InstructPix2Pix of a folder, or, `widened`, what a text-to-image model becomes.

    Raises CheckpointError for a folder that is not there or not whole, and for another kind of model.
    """
    if (folder / RECORD).is_file():
        return _read_pocket(folder, device, dtype)
    folder = folder_of(str(folder), LAYOUT)
    parts = load_parts(folder, dtype)
    unet = parts["unet"]
    if widened:
        widen(unet)
    elif not takes_pictures(unet):
        channels = unet.config.in_channels
        raise CheckpointError(
            f"{folder} is a text-to-image model: its U-Net takes {channels} channels, instruct needs "
            f"{2 * channels}; train it first with: unprompt colour train PAIRS --out RUN --engine instruct "
            f"--model {folder}"
        )
    reader = ClipReader(parts["tokenizer"], parts["text_encoder"])
    if unet.config.cross_attention_dim != reader.width:
        raise CheckpointError(
            f"{folder}: the U-Net attends to states of {unet.config.cross_attention_dim} numbers, and the "
            f"text encoder gives {reader.width}; they are of different models"
        )
    noise = read_json(folder / "scheduler" / "scheduler_config.json")
    return InstructModel(unet, AutoencoderCodec(parts["vae"]), reader, noise, model_sha256(folder))


def _read_pocket(folder: Path, device: str, dtype: str) -> InstructModel:
    record = read_json(folder / RECORD)
    if record.get("reader") != encoder_identity() or record.get("tokens") != TOKENS:
        raise CheckpointError(
            f"{folder} was trained on the words of another encoder than {encoder_identity()}"
        )
    files = [folder / "unet" / name for name in ("config.json", "diffusion_pytorch_model.safetensors")]
    files.append(folder / "scheduler" / "scheduler_config.json")
    if missing := [file for file in files if not file.is_file()]:
        raise CheckpointError(
            f"{folder} is not a whole pocket model: {part_of(len(missing), len(files), 'file')} "
            f"{agreed(len(missing), 'are')} missing, first: {missing[0].relative_to(folder)}; train it again"
        )
    extent = Extent.of_files([files[1]])
    check_numbers(read_json(files[0]), str(files[0]), extent)
    with made_within(extent, str(folder)):
        try:
            unet = _diffusers().UNet2DConditionModel.from_pretrained(
                str(folder / "unet"), torch_dtype=getattr(torch, dtype), local_files_only=True
            )
        except damaged_weights() as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{folder} cannot be loaded ({reason}); train it again") from error
    noise = read_json(files[-1])
    return InstructModel(
        unet.eval().requires_grad_(False),
        BlockCodec(int(record["factor"])),
        MiniLMReader(PromptEncoder.load(device)),
        noise,
        sha256_of_files(folder, [folder / RECORD, *files]),
    )


# --- low-rank updates


def save_lora(folder: Path, unet: Any) -> None:
    """Write the low-rank updates as `load_lora_weights` reads them, and the first convolution beside them."""
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    _diffusers().StableDiffusionInstructPix2PixPipeline.save_lora_weights(
        folder, unet_lora_layers=convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    )
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in unet.conv_in.state_dict().items()},
        folder / CONV_IN,
    )


def load_lora(pipeline: Any, folder: Path) -> None:
    """Put what `save_lora` wrote into a pipeline whose U-Net is widened.

    Raises CheckpointError for files that are missing, damaged, or of another model.
    """
    from safetensors.torch import load_file

    for name in (LORA_FILE, CONV_IN):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} has no {name}; expected the folder lora/ of a training with --lora"
            )
    with needed_for("low-rank updates", "train"):
        import peft  # noqa: F401  # diffusers' own words for its absence do not say what to install
    wrong: tuple[type[BaseException], ...] = (*damaged_safetensors(), RuntimeError, ValueError)
    try:
        pipeline.unet.conv_in.load_state_dict(load_file(folder / CONV_IN))
        pipeline.load_lora_weights(str(folder), weight_name=LORA_FILE)
    except wrong as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{folder} does not fit the model ({reason}); name the model that it was trained on"
        ) from error


def fused(unet: Any) -> Any:
    """A copy of a U-Net in which its low-rank updates have become part of its weights."""
    whole = copy.deepcopy(unet)
    whole.fuse_lora()
    whole.unload_lora()
    return whole


def _diffusers() -> Any:
    stay_offline()
    with needed_for("InstructPix2Pix", "generate"):
        import diffusers

        diffusers.utils.logging.set_verbosity_error()
    return diffusers
