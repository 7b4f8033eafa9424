"""txt2img and img2img: the web UI's request to an order that a painter takes, and pictures to its answer."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from PIL import ImageFilter, ImageOps

from unprompt.api.base64_pictures import encode
from unprompt.api.config import MOST_PICTURES
from unprompt.api.contract import MOST_NAMED, Img2ImgRequest, PaintAnswer, PaintRequest
from unprompt.errors import ConfigError
from unprompt.painting.seeds import SEEDS, seeds_in_row
from unprompt.serving.hosts import shorten
from unprompt.serving.painters import NotHereError, Order, Painter, Start, find_sampler

if TYPE_CHECKING:
    from PIL import Image

MODEL = "sd_model_checkpoint"
STRETCH, CUT_OFF = 0, 1  # the web UI's resize_mode; 2 fills up

Harmless = Callable[[Any], bool]


def one_of(*values: Any) -> Harmless:
    """Whether a value is one of some; numbers and words also as text, in any case."""
    known = {_plain(value) for value in values}
    return lambda value: value is None or _plain(value) in known


def _plain(value: Any) -> str:
    text = str(value).strip().lower()
    return text.removesuffix(".0")


def _names_nothing(value: Any) -> bool:
    """[""] names no style; copied examples have it."""
    return not [one for one in value or () if str(one).strip().lower() not in ("", "none")]


def _has_no_arguments(value: Any) -> bool:
    """Whether scripts by their names have nothing to do."""
    return not any(one.get("args") if isinstance(one, dict) else one for one in (value or {}).values())


# Fields that would change the picture in a way that nothing here can: the values at which they do not, and
# what is missing.
MISSING: Mapping[str, tuple[Harmless, str]] = MappingProxyType(
    {
        "enable_hr": (one_of(False), "there is no second pass at a higher resolution"),
        "mask": (one_of(""), "there is no painting of a part"),
        "latent_mask": (one_of(""), "there is no painting of a part"),
        "initial_noise_multiplier": (one_of(1), "the noise has its own strength"),
        "restore_faces": (one_of(False), "there is no restoring of faces"),
        "tiling": (one_of(False), "there are no tiles"),
        "styles": (_names_nothing, "no styles are stored"),
        "subseed_strength": (one_of(0), "seeds are not mixed"),
        "seed_resize_from_h": (one_of(-1, 0), "noise is not resized"),
        "seed_resize_from_w": (one_of(-1, 0), "noise is not resized"),
        "s_min_uncond": (one_of(0), "the negative prompt is looked at in every step"),
        "s_churn": (one_of(0), "samplers add no further noise"),
        "s_noise": (one_of(1), "the noise has its own strength"),
        "refiner_checkpoint": (one_of("", "None"), "there is no refiner"),
        "firstpass_image": (one_of(""), "there is no second pass"),
        "script_name": (one_of("", "None"), "there are no scripts"),
        "alwayson_scripts": (_has_no_arguments, "there are no scripts"),
        "infotext": (one_of(""), "send the fields themselves"),
    }
)
# The same of the web UI's settings. A painter that names one in `unused` takes any value.
SETTINGS: Mapping[str, tuple[Harmless, str]] = MappingProxyType(
    {
        "CLIP_stop_at_last_layers": (one_of(0, 1), "the text encoder has all its layers, which is 1"),
        "sd_vae": (one_of("", "None", "Automatic"), "the model has its own VAE, which is Automatic"),
        "eta_noise_seed_delta": (one_of(0), "seeds are not shifted, which is 0"),
        "sd_hypernetwork": (one_of("", "None"), "there are no hypernetworks"),
        "sd_lora": (one_of("", "None"), "there are no LoRAs"),
        "sd_unet": (one_of("", "None", "Automatic"), "the model has its own UNet, which is Automatic"),
        "token_merging_ratio": (one_of(0), "no tokens are merged, which is 0"),
        "tiling": (one_of(False), "there are no tiles"),
    }
)


@dataclass(frozen=True, eq=False)
class Painted:
    """Of an order's pictures those that were painted, their seeds, and what whoever ordered should know."""

    images: Sequence[Image.Image]
    seeds: Sequence[int]
    notes: Sequence[str]


def read_order(request: PaintRequest, painter: Painter, image: Image.Image | None = None) -> Order:
    """What a request asks for. A seed of -1 becomes one of chance. `image`: img2img's, decoded to RGB.

    Raises ConfigError that names all fields whose values ask for what is not here, or for too many pictures;
    NotHereError for a sampler or a model that is not here.
    """
    refused = [
        f"{name}: {reason}"
        for name, (is_harmless, reason) in MISSING.items()
        if not is_harmless(getattr(request, name, None))
    ]
    if refused:
        raise ConfigError("; ".join(refused) + "; leave these fields out")
    try:
        check_settings(request.override_settings, painter)
    except ConfigError as error:
        raise ConfigError(f"override_settings: {error}") from None
    count = request.batch_size * request.n_iter
    if count > MOST_PICTURES:
        raise ConfigError(
            f"batch_size x n_iter is {count}; the limit here is {MOST_PICTURES} pictures a request"
        )
    first = secrets.randbelow(SEEDS) if request.seed == -1 else request.seed
    start = None
    if image is not None and isinstance(request, Img2ImgRequest):
        size = (request.width, request.height)
        start = Start(fit_image(image, size, request.resize_mode), request.denoising_strength)
    order = Order(
        prompt=request.prompt,
        seeds=seeds_in_row(first, count),
        width=request.width,
        height=request.height,
        batch=request.batch_size,
        negative_prompt=request.negative_prompt,
        steps=request.steps,
        guidance=request.cfg_scale,
        sampler=find_sampler(request.sampler_name or request.sampler_index or "Euler", request.scheduler),
        eta=request.eta,
        start=start,
    )
    painter.check(order)
    return order


