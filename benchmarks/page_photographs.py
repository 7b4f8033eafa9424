"""Colouring pages of photographs, which have no truth: how much is closed, and what is too small for a child.

`python benchmarks/page_photographs.py IMAGES…`: pages of these images, and of the photographs that packages
bring, by stage 1, stage 2, auto and classic ways, 800 pixels a longer side with lines of .8 mm on A4. Means a
page:

- closed: the share of the white that is not in the largest area;
- short: pieces that are shorter either way than 4% of the diagonal;
- small: areas under the square of 2% of the diagonal.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from unprompt.colouring_pages.extract import open_extractor
from unprompt.colouring_pages.page import draw_page
from unprompt.colouring_pages.page_config import PageConfig
from unprompt.demos.photographs import find_photographs
from unprompt.storage.images import find_loose_images, read_file

SIDE, LINE = 800, 2.5  # pixels of a page, and of its lines: .8 mm of an A4 page
SHORT, SMALL = 0.04, 0.02  # of the diagonal
WAYS = {
    "stage 1": PageConfig(method="pix2pix", stage="1"),
    "stage 2": PageConfig(method="pix2pix", stage="2"),
    "auto": PageConfig(),
    "canny": PageConfig(method="canny"),
    "dodge": PageConfig(method="dodge"),
}


def measure(page: Image.Image) -> tuple[float, int, int, int]:
    """Closed, short and small, as above, and how many areas there are, of a page (L)."""
    lines = np.asarray(page) < 128
    diagonal = float(np.hypot(*lines.shape))
    areas, _ = ndimage.label(~lines)
    sizes = np.bincount(areas.ravel())[1:]
    pieces = ndimage.find_objects(ndimage.label(lines, np.ones((3, 3)))[0])
    longest = np.array([max(part.stop - part.start for part in piece) for piece in pieces])
    return (
        1 - float(sizes.max()) / float(sizes.sum()),
        int((longest < SHORT * diagonal).sum()),
        int((sizes < (SMALL * diagonal) ** 2).sum()),
        len(sizes),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each so manieth image only")
    options = parser.parse_args()
    files = find_loose_images(options.images)[:: options.every]
    pictures = [read_file(file) for file in files]
    pictures += [Image.open(path).convert("RGB") for path in find_photographs()]
    print(f"{len(pictures)} pictures\n{'':10}{'closed':>8}{'short':>8}{'small':>8}{'areas':>8}")
    for name, config in WAYS.items():
        extractor = open_extractor(config)
        rows = []
        for picture in pictures:
            drawing = draw_page(picture, extractor, config.detail).drawing
            width = round(SIDE * drawing.size[0] / max(drawing.size))
            rows.append(measure(drawing.render(width, LINE)))
        print(f"{name:10}" + "".join(f"{mean:8.2f}" for mean in np.mean(rows, axis=0)), flush=True)


if __name__ == "__main__":
    main()
