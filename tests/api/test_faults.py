"""Pictures that the models stumble over, among others that they do not."""

from __future__ import annotations

import io
from collections.abc import Sequence

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image

from tests.api_server import serving
from unprompt.api.errors import TooLittleMemoryError, add_handlers, status_of
from unprompt.api.looking import look_at_each
from unprompt.errors import ConfigError, NoMemoryError, UnpromptError, UnreadableImageError

OUT = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes"
FAULTS = {
    2: MemoryError(),
    3: ValueError("height and width must be > 0"),
    4: RuntimeError(OUT),
    5: OverflowError("signed integer is greater than maximum"),
    6: UnreadableImageError("what the model makes of it is not a number"),
    10: NoMemoryError("1 image at once do not fit into the memory of cuda; give a smaller batch"),
}


def file_of(width: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, 1)).save(stream, "PNG")
    return stream.getvalue()


def widths(pictures: Sequence[Image.Image]) -> list[int]:
    """A model that says how wide each picture is, and cannot bear some widths."""
    seen = []
    for picture in pictures:
        if picture.width in FAULTS:
            raise FAULTS[picture.width]
        if picture.width == 99:
            raise ConfigError("not as the server was set up")
        seen.append(picture.width)
    return seen


def told(found: Sequence[object]) -> list[object]:
    return [status_of(one) if isinstance(one, UnpromptError) else one for one in found]


def test_the_fault_of_one_is_no_others() -> None:
    contents = [file_of(7), b"no picture", file_of(8), file_of(2), file_of(9), file_of(6)]
    assert told(look_at_each(widths, contents[:3])) == [7, 422, 8]
    assert told(look_at_each(widths, contents)) == [7, 422, 8, 503, 9, 422]


@pytest.mark.parametrize(("width", "status"), [(2, 503), (3, 422), (4, 503), (5, 422), (6, 422), (10, 503)])
def test_what_one_alone_is_told(width: int, status: int) -> None:
    [found] = look_at_each(widths, [file_of(width)])
    assert isinstance(found, TooLittleMemoryError if status == 503 else UnreadableImageError)
    assert status_of(found) == status


def test_what_is_not_the_pictures_fault_is_everybodys() -> None:
    with pytest.raises(ConfigError):
        look_at_each(widths, [file_of(7), file_of(99)])
    assert look_at_each(widths, []) == []


def test_a_request_that_there_is_no_memory_for_is_told_to_come_again() -> None:
    app = FastAPI()
    add_handlers(app)
    errors = {"system": MemoryError(), "torch": RuntimeError(OUT), "bug": RuntimeError("mat1 and mat2")}

    @app.get("/{name}")
    async def fail(name: str) -> None:
        raise errors[name]

    with serving(app) as url, httpx.Client(base_url=url) as client:
        for name in ("system", "torch"):
            answer = client.get(f"/{name}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert answer.json()["detail"] == "not enough memory for this request now"
        answer = client.get("/bug")
    assert (answer.status_code, answer.json()["error"]) == (500, "InternalError")
