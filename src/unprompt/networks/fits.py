"""How many items are taken at once: fewer where memory ran out, and in time more again."""

from __future__ import annotations

MOST_PATIENCE = 1024  # batches


class Fit:
    """The number of items of a batch, `size`: at first and at most `full`.

    Memory that ran out may have been another program's for a while, so after `patience` batches of a smaller
    size that fitted, the size is doubled. Each time that memory runs out again before the full size has
    fitted, it takes twice as many, up to MOST_PATIENCE: little is lost where the memory stays short.
    """

    def __init__(self, full: int, patience: int) -> None:
        self.full = self.size = full
        self._first = patience
        self._patience = 0  # none needed: the full size fits, as far as is known
        self._fitted = 0

    def shrink(self, items: int) -> None:
        """Note that so many did not fit."""
        self.size, self._fitted = items // 2, 0
        self._patience = min(2 * self._patience or self._first, MOST_PATIENCE)

    def note(self, items: int) -> None:
        """Note that so many fitted; fewer than `size` say nothing about it."""
        if not self._patience or items < self.size:
            return
        self._fitted += 1
        if self.size >= self.full:
            self._patience = 0
        elif self._fitted >= self._patience:
            self.size, self._fitted = min(2 * self.size, self.full), 0
