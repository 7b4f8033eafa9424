"""Results that are made once and kept in a file of the user's cache."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from unprompt.errors import RunError, UnpromptError
from unprompt.storage.places import in_reach

Result = TypeVar("Result")


def make_once(
    path: Path,
    read: Callable[[Path], Result],
    make: Callable[[], Result],
    write: Callable[[Path, Result], None],
    what: str,
) -> Result:
    """What an earlier call has kept in the file `path`, or what `make` gives now, which is kept there.

    `read` raises an UnpromptError for a file that is damaged or another's: it is made again with a warning. A
    folder that cannot be written only costs the time of making it again, and a warning: "`what` anew each
    run" ("phrases are encoded").
    """
    if in_reach(path):
        try:
            return read(path)
        except UnpromptError as error:
            warnings.warn(f"{error}; made again", stacklevel=3)
    made = make()
    try:
        write(path, made)
    except (OSError, RunError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        warnings.warn(
            f"{path} cannot be written ({reason}); {what} anew each run, unless XDG_CACHE_HOME "
            "names a folder that can be",
            stacklevel=3,
        )
    return made
