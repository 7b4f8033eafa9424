"""The process of one batch run: `python -m unprompt.serving.batch_worker JOB`.

JOB is JSON: source, out, bundle, device. Each line that it prints is JSON too: {"done", "total"} as it goes
on, at last {"images", "problems", "seconds"}, or {"error"}. It ends when its standard input does, and so
never outlives whoever began it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from unprompt.errors import UnpromptError
from unprompt.runs.config import PredictConfig

CHUNK = 16  # images between two reports, and what a cancelled run can lose
ORPHANED = 3  # exit code


def main() -> int:
    """Do one job; returns the exit code."""
    lines = _own_stdout()
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    job = json.loads(sys.argv[1])

    def say(**what: Any) -> None:
        print(json.dumps(what), file=lines, flush=True)

    from unprompt.runs.predict import predict

    config = PredictConfig(bundle=job["bundle"], device=job["device"], chunk=CHUNK)
    try:
        result = predict(
            Path(job["source"]),
            Path(job["out"]),
            config,
            progress=lambda step, done, total: say(done=done, total=total),
        )
    except UnpromptError as error:
        say(error=str(error))
        return 1
    say(images=result.images, problems=len(result.problems), seconds=round(result.seconds, 1))
    return 0


def _own_stdout() -> TextIO:
    """Standard output for the JSON lines alone; what libraries print goes to standard error."""
    lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return lines


def _end_with_stdin() -> None:
    sys.stdin.buffer.read()
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
