"""Photographs that come with installed packages: a picture at hand for whoever has none.

They are read where they lie. scikit-learn, which `lite` needs, brings two; Matplotlib and scikit-image add to
them where they are installed. None has a prompt, so none can be scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

# Package, folder in it, files; those that say most in front.
PLACES = (
    ("skimage", "data", ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg", "motorcycle_left.png")),
    ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
    ("matplotlib", "mpl-data/sample_data", ("grace_hopper.jpg",)),
)


def find_photographs(places: Sequence[tuple[str, str, Sequence[str]]] = PLACES) -> list[Path]:
    """The photographs of the packages that are installed, in the order of `places`. Imports no package."""
    found = []
    for package, folder, names in places:
        spec = find_spec(package)
        for root in (spec.submodule_search_locations or ()) if spec else ():
            found += [path for name in names if (path := Path(root) / folder / name).is_file()]
    return found
