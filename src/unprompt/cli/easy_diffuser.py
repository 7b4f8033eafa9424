"""`unprompt easy-diffuser`: an image's positive and negative prompt, and how related tags are to images."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.bundle.config import DEFAULT_BUNDLE
from unprompt.cli.options import add_json, add_settings, complete, declare, settings_from, warn
from unprompt.easy_diffuser.config import ANSWER_SECONDS, STEPS, TAGS, FitConfig, NegativeConfig
from unprompt.errors import ConfigError
from unprompt.painting.webui_config import AUTH, find_auth
from unprompt.progress import StepBars
from unprompt.settings import DEVICES
from unprompt.text.english import counted, none_readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from unprompt.easy_diffuser.fit import Fitted
    from unprompt.easy_diffuser.grading import Share
    from unprompt.storage.images import ImageFile

EXAMPLE = """\
  unprompt easy-diffuser run image.jpg
  unprompt easy-diffuser run IMAGES --send http://127.0.0.1:7860 --steps 20 --out PICTURES
  unprompt easy-diffuser fit DATASET --out relatedness.json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the two actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    running = declare(actions, "run", "print the prompts of images, and have a web UI make pictures of them")
    complete(running, run, "  unprompt easy-diffuser run image.jpg")
    running.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, or folders of them")
    running.add_argument("--recursive", action="store_true", help="look into folders inside the folders too")
    running.add_argument(
        "--relatedness", type=Path, metavar="FILE", help="a file of `fit` (the bundle's own)"
    )
    running.add_argument("--tags", metavar="LIST", help=f"{TAGS} (those of the fit)")
    running.add_argument(
        "--count", type=int, default=1, metavar="N", help="tags in a negative prompt at most (%(default)s)"
    )
    running.add_argument(
        "--send",
        metavar="URL",
        help=f"the web UI to send the prompts to; user and password: ${AUTH}, as USER:PASSWORD",
    )
    running.add_argument("--steps", type=int, metavar="N", help=f"for the web UI ({STEPS})")
    running.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help=f"to wait for the web UI to answer ({ANSWER_SECONDS:g})",
    )
    running.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where the web UI's pictures go, as IMAGE.png (here)",
    )
    running.add_argument(
        "--bundle", default=DEFAULT_BUNDLE, metavar="NAME", help="what looks at the images (%(default)s)"
    )
    running.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    add_settings(running, NegativeConfig)
    add_json(running)
    fitting = declare(
        actions,
        "fit",
        "learn from images with prompts how related a tag is to an image, and grade it on others",
    )
    complete(fitting, run_fit, "  unprompt easy-diffuser fit DATASET --out relatedness.json --tags pocket")
    fitting.add_argument("dataset", type=Path, metavar="DATASET", help="images with their prompts")
    fitting.add_argument("--out", type=Path, required=True, metavar="FILE", help="the JSON file to write")
    add_settings(fitting, FitConfig)
    add_json(fitting)


def run(options: argparse.Namespace) -> None:
    """Print the prompts of each image, and send them on where that is asked."""
    for name in ("steps", "timeout", "out"):
        if getattr(options, name) is not None and not options.send:
            raise ConfigError(f"--{name} is for pictures by a web UI: name one with --send URL")

    from tqdm import tqdm

    from unprompt.easy_diffuser import start
    from unprompt.easy_diffuser.places import one_line, picture_places
    from unprompt.errors import InputError, UnreadableImageError
    from unprompt.interrogator.caption_files import images_of
    from unprompt.storage.images import read_file

    auth = find_auth() if options.send else None
    images = images_of(options.images, options.recursive)
    out = options.out or Path()
    places = picture_places(images, out) if options.send else [out] * len(images)
    session = start(
        None,
        options.bundle,
        options.device,
        tags=options.tags,
        relatedness=options.relatedness,
        count=options.count,
        words=settings_from(options, NegativeConfig),
    )
    rows: list[dict[str, Any]] = []
    whys: dict[str, int] = {}  # why nothing in a negative prompt is from its picture, and how often
    unreadable = 0
    first = ""
    try:
        for file, place in zip(_counted(images), places, strict=True):
            name = one_line(file.image_id)
            try:
                session.input_img(read_file(file))
                result = session.run()
            except UnreadableImageError as error:
                unreadable += 1
                first = first or f"{one_line(file.name)}: {error}"
                with tqdm.external_write_mode():
                    warn(f"{one_line(file.name)}: {error}")
                continue
            rows.append({"image": file.image_id, **asdict(result)})
            if not options.json:
                tqdm.write(f"{name}\n  positive: {result.positive}\n  negative: {result.negative}")
                whys[result.why_not] = whys.get(result.why_not, 0) + 1
            if options.send:
                pictures = session.send2ui(
                    options.send,
                    STEPS if options.steps is None else options.steps,
                    place,
                    ANSWER_SECONDS if options.timeout is None else options.timeout,
                    auth,
                )
                rows[-1]["pictures"] = [str(picture) for picture in pictures]
                if not options.json:
                    tqdm.write(f"  pictures: {', '.join(map(one_line, rows[-1]['pictures']))}")
        if not rows:
            raise InputError(none_readable(len(images), "image", first))
    finally:  # also what was done before the web UI failed, or Ctrl-C
        for why, count in whys.items():
            if why:
                warn(
                    f"nothing in the negative prompts of {counted(count, 'image')} is from the images: {why}"
                )
        if options.json and rows:
            print(json.dumps({"images": rows, "unreadable": unreadable}, ensure_ascii=False))


