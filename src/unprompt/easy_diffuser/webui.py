"""A client of the Stable Diffusion web UI's API: prompts to /sdapi/v1/txt2img, its images to PNG files.

The server drops fields that it does not know without a word, so they are refused here. It sends whatever
image format it is set to; what is written is PNG. Every way in which a server can fail is a WebUIError that
says what to do.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.easy_diffuser.config import ANSWER_SECONDS, STEPS, URL
from unprompt.easy_diffuser.errors import WebUIError
from unprompt.easy_diffuser.webui_images import as_png, cut, images_in
from unprompt.errors import ConfigError, RunError
from unprompt.storage.damage import DAMAGED_JSON
from unprompt.storage.files import write_bytes
from unprompt.storage.packages import needed_for

if TYPE_CHECKING:
    import httpx

TXT2IMG = "/sdapi/v1/txt2img"
CONNECT_SECONDS = 10.0
LARGEST_ANSWER = 1 << 29  # bytes
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
HERE = frozenset({"127.0.0.1", "::1", "localhost"})
NO_SUCH_PAGE = (404, 405, 501)  # what servers say of an address that they do not have, to a POST


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


def request(
    url: str,
    fields: Mapping[str, Any],
    timeout: float = ANSWER_SECONDS,
    auth: tuple[str, str] | None = None,
    transport: httpx.BaseTransport | None = None,
    largest: int = LARGEST_ANSWER,
) -> dict[str, Any]:
    """POST fields to txt2img and give back the object that the server answers, up to `largest` bytes."""
    with needed_for("sending prompts to a web UI", "app", ConfigError):
        import httpx
    address = _address(url)
    where = str(address.copy_with(userinfo=b""))
    if not timeout > 0:
        raise ConfigError(f"timeout is in seconds, above 0, got {timeout}")
    if auth is not None and (len(auth) != 2 or isinstance(auth, str) or ":" in auth[0]):
        raise ConfigError("auth is two texts, (user, password), the user without a ':'")
    try:
        content = json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"these options cannot be sent as JSON: {error}") from error
    late = WebUIError(
        f"{where} did not answer within {timeout:g} s; it may still be at work. Wait for it, give a longer "
        "timeout=, or ask for fewer steps or a smaller picture"
    )
    deadline = time.monotonic() + timeout
    limits = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    try:
        # A proxy that the environment names has no way to this machine's own addresses.
        with (
            httpx.Client(
                auth=auth, timeout=limits, trust_env=address.host not in HERE, transport=transport
            ) as client,
            client.stream(
                "POST", address, content=content, headers={"Content-Type": "application/json"}
            ) as response,
        ):
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > largest:
                    raise WebUIError(
                        f"{where} answers more than {largest >> 20} MiB; ask for fewer or smaller pictures"
                    )
                if time.monotonic() > deadline:
                    raise late
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise WebUIError(
            f"no server answers at {where} ({error}); start the web UI with --api, or name its address "
            "with url="
        ) from error
    except httpx.TimeoutException as error:
        raise late from error
    except httpx.RequestError as error:
        raise WebUIError(
            f"the connection to {where} broke ({error}); see what the server itself says"
        ) from error
    if not response.is_success:
        raise WebUIError(_refusal(where, response, bytes(body), auth))
    return _json_object(where, bytes(body))


def _address(url: str) -> httpx.URL:
    """The address of txt2img on a server. Raises ConfigError where it is none."""
    import httpx

    try:
        address = httpx.URL(url.rstrip("/").removesuffix(TXT2IMG) + TXT2IMG)
    except httpx.InvalidURL as error:
        raise ConfigError(f"url is no address ({error}); write it like {URL}") from error
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigError(f"url must begin with http:// or https://, got '{url}'; write it like {URL}")
    return address


# --- what came back


def _refusal(where: str, response: httpx.Response, body: bytes, auth: tuple[str, str] | None) -> str:
    """What a status other than success means, and what to do."""
    status = response.status_code
    said = what_was_said(body)
    if status == 401:
        if auth is None:
            return f"{where} wants a user and a password: give auth=(user, password), as in its --api-auth"
        return f"{where} does not take the password of '{auth[0]}'; see the server's --api-auth"
    if status in NO_SUCH_PAGE:
        if status == 404 and said and said != "Not Found" and _is_json(body):
            return (
                f"{where} does not know what was asked for: {said}; see /sdapi/v1/samplers for its samplers"
            )
        return (
            f"there is no API at {where} (status {status}); where that is the web UI, start it with --api, "
            "else name the web UI's address with url="
        )
    if status == 422:
        return f"{where} cannot use these options: {said or 'it does not say why'}"
    if response.is_redirect:
        return (
            f"{where} sends on to {response.headers.get('location', 'nowhere')}; name that address with url="
        )
    if status == 503 or status == 429:
        wait = response.headers.get("retry-after")
        return f"{where} is busy; try again {f'in {wait} s' if wait else 'later'}" + (
            f" ({said})" if said else ""
        )
    fault = "failed" if status >= 500 else "refused"
    return f"{where} {fault} with status {status}: {said or response.reason_phrase or 'no reason given'}"


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except DAMAGED_JSON:
        return False
    return True


def what_was_said(body: bytes) -> str:
    """The reason in an error's body, on one line and cut to length: FastAPI's detail, the web UI's errors."""
    try:
        content = json.loads(body)
    except DAMAGED_JSON:
        return cut(body.decode("utf-8", "replace"))
    if not isinstance(content, dict):
        return cut(json.dumps(content))
    detail = content.get("detail") or content.get("errors") or content.get("error") or ""
    if isinstance(detail, list):
        detail = "; ".join(map(_complaint, detail))
    return cut(detail if isinstance(detail, str) else json.dumps(detail))


def _complaint(one: Any) -> str:
    """One entry of a validation error: "steps: Input should be a valid integer"."""
    if not isinstance(one, dict) or "msg" not in one:
        return str(one)
    place = one.get("loc") if isinstance(one.get("loc"), list) else []
    return ": ".join([".".join(str(part) for part in place or [] if part != "body"), str(one["msg"])]).lstrip(
        ": "
    )


def _json_object(where: str, body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except DAMAGED_JSON:
        said = cut(body.decode("utf-8", "replace"))
        raise WebUIError(
            f"{where} answers what is not JSON ({said or 'nothing'}); is that the web UI's address?"
        ) from None
    if not isinstance(content, dict):
        raise WebUIError(f"{where} answers {cut(json.dumps(content))}, expected an object with 'images'")
    return content
