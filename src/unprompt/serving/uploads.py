"""Pictures that people send to a server: bytes of unknown origin -> an RGB image, or a sentence why not."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from unprompt.errors import UnreadableImageError
from unprompt.storage.images import MAX_PIXELS, decode_image, reduced
from unprompt.storage.memory import IMAGES, Part

EXTENSIONS = ("png", "jpg", "jpeg", "webp")
FORMATS = ("PNG", "JPEG", "WEBP")  # Pillow knows many more, and some of them run programs
MEGABYTE = 1 << 20  # as Streamlit counts them
PREVIEW = 960  # pixels of the longer side


@dataclass(frozen=True)
class Upload:
    """A file as it came: its name, its bytes, and a digest that names the same bytes the same."""

    name: str
    content: bytes
    digest: str

    @classmethod
    def of(cls, name: str, content: bytes) -> Upload:
        """Take in a file; of a path only the last part is kept as the name."""
        return cls(Path(name).name or "picture", content, hashlib.sha256(content).hexdigest())


def read_upload(upload: Upload, limit_mb: float, most: int = MAX_PIXELS, alpha: bool = False) -> Image.Image:
    """Decode an upload of at most `most` pixels to RGB as `decode_image` does.

    `alpha`: RGBA of a picture that has transparency. Raises UnreadableImageError, in words for whoever
    sent it: too large a file, another format than FORMATS whatever its name says, and all that `decode_image`
    refuses.
    """
    return _read(upload, limit_mb, most, alpha)


@contextmanager
def open_upload(upload: Upload, limit_mb: float, alpha: bool = False) -> Iterator[Image.Image]:
    """An upload as `read_upload` gives it, to be done with in the block: of visitors that each have one open
    some wait where their pictures are large, see `storage.memory`. A block must not open another."""
    with IMAGES.part() as part:
        yield _read(upload, limit_mb, MAX_PIXELS, alpha, part)


def _read(upload: Upload, limit_mb: float, most: int, alpha: bool, part: Part | None = None) -> Image.Image:
    if len(upload.content) > limit_mb * MEGABYTE:
        size = len(upload.content) / MEGABYTE
        raise UnreadableImageError(f"{size:.1f} MB; the limit here is {limit_mb:g} MB, send a smaller file")
    what = "not a PNG, JPEG or WebP picture, or a damaged one"
    return decode_image(upload.content, FORMATS, what, most, alpha, part)


def preview(image: Image.Image, size: int = PREVIEW) -> bytes:
    """A JPEG of an RGB image for the page; its longer side has at most `size` pixels."""
    jpeg = io.BytesIO()
    reduced(image, size).save(jpeg, "JPEG", quality=88, optimize=True)
    return jpeg.getvalue()


def without_doubles(uploads: Sequence[Upload]) -> list[Upload]:
    """Each picture once, by its bytes, in the order in which they came."""
    by_digest: dict[str, Upload] = {}
    for upload in uploads:
        by_digest.setdefault(upload.digest, upload)
    return list(by_digest.values())
