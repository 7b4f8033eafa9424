"""An SVG of strangers is drawn in a process of its own.

A few bytes can bring resvg to take all memory (layers in layers, a large pattern), to draw for hours (dashes
of no length), or to end its process on numbers that it cannot count with. Here that costs one drawing.
"""

from __future__ import annotations

from subprocess import TimeoutExpired

from unprompt.errors import ConfigError, UnreadableImageError
from unprompt.storage.packages import package_folder
from unprompt.storage.processes import run_code

MEMORY = 2 * 2**30  # bytes; a plain drawing takes a hundredth
SECONDS = 60  # of a processor
PATIENCE = 10  # times as many seconds by the clock, where a system has no such limits or is busy
ENDED = "it takes too much memory or time, or ends the program that draws it"

DRAW = """
import sys
try:
    import resource
    for limit, most in (("RLIMIT_AS", {memory}), ("RLIMIT_CPU", {seconds}), ("RLIMIT_CORE", 0)):
        try:
            resource.setrlimit(getattr(resource, limit), (most, most))
        except (OSError, ValueError):
            pass  # there is a lower one
except ImportError:
    pass
sys.path.insert(0, sys.argv[1])
import resvg_py
svg = sys.stdin.buffer.read().decode()
try:
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=int(sys.argv[2]), height=int(sys.argv[3]), skip_system_fonts=True
    )
except BaseException as error:
    sys.exit(str(error))
sys.stdout.buffer.write(bytes(png))
"""


def draw_apart(svg: bytes, width: int, height: int) -> bytes:
    """An SVG as a PNG file of so many pixels.

    Raises UnreadableImageError for what cannot be drawn, or not with MEMORY and SECONDS, and ConfigError
    where resvg is missing.
    """
    if (package := package_folder("resvg_py")) is None:
        raise ConfigError("drawing an SVG needs resvg_py; run: pip install 'unprompt[pages]'")
    code = DRAW.format(memory=MEMORY, seconds=SECONDS)
    arguments = (str(package.parent), str(width), str(height))
    try:
        done = run_code(code, arguments, svg, PATIENCE * SECONDS)
    except TimeoutExpired as error:
        raise UnreadableImageError(ENDED) from error
    if done.returncode == 1:  # with a reason on the last line
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise UnreadableImageError(f"damaged: {said}")
    if done.returncode:
        raise UnreadableImageError(ENDED)
    return done.stdout
