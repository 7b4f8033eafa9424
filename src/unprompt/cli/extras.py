"""What is told where a package that a command needs is not installed."""

from __future__ import annotations

EXTRA_BY_COMMAND = {  # which extra a command's packages are from, where its name is no extra's
    "prompts": "generate",
    "filter": "generate",
    "render": "generate",
    "describe": "generate",
    "pocket": "train",
    "tune": "train",
    "bank": "interrogate",
    "caption": "interrogate",
    "easy-diffuser": "app",
    "page": "pages",
}
USUAL = "lite"


def advise_on_missing(error: ModuleNotFoundError, program: str) -> str | None:
    """Which extra to install for the command `program` ("unprompt train"); None for a module of no extra."""
    from unprompt.storage.packages import distribution_of, extras

    missing = distribution_of(error.name or "")
    having = [name for name, packages in extras().items() if missing in packages]
    if not having:
        return None
    command = program.split()[1] if " " in program else ""
    wanted = EXTRA_BY_COMMAND.get(command, command or USUAL)
    extra = next((name for name in (wanted, USUAL) if name in having), having[0])
    return f"`{program}` needs {missing}; run: pip install 'unprompt[{extra}]'"
