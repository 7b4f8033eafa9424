"""Where a web UI is, who may use it, how long it may take. Light: the command line's options are these."""

from __future__ import annotations

import os

from unprompt.errors import ConfigError
from unprompt.settings import check_utf8

URL = "http://127.0.0.1:7860"  # where the web UI listens unless told otherwise
ANSWER_SECONDS = 300.0  # a picture can take minutes
AUTH = "UNPROMPT_WEBUI_AUTH"  # an environment variable, since other users see a command's arguments

Auth = tuple[str, str]  # user and password


def find_auth() -> Auth | None:
    """User and password for the web UI, from the environment; None where it has none.

    Raises ConfigError, without the password, for what is not USER:PASSWORD.
    """
    given = os.environ.get(AUTH)
    if not given:
        return None
    user, colon, password = given.partition(":")
    if not (user and colon):
        raise ConfigError(f"${AUTH} must be USER:PASSWORD, and has no " + ("user" if colon else "':'"))
    check_utf8(given, f"${AUTH}")
    return user, password
