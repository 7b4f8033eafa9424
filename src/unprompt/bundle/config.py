"""Which bundle is used where none is named. Light to import, as command lines' defaults are made of it."""

from __future__ import annotations

DEFAULT_BUNDLE = "lite"
