"""Prompts to a Stable Diffusion web UI's /sdapi/v1/txt2img, its images to PNG files.

The server drops fields that it does not know without a word, so they are refused here. It sends whatever
image format it is set to; what is written is PNG.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.easy_diffuser.config import ANSWER_SECONDS, STEPS, URL
from unprompt.errors import ConfigError, RunError
from unprompt.painting.webui import request as request
from unprompt.painting.webui_images import as_png, images_in
from unprompt.storage.files import write_bytes

if TYPE_CHECKING:
    import httpx

_FIELDS = """
    styles seed subseed subseed_strength seed_resize_from_h seed_resize_from_w sampler_name scheduler
    sampler_index batch_size n_iter cfg_scale width height restore_faces tiling save_images
    do_not_save_samples do_not_save_grid eta denoising_strength s_min_uncond s_churn s_tmax s_tmin s_noise
    override_settings override_settings_restore_afterwards refiner_checkpoint refiner_switch_at
    disable_extra_networks firstpass_image comments enable_hr firstphase_width firstphase_height hr_scale
    hr_upscaler hr_second_pass_steps hr_resize_x hr_resize_y hr_checkpoint_name hr_sampler_name hr_scheduler
    hr_prompt hr_negative_prompt script_name script_args alwayson_scripts force_task_id infotext
"""
FIELDS = frozenset(_FIELDS.split())  # beside prompts and steps; without send_images, which leaves them out


def send(
    prompt: str,
    negative_prompt: str,
    url: str = URL,
    steps: int = STEPS,
    out: str | Path = "output.png",
    timeout: float = ANSWER_SECONDS,
    auth: tuple[str, str] | None = None,
    transport: httpx.BaseTransport | None = None,
    **options: Any,
) -> list[Path]:
    """Have a web UI make images of two prompts; returns the PNG files that were written, in its order.

    Of several images (`batch_size`, `n_iter`) the second is OUT-2.png and so on; files that are there are
    replaced, all or, where one image is bad, none. `timeout`: seconds until the whole answer is there.
    `auth`: user and password of the server's --api-auth. `transport`: in place of the network. `options`:
    further fields of the API.

    Raises ConfigError for an argument that makes no sense, RunError where files cannot be written, and
    WebUIError for all that goes wrong with the server.
    """
    place = _checked_place(Path(out))
    fields = {"prompt": prompt, "negative_prompt": negative_prompt, "steps": _checked_steps(steps)}
    answer = request(url, {**fields, **_checked_options(options)}, timeout, auth, transport)
    pictures = [as_png(encoded, number) for number, encoded in enumerate(images_in(answer), start=1)]
    paths = [_numbered(place, number) for number in range(1, len(pictures) + 1)]
    try:
        for path, picture in zip(paths, pictures, strict=True):
            write_bytes(path, picture)
    except OSError as error:
        raise RunError(f"{place.parent} cannot be written: {error.strerror}; name another out=") from error
    return paths


# --- what is asked for


def _checked_place(out: Path) -> Path:
    """Find out before a picture is made whether it can be written."""
    if out.suffix.lower() != ".png":
        raise ConfigError(f"what is written is PNG; name a file that ends in .png, not {out}")
    if out.is_dir():
        raise ConfigError(f"{out} is a folder; name a file in it")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out.parent} cannot be made: {error.strerror}; name another out=") from error
    if not os.access(out.parent, os.W_OK):
        raise RunError(f"{out.parent} cannot be written: no permission; name another out=")
    return out


def _checked_steps(steps: int) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"steps must be a whole number, at least 1, got {steps!r}")
    return steps


def _checked_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in options:
        if name not in FIELDS:
            close = get_close_matches(name, FIELDS, n=1)
            advice = f"did you mean '{close[0]}'?" if close else "such as width, height, seed or sampler_name"
            raise ConfigError(f"the web UI's API takes no '{name}' from here; {advice}")
    return options


def _numbered(out: Path, number: int) -> Path:
    """output.png, output-2.png, output-3.png …"""
    return out if number == 1 else out.with_name(f"{out.stem}-{number}{out.suffix}")
