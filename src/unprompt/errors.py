"""The errors a user can cause and can mend.

Every message says what is wrong, where, and what to do. Only the command line turns them into exit codes;
anything else that is raised is a bug in unprompt. How messages count is said here too, as all rooms do.
"""


class UnpromptError(Exception):
    """Base of all errors that are shown to a user as one line."""


def describe_os_error(error: OSError) -> str:
    """What the system refused, where, as one line: "RUN/a.csv: permission denied"."""
    if not error.strerror:
        return " ".join(str(error).split()) or type(error).__name__
    names = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    why = error.strerror[0].lower() + error.strerror[1:]
    return f"{names}: {why}" if names else why


class InputError(UnpromptError):
    """A file or folder given by the user cannot be used as it is."""


class ConfigError(UnpromptError):
    """A setting has a value that makes no sense."""


class CheckpointError(UnpromptError):
    """A model's parameters are missing, damaged or not the expected ones."""


class RunError(UnpromptError):
    """A run folder is in a state that the command must not touch."""


class UnreadableImageError(UnpromptError):
    """One image cannot be decoded. Becomes a row of problems.csv, never the end of a run."""


_OF_ONE = {
    "are": "is", "have": "has", "were": "was", "do": "does", "carry": "carries",
    "them": "it", "their": "its", "themselves": "itself",
}  # fmt: skip


def counted(count: int, noun: str, plural: str = "") -> str:
    """ "1 image", "0 images", "1,200 images"; `plural` where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def part_of(count: int, total: int, noun: str) -> str:
    """ "2 of 1,200 images", "1 of 1 image"."""
    return f"{count:,} of {counted(total, noun)}"


def agreed(count: int, word: str) -> str:
    """A verb or pronoun of several things, as it is of `count`: of one "have" is "has", "need" is "needs"."""
    return _OF_ONE.get(word, f"{word}s") if count == 1 else word


def none_readable(total: int, noun: str, first: str) -> str:
    """ "none of 7 images can be read, first: a.png: cut short", "the only image cannot be read: a.png: …"."""
    if total == 1:
        return f"the only {noun} cannot be read: {first}"
    return f"none of {counted(total, noun)} can be read, first: {first}"
