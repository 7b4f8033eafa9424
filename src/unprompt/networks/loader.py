"""Loads networks that several members share, each once, on one device."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, TypeVar

from unprompt.networks.minilm import PromptEncoder

Loaded = TypeVar("Loaded")


class Loader:
    """Loads what members are made of, each thing once, on one device."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._loaded: dict[tuple[Hashable, ...], Any] = {}

    @cached_property
    def encoder(self) -> PromptEncoder:
        """all-MiniLM-L6-v2."""
        return PromptEncoder.load(self.device)

    def once(self, load: Callable[..., Loaded], *arguments: Hashable) -> Loaded:
        """`load(device, *arguments)`; who asks for the same again is given the same.

        `load`: a class's `load`, which takes the device first. Raises what it raises.
        """
        key = (load, *arguments)
        if key not in self._loaded:
            self._loaded[key] = load(self.device, *arguments)
        found: Loaded = self._loaded[key]
        return found
