"""A random sample answered on the page by keyboard, and the quality that it tells."""

import json
import re

import pytest

from spacy_xproj.review.answers import read_answers
from tests.cli.test_review import projected, run  # noqa: F401


def data(page):
    return json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page.read_text("utf-8"), re.S)[1])


def test_the_page_asks_what_was_chosen(projected):  # noqa: F811
    page = projected.with_name("page.html")
    assert "1 of 2 source spans, at random" in run("export", projected, page, "--to", "page", "--sample", "1")
    found = data(page)
    assert found["asked"] == "random" and [row["asked"] for row in found["rows"]] == [[0]]
    run("export", projected, page, "--to", "page")
    assert data(page)["asked"] == "doubt" and len(data(page)["rows"]) == 2


@pytest.mark.slow
def test_answers_of_the_page_are_scored_and_applied(projected, browser):  # noqa: F811
    page, answers = projected.with_name("page.html"), projected.with_name("answers.jsonl")
    run("export", projected, page, "--to", "page", "--sample", "2")
    tab = browser.new_context(accept_downloads=True).new_page()
    tab.goto(page.as_uri())
    for key in "jax":
        tab.keyboard.press(key)
    with tab.expect_download() as saved:
        tab.keyboard.press("d")
    saved.value.save_as(answers)
    tab.context.close()
    found = [answer for _, answer in read_answers(answers)]
    assert sorted(answer.answer for answer in found) == ["absent", "accept"]
    assert {answer.question.asked for answer in found} == {"random"}
    assert "From 2 answers" in run("score", projected, answers)
    assert "2 answers in 2 of 5 Docs" in run("apply", projected, answers, projected.with_name("c.spacy"))
