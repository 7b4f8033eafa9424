"""The errors a user can cause and can mend.

Every message says what is wrong, where, and what to do. Only the command line turns them into exit codes;
anything else that is raised is a bug in unprompt.
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
