"""Memory for images: who waits for whom, what is free, and how much a child process really takes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

from unprompt.errors import ConfigError
from unprompt.storage.images import ENOUGH, LARGE, ImageFile, open_file, read_file, read_image
from unprompt.storage.memory import IMAGES, Room, free_memory, give_back, use_memory
from unprompt.storage.memory_config import MemoryConfig

# The most that reading takes above what the process had before, in MB.
PEAK = """
import resource, sys
from pathlib import Path
from unprompt.storage.images import ImageFile, read_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_file(ImageFile("a", Path(sys.argv[1])), reduced=sys.argv[2] == "reduced")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_as_many_as_fit_are_let_in_together_in_the_order_in_which_they_came() -> None:
    room = Room(10)
    order: list[str] = []
    hold = {name: threading.Event() for name in "abcd"}
    inside = {name: threading.Event() for name in "abcd"}

    def enter(name: str, size: int) -> None:
        with room.part() as part:
            part.take(size)
            order.append(name)
            inside[name].set()
            hold[name].wait(10)

    sizes = {"a": 6, "b": 4, "c": 50, "d": 1}  # c is more than there is at all
    threads = {name: threading.Thread(target=enter, args=(name, size)) for name, size in sizes.items()}
    threads["a"].start()
    assert inside["a"].wait(10)
    threads["b"].start()
    assert inside["b"].wait(10)  # beside a
    threads["c"].start()
    while len(room._queue) < 1:
        pass
    threads["d"].start()
    while len(room._queue) < 2:
        pass
    hold["a"].set()
    threads["a"].join(10)
    assert order == ["a", "b"]  # d would fit, but stands behind c
    hold["b"].set()
    assert inside["c"].wait(10)
    assert not inside["d"].is_set()
    hold["c"].set()
    hold["d"].set()
    for thread in threads.values():
        thread.join(10)
    assert order == ["a", "b", "c", "d"]


def test_what_was_taken_is_given_back_when_the_block_fails() -> None:
    room = Room(10)

    def fail() -> None:
        with room.part() as part:
            part.take(10)
            raise ValueError("in the block")

    with pytest.raises(ValueError, match="in the block"):
        fail()
    with room.part() as part:
        part.take(10)
        part.take(10)  # as when a damaged PNG is opened a second time
        assert room._taken == 10
    assert room._taken == 0


def test_images_that_are_open_wait_for_each_other(tmp_path: Path) -> None:
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    file = ImageFile("a", tmp_path / "a.png")
    use_memory(MemoryConfig(memory=0.000001))
    try:
        opened = threading.Event()

        def second() -> None:
            with open_file(file):
                opened.set()

        with open_file(file) as image:
            assert image.size == (100, 100)
            thread = threading.Thread(target=second)
            thread.start()
            while not IMAGES._queue:
                pass
            assert not opened.is_set()
        assert opened.wait(10)
        thread.join(10)
    finally:
        use_memory(MemoryConfig())


def test_memory_is_some_of_what_is_free() -> None:
    assert 0 < free_memory() < 1 << 50
    give_back()
    with pytest.raises(ConfigError, match="memory must be above 0"):
        MemoryConfig(memory=0)


@pytest.mark.parametrize("size", [(4200, 4100), (2100, 8200)])
def test_a_large_jpeg_may_come_smaller_and_a_small_one_never(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", size, (200, 30, 40)).save(path)
    file = ImageFile("a", path)
    assert read_file(file).size == size
    reduced = read_file(file, reduced=True)
    assert ENOUGH <= min(reduced.size) < 2 * ENOUGH + 100
    assert reduced.width / reduced.height == pytest.approx(size[0] / size[1], rel=1e-3)
    assert reduced.getpixel((5, 5)) == read_image(path).getpixel((5, 5))
    Image.new("RGB", (size[0], LARGE // size[0])).save(path)
    assert read_file(file, reduced=True).size == (size[0], LARGE // size[0])


# Pillow's own image has four bytes a pixel; the file's bytes and its decoder's come on top.
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are counted in kilobytes on Linux only")
@pytest.mark.parametrize(
    ("name", "mode", "how", "times"),
    [("a.png", "RGB", "whole", 1), ("a.jpg", "RGB", "reduced", 0.5), ("b.png", "RGBA", "whole", 2)],
)
def test_reading_takes_no_more_than_the_picture_and_its_source(
    tmp_path: Path, name: str, mode: str, how: str, times: float
) -> None:
    size = (4200, 4100)
    Image.new(mode, size, (200, 30, 40, 90)[: len(mode)]).save(tmp_path / name, compress_level=1)
    told = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / name), how], capture_output=True, text=True, check=True
    )
    assert float(told.stdout) < times * size[0] * size[1] * 4 / (1 << 20) + 25
