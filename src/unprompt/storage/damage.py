"""What libraries raise for files whose bytes are wrong: no library keeps to one kind of error.

Each kind was seen with single bytes flipped, with a file cut short, or with one of another kind. Where a
library that only some work needs has errors of its own, a function gives them, so that it is not imported
before that work begins.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from pickle import UnpicklingError
from tokenize import TokenError

from unprompt.errors import InputError

Errors = tuple[type[BaseException], ...]

DAMAGED_JSON = (OSError, ValueError, RecursionError)  # ValueError: JSONDecodeError and UnicodeDecodeError
OTHER_RECORD = (InputError, KeyError, TypeError, ValueError)  # JSON with other contents than were written

# zipfile, zlib and numpy, for an .npz
DAMAGED_ARRAYS = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    SyntaxError,
    AttributeError,
    OverflowError,
    MemoryError,
    RuntimeError,  # and NotImplementedError
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    TokenError,  # of a header that Python cannot parse
)


def damaged_table() -> Errors:
    """Of polars, for a parquet or CSV file."""
    from polars.exceptions import PanicException, PolarsError

    return (OSError, PolarsError, PanicException)


def damaged_safetensors() -> Errors:
    """Of safetensors."""
    from safetensors import SafetensorError

    return (OSError, SafetensorError)


def damaged_weights() -> Errors:
    """Of torch, transformers and diffusers, for a network's files: weights in any format, and settings."""
    kinds = (ValueError, RuntimeError, KeyError, TypeError, IndexError, AttributeError, EOFError)
    return (*damaged_safetensors(), *kinds, UnpicklingError, struct.error)
