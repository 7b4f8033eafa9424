"""What is drawn again and again is kept: what was used last, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import Any, Generic, ParamSpec, TypeVar

MEMORY = 256 * 2**20  # bytes that a process keeps: of drawings, and as much of all else

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Given = ParamSpec("Given")


class Kept(Generic[Key, Value]):
    """The values used last, up to `memory` bytes; `size_of` tells a value's. Threads may share one."""

    def __init__(self, size_of: Callable[[Value], int], memory: int = MEMORY) -> None:
        self._size_of = size_of
        self._memory = memory
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """A value that is kept, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def add(self, key: Key, value: Value) -> None:
        """Keep a value, and drop those not used for longest where there is no room; the last one stays."""
        with self._lock:
            if key in self._values:
                self._bytes -= self._size_of(self._values.pop(key))
            self._values[key] = value
            self._bytes += self._size_of(value)
            while self._bytes > self._memory and len(self._values) > 1:
                _, dropped = self._values.popitem(last=False)
                self._bytes -= self._size_of(dropped)


_arrays: Kept[Any, Any] = Kept(lambda array: array.nbytes)


def keep_array(make: Callable[Given, Value]) -> Callable[Given, Value]:
    """Have a function make an array once as long as there is room: all such functions share MEMORY.

    Unlike `functools.cache`, which would keep an array for each size that was ever asked for.
    """

    @wraps(make)
    def kept(*args: Given.args, **kwargs: Given.kwargs) -> Value:
        key = (make, args, tuple(sorted(kwargs.items())))
        array: Value | None = _arrays.get(key)
        if array is None:
            array = make(*args, **kwargs)
            _arrays.add(key, array)
        return array

    return kept