def fit_image(image: Image.Image, size: tuple[int, int], mode: int) -> Image.Image:
    """An image at width and height: stretched, its middle cut out, or whole with a blurred border."""
    if mode == STRETCH or image.size == size:
        return image.resize(size)
    if mode == CUT_OFF:
        return ImageOps.fit(image, size)
    # As ImageOps.contain, but that a picture which is far longer than wide keeps a pixel of each side.
    width = min(size[0], max(1, round(image.width / image.height * size[1])))
    height = min(size[1], max(1, round(image.height / image.width * size[0])))
    inner = image.resize((width, height))
    filled = inner.resize(size).filter(ImageFilter.GaussianBlur(max(size) / 16))
    filled.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return filled


def check_model(title: str | None, painter: Painter | None) -> None:
    """Raise NotHereError unless `title` is the painter's, in any case, or none is named."""
    here = painter.title if painter else None
    if title and title.lower() != (here or "").lower():
        raise NotHereError(f"there is no model '{shorten(title)}'; here is {here or 'none, txt2img is off'}")


def check_settings(settings: Mapping[str, Any], painter: Painter | None) -> None:
    """Of the web UI's settings, the model can be named that is here; others may stand at what is so already.

    Those that change no picture, and those that are not known, are passed over. Raises NotHereError for
    another model, ConfigError for what would change pictures and cannot be done.
    """
    title = settings.get(MODEL)
    if title is not None and not isinstance(title, str):
        raise ConfigError(f"{MODEL} must be a text")
    check_model(title, painter)
    unused = painter.unused if painter else tuple(SETTINGS)
    refused = [
        f"{name}: {reason}"
        for name, (is_harmless, reason) in SETTINGS.items()
        if name not in unused and not is_harmless(settings.get(name))
    ]
    if refused:
        raise ConfigError("; ".join(refused) + "; leave it out")


def answer(request: PaintRequest, order: Order, painted: Painted, painter: Painter) -> PaintAnswer:
    """The web UI's answer: PNG files with their parameters in them, and info as a JSON text."""
    notes = [*painted.notes, *_notes(request)]
    texts = [infotext(order, seed, painter) for seed in painted.seeds]
    images = zip(painted.images, texts, strict=True) if request.send_images else ()
    parameters = request.known()
    if isinstance(request, Img2ImgRequest) and not request.include_init_images:
        parameters["init_images"] = None
    return PaintAnswer(
        images=[encode(image, text) for image, text in images],
        parameters=parameters,
        info=json.dumps(info(order, texts, painted, notes, painter)),
    )


def _notes(request: PaintRequest) -> list[str]:
    """What of a request had no effect, beside the fields that the painter does not use."""
    notes = []
    if request.passed_over:
        notes.append(f"keys that are not known here and were passed over: {', '.join(request.passed_over)}")
    settings = [name for name in request.override_settings if name != MODEL and name not in SETTINGS]
    if settings:
        named = ", ".join(map(shorten, settings[:MOST_NAMED]))
        notes.append(f"settings that are not known here and were passed over: {named}")
    if request.save_images:
        notes.append("save_images: the pictures are in the answer, the server keeps none")
    return notes


def infotext(order: Order, seed: int, painter: Painter) -> str:
    """How a picture was made, as the web UI writes it; without what had no effect."""
    numbers: dict[str, tuple[str, object]] = {
        "steps": ("Steps", order.steps),
        "sampler_name": ("Sampler", order.sampler.name),
        "cfg_scale": ("CFG scale", order.guidance),
        "seed": ("Seed", seed),
        "size": ("Size", f"{order.width}x{order.height}"),
        "model": ("Model", painter.title),
    }
    if order.start:
        numbers["denoising_strength"] = ("Denoising strength", f"{order.start.strength:g}")
    told = [f"{label}: {value}" for name, (label, value) in numbers.items() if name not in painter.unused]
    lines = [order.prompt]
    if order.negative_prompt and "negative_prompt" not in painter.unused:
        lines.append(f"Negative prompt: {order.negative_prompt}")
    return "\n".join([*lines, ", ".join(told)])


def info(
    order: Order, texts: Sequence[str], painted: Painted, notes: Sequence[str], painter: Painter
) -> dict[str, Any]:
    """The web UI's info, and what is ours: `notes`, and `unused`, the fields that had no effect."""
    count = len(painted.seeds)
    return {
        "prompt": order.prompt,
        "all_prompts": [order.prompt] * count,
        "negative_prompt": order.negative_prompt,
        "all_negative_prompts": [order.negative_prompt] * count,
        "seed": order.seeds[0],
        "all_seeds": list(painted.seeds),
        "subseed": -1,
        "all_subseeds": [-1] * count,
        "subseed_strength": 0,
        "width": order.width,
        "height": order.height,
        "sampler_name": order.sampler.name,
        "cfg_scale": order.guidance,
        "steps": order.steps,
        "batch_size": order.batch,
        "restore_faces": False,
        "face_restoration_model": None,
        "sd_model_name": painter.title,
        "sd_model_hash": None,
        "seed_resize_from_w": -1,
        "seed_resize_from_h": -1,
        "denoising_strength": order.start.strength if order.start else None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": list(texts),
        "styles": [],
        "notes": list(notes),
        "unused": list(painter.unused),
    }
