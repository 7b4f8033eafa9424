"""The web UI's txt2img: its request to an order that a painter takes, and pictures to its answer."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unprompt.api.base64_pictures import encode
from unprompt.api.config import MOST_PICTURES
from unprompt.api.contract import SEEDS, Txt2ImgAnswer, Txt2ImgRequest
from unprompt.api.errors import shorten
from unprompt.errors import ConfigError
from unprompt.serving.painters import NotHereError, Order, Painter, find_sampler

if TYPE_CHECKING:
    from PIL import Image

# Fields that would change the picture in a way that nothing here can: the values at which they do not, and
# what is missing.
MISSING: Mapping[str, tuple[tuple[Any, ...], str]] = MappingProxyType(
    {
        "enable_hr": ((False,), "there is no second pass at a higher resolution"),
        "restore_faces": ((None, False), "there is no restoring of faces"),
        "tiling": ((None, False), "there are no tiles"),
        "styles": ((None, []), "no styles are stored"),
        "subseed_strength": ((0,), "seeds are not mixed"),
        "seed_resize_from_h": ((-1, 0), "noise is not resized"),
        "seed_resize_from_w": ((-1, 0), "noise is not resized"),
        "s_min_uncond": ((None, 0), "the negative prompt is looked at in every step"),
        "s_churn": ((None, 0), "samplers add no further noise"),
        "s_noise": ((None, 1), "the noise has its own strength"),
        "refiner_checkpoint": ((None, "", "None"), "there is no refiner"),
        "firstpass_image": ((None, ""), "there is no second pass"),
        "script_name": ((None, ""), "there are no scripts"),
        "script_args": (([],), "there are no scripts"),
        "alwayson_scripts": (({},), "there are no scripts"),
        "infotext": ((None, ""), "send the fields themselves"),
        "save_images": ((False,), "no pictures are kept here"),
    }
)


@dataclass(frozen=True, eq=False)
class Painted:
    """An order's pictures, and what whoever ordered should know about them."""

    images: Sequence[Image.Image]
    notes: Sequence[str]


def read_order(request: Txt2ImgRequest, painter: Painter) -> Order:
    """What a request asks for. A seed of -1 becomes one of chance.

    Raises ConfigError that names all fields whose values ask for what is not here, or for too many pictures;
    NotHereError for a sampler or a model that is not here.
    """
    refused = [
        f"{name}: {reason}"
        for name, (harmless, reason) in MISSING.items()
        if getattr(request, name) not in harmless
    ]
    if refused:
        raise ConfigError("; ".join(refused) + "; leave these fields out")
    _check_settings(request.override_settings or {}, painter)
    count = request.batch_size * request.n_iter
    if count > MOST_PICTURES:
        raise ConfigError(
            f"batch_size x n_iter is {count}; the limit here is {MOST_PICTURES} pictures a request"
        )
    first = secrets.randbelow(SEEDS) if request.seed == -1 else request.seed
    order = Order(
        prompt=request.prompt,
        seeds=tuple((first + number) % SEEDS for number in range(count)),
        width=request.width,
        height=request.height,
        batch=request.batch_size,
        negative_prompt=request.negative_prompt,
        steps=request.steps,
        guidance=request.cfg_scale,
        sampler=find_sampler(request.sampler_name or request.sampler_index or "Euler", request.scheduler),
        eta=request.eta,
    )
    painter.check(order)
    return order


def check_model(title: str | None, painter: Painter | None) -> None:
    """Raise NotHereError unless `title` is the painter's, or none is named."""
    here = painter.title if painter else None
    if title is not None and title != here:
        raise NotHereError(f"there is no model '{shorten(title)}'; here is {here or 'none, txt2img is off'}")


def _check_settings(settings: Mapping[str, Any], painter: Painter) -> None:
    """Of the web UI's settings, only the model can be named, and only the one that is here."""
    others = [shorten(name) for name in settings if name != "sd_model_checkpoint"]
    if others:
        raise ConfigError(
            f"override_settings: there is no setting {', '.join(others[:5])} here; leave it out"
        )
    title = settings.get("sd_model_checkpoint")
    if title is not None and not isinstance(title, str):
        raise ConfigError("override_settings: sd_model_checkpoint must be a text")
    check_model(title, painter)


def answer(request: Txt2ImgRequest, order: Order, painted: Painted, painter: Painter) -> Txt2ImgAnswer:
    """The web UI's answer: PNG files with their parameters in them, and info as a JSON text."""
    texts = [infotext(order, seed, painter) for seed in order.seeds]
    images = zip(painted.images, texts, strict=True) if request.send_images else ()
    return Txt2ImgAnswer(
        images=[encode(image, text) for image, text in images],
        parameters=request.model_dump(),
        info=json.dumps(info(order, texts, painted.notes, painter)),
    )


def infotext(order: Order, seed: int, painter: Painter) -> str:
    """How a picture was made, as the web UI writes it; without what had no effect."""
    numbers = {
        "steps": ("Steps", order.steps),
        "sampler_name": ("Sampler", order.sampler.name),
        "cfg_scale": ("CFG scale", order.guidance),
        "seed": ("Seed", seed),
        "size": ("Size", f"{order.width}x{order.height}"),
        "model": ("Model", painter.title),
    }
    told = [f"{label}: {value}" for name, (label, value) in numbers.items() if name not in painter.unused]
    lines = [order.prompt]
    if order.negative_prompt and "negative_prompt" not in painter.unused:
        lines.append(f"Negative prompt: {order.negative_prompt}")
    return "\n".join([*lines, ", ".join(told)])


def info(order: Order, texts: Sequence[str], notes: Sequence[str], painter: Painter) -> dict[str, Any]:
    """The web UI's info, and what is ours: `notes`, and `unused`, the fields that had no effect."""
    count = len(order.seeds)
    return {
        "prompt": order.prompt,
        "all_prompts": [order.prompt] * count,
        "negative_prompt": order.negative_prompt,
        "all_negative_prompts": [order.negative_prompt] * count,
        "seed": order.seeds[0],
        "all_seeds": list(order.seeds),
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
        "denoising_strength": None,
        "extra_generation_params": {},
        "index_of_first_image": 0,
        "infotexts": list(texts),
        "styles": [],
        "notes": list(notes),
        "unused": list(painter.unused),
    }
