"""The report page: safe with hostile texts, one file, the same bytes each time, usable on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.html_pages import HOSTILE, listen, open_browser, parse, readable
from unprompt.ensemble.score import Score
from unprompt.errors import ConfigError, UnreadableImageError
from unprompt.html.kit import thumbnail
from unprompt.records import Problem
from unprompt.runs.report import Report, ReportImage, choose_images, render_report
from unprompt.storage.images import ImageFile


def make_score(similarities: dict[str, float], **fields: object) -> Score:
    values = np.array(list(similarities.values()))
    mean = float(values.mean())
    score = Score(mean, mean - 0.02, mean + 0.02, tuple(similarities), values, missing=(), extra=())
    return replace(score, **fields)  # type: ignore[arg-type]


def make_image(image_id: str = "a", file: Path | None = None, **fields: object) -> ReportImage:
    found = ImageFile(image_id, file) if file else None
    image = ReportImage(image_id, found, f"guess of {image_id}", f"truth of {image_id}", 0.5, None)
    return replace(image, **fields)  # type: ignore[arg-type]


def make_report(*images: ReportImage, **fields: object) -> Report:
    similarities = {image.image_id: image.similarity for image in images if image.similarity is not None}
    report = Report(
        bundle="lite",
        images=images,
        total=len(images),
        score=make_score(similarities) if similarities else None,
        baseline=0.4 if similarities else None,
        problems=(),
        facts={"Members": "zeroshot 0.55, phrases 0.45"},
    )
    return replace(report, **fields)  # type: ignore[arg-type]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.linear_gradient("L").resize((600, 300)).convert("RGB").save(path)
    return path


def report_with(text: str) -> Report:
    """A report that has `text` in every place that takes text from outside."""
    image = ReportImage(text, ImageFile(text, Path("nowhere.png")), text, text, 0.25, text)
    score = make_score({text: 0.25}, missing=(text,), extra=(text,))
    problem = Problem(text, text, text)
    return Report(text, (image,), 1, score, 0.2, (problem,), {text: text}, (text,))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text_and_adds_no_element(text: str) -> None:
    page = parse(render_report(report_with(text)))
    plain = parse(render_report(report_with("x" * len(text))))
    assert page.shape == plain.shape
    assert len(page.named("script")) == 1
    cards = page.classed("card")
    assert cards[0].text.count(readable(text)) == 4  # id, problem, guess, truth
    assert page.named("h1")[0].text == f"Bundle {readable(text)}"
    assert [cell.text for cell in page.named("td")] == [readable(text)] * 3


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc"]), min_size=1, max_size=40).filter(str.strip))
def test_any_text_survives_and_can_be_saved(text: str) -> None:
    html = render_report(report_with(text))
    html.encode("utf-8")
    assert parse(html).named("h1")[0].text == f"Bundle {readable(text)}"


def test_page_is_self_contained(picture: Path) -> None:
    images = (make_image("a", file=picture), make_image("b", guess="see https://example.org/x.png"))
    html = render_report(make_report(*images))
    page = parse(html)
    assert re.findall(r"https?:|@import|url\(", html.replace("https://example.org/x.png", "")) == []
    for element in page.elements:
        assert (element.attributes.get("src") or "data:").startswith("data:")
        assert (element.attributes.get("href") or "#").startswith(("#", "data:"))
        assert not {"srcset", "action", "poster", "background"} & set(element.attributes)
        assert not any(name.startswith("on") for name in element.attributes)
    policy = next(
        e for e in page.named("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert "default-src 'none'; img-src data:;" in (policy.attributes["content"] or "")
    assert len(page.named("img")) == 1


def test_same_report_gives_the_same_page_with_any_number_of_workers(picture: Path) -> None:
    report = make_report(*(make_image(f"{n}", file=picture, similarity=n / 10) for n in range(8)))
    assert render_report(report, workers=1) == render_report(report, workers=4)


def test_cards_keep_their_order_and_their_own_picture(tmp_path: Path) -> None:
    for shade in (0, 120, 240):
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(tmp_path / f"{shade}.png")
    shades = (240, 0, 120)
    page = parse(
        render_report(make_report(*(make_image(str(s), file=tmp_path / f"{s}.png") for s in shades)))
    )
    assert [card.text for card in page.named("h3")] == ["240", "0", "120"]
    addresses = [image.attributes["src"] for image in page.named("img")]
    alone = [
        parse(render_report(make_report(make_image("x", file=tmp_path / f"{shade}.png")))) for shade in shades
    ]
    assert addresses == [page.named("img")[0].attributes["src"] for page in alone]
    assert len(set(addresses)) == 3


def test_unreadable_picture_becomes_a_tile(tmp_path: Path, picture: Path) -> None:
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture.read_bytes()[:60])
    with pytest.raises(UnreadableImageError):
        thumbnail(ImageFile("x", cut))
    files = (cut, tmp_path / "gone.png", tmp_path, None, picture)
    page = parse(render_report(make_report(*(make_image(str(n), file=f) for n, f in enumerate(files)))))
    assert [tile.text.strip() for tile in page.classed("picture")] == ["No picture"] * 4 + [""]
    assert len(page.named("img")) == 1


def test_score_stands_with_its_interval_count_and_baseline() -> None:
    score = make_score({"a": 0.5, "b": 0.7}, missing=("lost",), extra=("more", "most"))
    report = make_report(make_image("a"), make_image("b"), score=score, baseline=0.45, total=1234)
    text = " ".join(parse(render_report(report)).named("body")[0].text.split())
    assert "0.6000mean cosine similarity 0.4500constant prior" in text
    assert "95% interval 0.5800 to 0.6200, n = 2." in text
    assert "0.1500 above the constant prior" in text
    assert "1 true prompt without a guess, left out of the score, first: lost." in text
    assert "2 guesses without a true prompt, left out of the score, first: more." in text
    assert "1,234 images" in text
    assert "2 of 1,234: the best, the worst and an even spread of the rest" in text


def test_nothing_is_said_of_what_is_not_there() -> None:
    text = parse(render_report(make_report(make_image("a"), baseline=None))).named("main")[0].text
    for absent in ("constant prior", "without a guess", "Problems", "Could not be read", " of 1:"):
        assert absent not in text


def test_page_without_truth_has_no_score_parts() -> None:
    page = parse(render_report(make_report(make_image("a", truth=None, similarity=None))))
    main = page.named("main")[0].text
    assert "guess of a" in main
    for absent in ("Score", "True prompt", "similarity", "Lowest first", "nan", "None"):
        assert absent not in main
    assert page.named("svg") == []
    assert page.classed("share") == []
    assert [e for e in page.elements if "data-sort" in e.attributes] == []
    assert "true prompts are not known" in page.named("header")[0].text


def test_page_without_images_and_with_an_empty_guess() -> None:
    assert parse(render_report(make_report())).classed("card") == []
    card = parse(render_report(make_report(make_image("a", guess=" ")))).classed("card")[0]
    assert "No prompt" in card.text


def test_problems_notes_and_facts_are_listed() -> None:
    report = make_report(
        make_image("a", problem="cut short"),
        problems=(Problem("a", "in/a.png", "cut short"), Problem("b", "in/b.png", "empty")),
        notes=("The deadline left 2 images to the cheapest member only.",),
    )
    page = parse(render_report(report))
    assert [cell.text for cell in page.named("td")] == [
        "a",
        "in/a.png",
        "cut short",
        "b",
        "in/b.png",
        "empty",
    ]
    assert "2 could not be read" in page.named("header")[0].text
    assert "The deadline left 2 images" in page.classed("notes")[0].text
    assert [e.text for e in page.named("dt")] == ["Bundle", "Members"]
    assert [e.text for e in page.named("dd")] == ["lite", "zeroshot 0.55, phrases 0.45"]
    assert "Could not be read: cut short" in page.classed("card")[0].text


def test_every_element_id_is_used_once_and_every_reference_is_met() -> None:
    long_words = "word " * 300
    images = [make_image(f"id {n}", guess=long_words, truth=long_words) for n in range(3)]
    page = parse(render_report(make_report(*images, problems=(Problem("a", "a.png", "empty"),))))
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    wanted = " ".join(
        e.attributes.get(name) or "" for e in page.elements for name in ("aria-labelledby", "for")
    )
    assert set(wanted.split()) <= set(ids)
    assert len(page.classed("fold")) == 6


def test_drawn_bars_add_up_to_n() -> None:
    similarities = {f"i{n}": n / 97 for n in range(98)}
    page = parse(render_report(make_report(score=make_score(similarities), baseline=0.3)))
    assert sum(int(bar.attributes["data-count"] or 0) for bar in page.classed("bar")) == 98


def test_all_ids_are_chosen_up_to_the_limit() -> None:
    assert choose_images(["b", "a"], None, 2) == ["b", "a"]
    assert choose_images(["b", "a"], make_score({"a": 1, "b": 0}), 5) == ["b", "a"]


def test_best_worst_and_spread_are_chosen_in_id_order() -> None:
    # Ranked: j i h g f e d c b a. Best two, worst two, and of h g f e d c the 2nd and 5th.
    ids = list("abcdefghij")
    score = make_score({image_id: rank / 10 for rank, image_id in enumerate(ids)})
    assert choose_images(ids, score, 6) == ["a", "b", "d", "g", "i", "j"]
    assert choose_images(ids[::-1], score, 6) == ["j", "i", "g", "d", "b", "a"]
    assert choose_images(ids, score, 1) == ["e"]
    assert choose_images(ids, score, 0) == []


def test_without_a_score_the_choice_is_an_even_spread() -> None:
    assert choose_images(list("abcdefghi"), None, 3) == ["b", "e", "h"]


def test_ids_without_similarity_fill_up_and_ids_of_others_are_not_chosen() -> None:
    score = make_score({"a": 0.9, "z": 0.8, "b": 0.1})
    assert choose_images(["a", "b", "c", "d"], score, 3) == ["a", "b", "d"]


def test_negative_limit_is_an_error() -> None:
    with pytest.raises(ConfigError, match="limit must be at least 0, got -1"):
        choose_images(["a"], None, -1)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 45))
def test_choice_has_the_size_asked_for_and_the_extremes(scored: int, unscored: int, limit: int) -> None:
    ids = [f"{n:02}" for n in range(scored + unscored)]
    score = (
        make_score({image_id: n * 7 % 11 / 11 for n, image_id in enumerate(ids[:scored])}) if scored else None
    )
    chosen = choose_images(ids, score, limit)
    assert len(chosen) == min(limit, len(ids))
    assert chosen == sorted(set(chosen))
    if score and limit >= 3 and scored >= 2:
        assert {score.ranked()[0][0], score.ranked()[-1][0]} <= set(chosen)


@pytest.fixture
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


@pytest.mark.slow
def test_page_sorts_filters_and_fits_a_phone(browser: Any, tmp_path: Path, picture: Path) -> None:
    similarities = [0.5, None, -0.2, 0.9, 0.5, 0.05]
    images = [
        make_image(
            f"{n}" + "x" * 200 * (n % 2), file=picture, guess=text, similarity=similarity, problem=text
        )
        for n, (text, similarity) in enumerate(zip(HOSTILE, [*similarities, None, None, 0.7], strict=True))
    ]
    problems = tuple(Problem("i" * 150, "f/" + "f" * 200, text) for text in HOSTILE)
    report = make_report(
        *images, problems=problems, notes=HOSTILE, facts={"k" * 90: "v" * 500}, bundle="b" * 120, total=9999
    )
    path = tmp_path / "report.html"
    path.write_text(render_report(report), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 844})
    complaints = listen(page)
    page.goto(path.as_uri())

    def shown() -> str:
        return "".join(name[0] for name in page.locator(".card:visible h3").all_inner_texts())

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert shown() == "012345678"
    assert max(number.bounding_box()["height"] for number in page.locator(".name b").all()) < 30  # one line
    page.get_by_role("button", name="Lowest first").click()
    assert shown() == "250483167"  # 0 and 4 are equal; 1, 6 and 7 have no similarity
    page.get_by_role("button", name="Highest first").click()
    assert shown() == "380452167"
    page.get_by_role("searchbox").fill("SCRIPT taken")
    assert shown() == "0"
    page.get_by_role("searchbox").fill("no such words")
    assert shown() == ""
    assert page.get_by_text("No image has this text.").is_visible()
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="By id").press("Enter")
    assert shown() == "012345678"

    folded = page.locator(".fold").first
    height = folded.bounding_box()["height"]
    folded.locator("input").focus()
    page.keyboard.press("Space")
    assert folded.bounding_box()["height"] > height
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert complaints == []


@pytest.mark.slow
def test_prompts_are_copied_and_pictures_enlarged_by_keys(
    browser: Any, tmp_path: Path, picture: Path
) -> None:
    images = [
        make_image("a", file=picture),
        make_image("b"),
        make_image("c", file=picture, guess="two\nlines"),
    ]
    path = tmp_path / "report.html"
    path.write_text(render_report(make_report(*images)), encoding="utf-8")
    page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
    complaints = listen(page)
    page.goto(path.as_uri())

    def copied(button: Any) -> str:
        button.press("Enter")
        page.get_by_text("Copied", exact=True).first.wait_for()
        page.get_by_role("searchbox").fill("")
        page.get_by_role("searchbox").focus()
        page.keyboard.press("Control+V")
        pasted = str(page.get_by_role("searchbox").input_value())
        page.get_by_role("searchbox").fill("")  # it filters the cards
        return pasted

    third = page.locator(".card").nth(2)
    assert copied(third.get_by_role("button", name="Copy the true prompt")) == "truth of c"
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(); }")  # as in some frames
    assert copied(page.get_by_role("button", name="Copy the recovered prompt").first) == "guess of a"

    first = page.get_by_role("button", name="Enlarge Image a")
    first.press("Enter")
    large = page.get_by_role("dialog")
    assert large.get_by_text("guess of a").is_visible()
    assert large.locator("img").bounding_box()["width"] > 2 * first.bounding_box()["width"]
    page.keyboard.press("ArrowRight")  # to the next that has a picture
    assert large.get_by_text("two lines").is_visible()
    page.keyboard.press("ArrowRight")
    assert large.get_by_text("guess of a").is_visible()
    page.keyboard.press("Escape")
    assert not large.is_visible()
    assert first.evaluate("one => one === document.activeElement")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert complaints == []


@pytest.mark.slow
def test_page_is_whole_without_javascript(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_report(make_report(make_image("a"), make_image("b"))), encoding="utf-8")
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    assert page.locator(".card:visible").count() == 2
    assert not page.locator("#controls").is_visible()
    assert page.locator("[data-copy]:visible").count() == 0


def test_the_score_of_one_image_has_no_interval() -> None:
    one = make_score({"a": 0.25}, low=None, high=None)
    page = render_report(make_report(make_image("a", similarity=0.25), score=one))
    assert "95% interval" not in page
    assert "95% interval" in render_report(make_report(make_image("a", similarity=0.25)))