def _counted(images: Sequence[ImageFile]) -> Iterator[ImageFile]:
    """The images, with a bar of how many are done."""
    with StepBars("image") as bars:
        for done, image in enumerate(images):
            bars.show("easy-diffuser", done, len(images))
            yield image
        bars.show("easy-diffuser", len(images), len(images))


def run_fit(options: argparse.Namespace) -> None:
    """Fit with a progress bar, write the file, say how good it is."""
    config = settings_from(options, FitConfig)

    from unprompt.easy_diffuser.fit import fit
    from unprompt.easy_diffuser.relatedness import check_place, write_relatedness

    check_place(options.out)  # images are looked at for minutes
    with StepBars("image") as bars:
        fitted = fit(options.dataset, config, bars.show)
    numbers = asdict(fitted.grade)
    write_relatedness(options.out, fitted.relatedness)
    if options.json:
        learned = fitted.relatedness
        where = {"out": str(options.out), "a": learned.a, "b": learned.b, "threshold": learned.threshold}
        print(json.dumps({**where, "held_out": numbers, "unreadable": len(fitted.problems)}))
    else:
        print("\n".join(describe_fit(fitted)))
        print(f"written     {options.out}")
    if fitted.problems:
        first = fitted.problems[0]
        warn(
            f"{counted(len(fitted.problems), 'image')} could not be read, first: {first.file}: "
            f"{first.problem}"
        )


def describe_fit(fitted: Fitted) -> list[str]:
    """A fit in lines for people."""
    learned, grade = fitted.relatedness, fitted.grade
    lines = [
        f"relatedness sigmoid({learned.a:.3f} * cosine {learned.b:+.3f}), related from "
        f"{learned.threshold:.4f}",
        f"fitted on   {counted(learned.fitted_on['images'], 'image')} x {counted(len(learned.tags), 'tag')}, "
        f"{counted(learned.fitted_on['in_prompt'], 'pair')} of them in the prompts",
        "",
        f"On {counted(grade.images, 'image')} whose prompts are far from those, {grade.share:.2%} of the "
        "pairs in the "
        "prompts:",
        f"AUC                        {grade.auc:.4f}",
        f"calibration error, {len(grade.bins)} bins {grade.calibration_error:.5f}",
        f"called related             precision {_share(grade.precision)}, recall {_share(grade.recall)}",
        f"chosen tag in the prompt   {_share(grade.chosen)}",
        f"least similar tag in it    {_share(grade.naive_there)} on the same images, "
        f"{_share(grade.naive)} on all",
        "",
        "relatedness            pairs  predicted   observed",
    ]
    lines += [
        f"{f'{one.low:.5f} to {one.high:.5f}':20} {one.pairs:7,}    {one.predicted:.5f}    {one.observed:.5f}"
        for one in grade.bins
    ]
    return lines


def _share(share: Share) -> str:
    if not share.count:
        return "- (0 of 0)"
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f}, {share.right:,} of {share.count:,})"
