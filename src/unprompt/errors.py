"""The errors a user can cause and can mend.

Every message says what is wrong, where, and what to do. Only the command line turns them into exit codes;
anything else that is raised is a bug in unprompt. How messages count is said here too, as all rooms do, and
how they show what others named.
"""

import errno
import re

# What a terminal obeys instead of showing it, and what turns or hides the text around it: control characters,
# marks and overrides of direction, and the halves of characters that stand for bytes which are not UTF-8.
_UNSAFE = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_IN_A_LINE = re.compile(f"[\t\n{_UNSAFE}]")
_IN_LINES = re.compile(f"[{_UNSAFE}]")

WHAT_TO_DO = {  # by the system's number of an error
    errno.EACCES: "get the right to it, or name another place",
    errno.EPERM: "get the right to it, or name another place",
    errno.EROFS: "name a place on a disk that can be written",
    errno.ENOENT: "check this name",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.EMFILE: "do less at once (--workers), or allow this process more files (ulimit -n)",
    errno.EIO: "the disk may be failing; copy the files to another one",
}


def shown(text: str, lines: bool = False) -> str:
    """A text that others wrote, such as a file's name, as it can be printed: on one line, and obeyed by none.

    What a terminal would obey becomes `\\x1b`, and beyond ASCII `\\u202e`, which JSON reads as what it was.
    `lines`: line ends and tabs stay.
    """
    return (_IN_LINES if lines else _IN_A_LINE).sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


class UnpromptError(Exception):
    """Base of all errors that are shown to a user as one line."""


def describe_os_error(error: OSError) -> str:
    """What the system refused, where, and what to do, as one line.

    "RUN/a.csv: permission denied; get the right to it, or name another place".
    """
    if not error.strerror:
        return " ".join(str(error).split()) or type(error).__name__
    names = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    why = error.strerror[0].lower() + error.strerror[1:]
    advice = WHAT_TO_DO.get(error.errno or 0)
    return (f"{names}: {why}" if names else why) + (f"; {advice}" if advice else "")


def describe_name_error(error: ValueError) -> str | None:
    """What is wrong with a name or text that nobody nearer to it had words for; None for any other error."""
    if "embedded null" in str(error):
        return "a path has a NUL character, which no file's name can have; mend what names it"
    if isinstance(error, UnicodeEncodeError):
        around = error.object[max(0, error.start - 20) : error.end + 20]
        return f"a name or text is not UTF-8: {around!r}; rename the file, or save the text as UTF-8"
    return None


class InputError(UnpromptError):
    """A file or folder given by the user cannot be used as it is."""


class ConfigError(UnpromptError):
    """A setting has a value that makes no sense."""


class CheckpointError(UnpromptError):
    """A model's parameters are missing, damaged or not the expected ones."""


class RunError(UnpromptError):
    """A run folder is in a state that the command must not touch."""


class HeldError(RunError):
    """Another process is writing the same files now; nothing is wrong with what was asked for."""


class NoMemoryError(RunError):
    """What is to be done at once does not fit into the memory."""


class ChangedError(RunError):
    """Unfinished work cannot go on, since it was begun with something else: `change` says with what."""

    def __init__(self, message: str, change: str = "") -> None:
        super().__init__(message)
        self.change = change


class StoreError(UnpromptError):
    """A store that an address names cannot be reached. Ends a run, which goes on when called again."""


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
