"""Where Pillow meets bytes of strangers: which formats it is let at, and what becomes of all that it raises.

Nothing else opens pictures that were not made in this process. A decoder of Pillow's raises whatever its
code or the library behind it comes upon, so no list of kinds of errors would be whole.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from unprompt.errors import UnpromptError, UnreadableImageError

# By Pillow's names; an MPO is a JPEG. Each is decoded in this process. Of what is left out EPS runs
# Ghostscript, WMF and other "stubs" want a handler, and the others hardly anybody has.
FORMATS = (
    "PNG", "JPEG", "JPEG2000", "WEBP", "AVIF", "BMP", "DIB", "GIF", "TIFF", "HEIF", "JXL", "PPM", "TGA",
    "QOI", "ICO", "CUR", "ICNS", "PCX", "SGI", "PSD", "DDS", "XBM", "XPM",
)  # fmt: skip
COMMON = FORMATS[:2]  # tried before Pillow imports what reads the others, some 45 modules
NO_IMAGE = "not an image, or one of an unknown format"
LONGEST_REASON = 200  # characters of what a decoder says


def open_picture(source: Path | IO[bytes], formats: Sequence[str] = FORMATS) -> Image.Image:
    """Open a picture as `Image.open` does, not decoding it yet, if it is of one of `formats`.

    Only those that are in FORMATS and that this Pillow knows count. Raises whatever Pillow raises; to be
    called within `decoding`.
    """
    _silence()
    Image.preinit()  # reads those that are common
    with suppress(UnidentifiedImageError):
        return Image.open(source, formats=[name for name in COMMON if name in formats])
    return Image.open(source, formats=_known(tuple(formats)))


@contextmanager
def decoding(unknown: str = NO_IMAGE, too_large: str = "too large to be decoded safely") -> Iterator[None]:
    """Turn whatever a decoder raises in this block into UnreadableImageError, in words.

    `unknown`: what to say of something that is no picture of a format that is taken. `too_large`: of one that
    Pillow itself refuses.
    """
    try:
        yield
    except UnpromptError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(unknown) from None
    except Image.DecompressionBombError:
        raise UnreadableImageError(too_large) from None
    except PermissionError:
        raise UnreadableImageError("no permission to read the file") from None
    except FileNotFoundError:
        raise UnreadableImageError("the file is gone, or a link that leads nowhere") from None
    except MemoryError:
        raise UnreadableImageError("too large for the memory that is free") from None
    except NotImplementedError as error:
        raise UnreadableImageError(f"of a kind that cannot be decoded: {_reason(error)}") from error
    except BaseException as error:
        if not isinstance(error, Exception) and not _is_panic(error):
            raise
        raise UnreadableImageError(f"damaged or truncated: {_reason(error)}") from error


def _is_panic(error: BaseException) -> bool:
    """Whether an error is how a library in Rust, such as a plug-in's, says that it has failed."""
    return type(error).__name__ == "PanicException"


def _reason(error: BaseException) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in str(error)).split())
    return words[:LONGEST_REASON] or type(error).__name__


@cache
def _known(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Those of some formats that are taken and that this Pillow can open; older ones have no AVIF."""
    _add_plug_ins()
    Image.init()
    return tuple(name for name in formats if name in FORMATS and name in Image.OPEN)


@cache
def _silence() -> None:
    """Once: have Pillow say nothing on the side of what it finds in files, as readers say it."""
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())


@cache
def _add_plug_ins() -> None:
    """Once."""
    with suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    with suppress(ImportError):
        import_module("pillow_jxl")  # adds itself
