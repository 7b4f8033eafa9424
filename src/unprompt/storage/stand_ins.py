"""What lies under a large file's name in its place: pointers, web pages, halves of a download."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from pathlib import Path

BEGINNING = 1024  # bytes that are looked at
LFS = b"version https://git-lfs.github.com/spec/"
ANNEX = (b"/annex/objects/", b"../.git/annex/")
PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml")
ZIP = b"PK\x03\x04"
UNFINISHED = (".part", ".partial", ".incomplete", ".crdownload", ".download", ".aria2")
MOST_HEADER = 100_000_000  # bytes, as safetensors itself allows


def describe_stand_in(path: Path) -> str | None:
    """What a file is that should hold weights, and what to do; None where it may well hold them.

    "a Git LFS pointer (134 bytes), not the file itself; run: git lfs pull". To be put after "PATH is ".
    Raises OSError where the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        beginning = stream.read(BEGINNING)
    if not size:
        return "an empty file; get it again"
    if beginning.startswith(LFS):
        return (
            f"a Git LFS pointer ({size:,} bytes), not the weights; run `git lfs pull` in that folder, or get "
            "the file itself"
        )
    if beginning.startswith(ANNEX):
        return "a git-annex pointer, not the weights; run `git annex get` on it"
    text = beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(PAGES):
        return (
            "a web page, not weights: what was saved is the page of the download, or of an error; get the "
            "file itself"
        )
    if text.startswith(b"{") and b'"error"' in text:
        return "a server's error message, not weights; get the file again"
    if path.suffix in UNFINISHED:
        return "a download that is under way or was broken off; finish it, or get the file again"
    if beginning.startswith(ZIP) and not zipfile.is_zipfile(path):
        return f"cut short: of the file only the first {size:,} bytes came, a half download; get it again"
    whole = _safetensors_size(path, beginning)
    if whole is not None and size < whole:
        return f"cut short: it has {size:,} of {whole:,} bytes, a half download; get it again"
    return None


def _safetensors_size(path: Path, beginning: bytes) -> int | None:
    """How many bytes a safetensors file should have by its header; None for another file."""
    if beginning[8:9] != b"{":
        return None
    length = int.from_bytes(beginning[:8], "little")
    if length > MOST_HEADER:
        return None
    with path.open("rb") as stream:
        stream.seek(8)
        header = stream.read(length)
    if len(header) < length:
        return 8 + length  # and more that it does not tell
    with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
        ends = [
            entry["data_offsets"][1] for name, entry in json.loads(header).items() if name != "__metadata__"
        ]
        return 8 + length + max(ends, default=0)
    return None
