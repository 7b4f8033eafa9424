"""Seeds: one a prompt or image, derived from the run's seed, so that each can be made again alone."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """A 32-bit seed for what `names` say (a stream and a number, an image id), from the run's seed.

    The first four bytes of BLAKE2b over the parts' decimal or UTF-8 forms, so it is the same on any machine
    and does not depend on what else is made. 32 bits is what Stable Diffusion's user interfaces accept.
    """
    key = "\0".join((str(seed), *(str(name) for name in names)))
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "little")
