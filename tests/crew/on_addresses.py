"""Ray's workers read images at addresses; called by on_ray.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.stores import put
from unprompt.crew.ray_actors import join_ray
from unprompt.crew.work import Place, Ready
from unprompt.errors import RunError, StoreError
from unprompt.storage.images import ImageFile, find_images, read_file
from unprompt.storage.remote import path_of


@dataclass(frozen=True)
class Reading:
    """The work: images are read."""

    wants_gpu: bool = False

    @contextmanager
    def open(self, place: Place) -> Iterator[Ready[ImageFile, bytes]]:
        """Get ready."""

        def begin(file: ImageFile) -> Callable[[], bytes]:
            return partial(read, file)

        def read(file: ImageFile) -> bytes:
            return read_file(file).tobytes()

        yield Ready(begin, ahead=1)


def check_addresses(folder: Path) -> None:
    """One that all machines see, of which a file goes meanwhile; and one that only this process sees."""
    files = find_images(path_of(f"file://{folder}"))
    with join_ray(1, 1, [files[0].path]) as crew:
        done = list(crew.do(Reading(), files))
        assert [made for _, made in done] == [read_file(file).tobytes() for file in find_images(folder)]
        (folder / files[-1].path.name).rename(folder / "gone.txt")
        with pytest.raises(
            StoreError, match=r"the store does not have it any more .*; what is done stays done"
        ):
            list(crew.do(Reading(), files[-1:]))
    files = find_images(path_of(put(folder, "memory://only")))
    with (
        join_ray(1, 1, [file.path for file in files]) as crew,
        pytest.raises(
            RunError, match=r"does not reach memory://only/.*; give all machines .* the same access"
        ),
    ):
        list(crew.do(Reading(), files))
