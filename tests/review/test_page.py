"""The page in a real browser: what it shows, how it is filtered, and answers given by keyboard."""

import json
import math
import random
import re
from importlib.util import find_spec

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from typer.testing import CliRunner

from spacy_xproj.cli import app
from spacy_xproj.review.answers import read_answers, target_spans
from spacy_xproj.review.page import write_page
from spacy_xproj.review.page.readings import find_readings, matcher_of
from spacy_xproj.review.page.rows import asking, rows
from tests.conftest import payload_doc, said

if find_spec("playwright"):
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)

EVIL = "</script><script>document.title='taken'</script><!--"
PEOPLE = ["Ana", "Leo", "Eva", "Max", "Ida", "Noé"]
PLACES = ["Rome", "Lima", "Oslo", "Bonn", "Kyiv", "Cork"]


def corpus(n=24):
    """English and Spanish sentences, with links of names alone."""
    pick = random.Random(0)
    for k in range(n):
        who, where = pick.choice(PEOPLE), pick.choice(PLACES)
        source = f"{who} lives in {where} since {1900 + k} ."
        links = "0-0 1-1 2-2 3-3 4-4 5-5 6-6" if k % 4 else "0-0 1-1"
        yield (
            source,
            [(0, 1, "PER"), (3, 4, "LOC")],
            links,
            f"{who} vive en {where if k % 4 else 'casa'} desde {1900 + k} .",
        )


def projected(texts=None):
    nlp = spacy.blank("es")
    nlp.add_pipe("xproj_matcher")
    docs = [payload_doc(nlp, target, source, spans, links) for source, spans, links, target in texts or corpus()]
    return nlp, list(nlp.pipe(docs))


def hand_made(target, found, source, spans, links="", spaced=True):
    """A Doc as a projection leaves it: found spans with labels, ids and scores."""
    nlp = spacy.blank("xx")
    payload = payload_doc(nlp, target, source, spans, links)
    doc = Doc(nlp.vocab, words=[t.text for t in payload], spaces=[spaced] * len(payload))
    doc._.xproj = payload._.xproj
    made = [Span(doc, a, b, label=label, span_id=id) for a, b, label, id, _ in found]
    doc.spans["xproj"] = SpanGroup(doc, name="xproj", spans=made, attrs={"scores": [row[4] for row in found]})
    doc.set_ents(
        [span for k, span in enumerate(made) if not any(s.start < span.end and span.start < s.end for s in made[:k])]
    )
    ids = {row[3] for row in found}
    doc._.xproj_report = {
        "source_spans": len(spans),
        "projected": len(ids),
        "missing": [
            {"id": s.id, "label": s.label, "start": s.start, "end": s.end, "reason": "no_links"}
            for s in doc._.xproj.spans
            if s.id not in ids
        ],
        "doubtful": {},
        "notes": [],
    }
    return doc


def scripts():
    """Right to left, CJK, nested spans, characters beyond 16 bits, hostile texts and labels, a long sentence."""
    return [
        hand_made(
            ["زارت", "آنا", "رويز", "متحف", "برادو", "في", "مدريد", "يوم", "الأحد"],
            [(1, 3, "PER", "s0", 0.93), (3, 5, "ORG", "s1", 0.71), (6, 7, "LOC", "s2", 0.99)],
            "Ana Ruiz visited the Prado Museum in Madrid on Sunday",
            [(0, 2, "PER"), (4, 6, "ORG"), (7, 8, "LOC"), (9, 10, "DATE")],
            "0-1 1-2 2-0 4-4 5-3 6-5 7-6 8-7 9-8",
        ),
        hand_made(
            list("安娜访问了北京大学的图书馆。"),
            [(0, 2, "PER", "s0", 0.98), (5, 9, "ORG", "s1", 0.88), (5, 7, "LOC", "s2", 0.64)],
            "Anna visited the library of Peking University .",
            [(0, 1, "PER"), (5, 7, "ORG"), (5, 6, "LOC")],
            "0-0 0-1 1-2 1-3 3-10 3-11 5-5 5-6 6-7 6-8",
            spaced=False,
        ),
        hand_made(
            ["🎉🎉", "Ana", "𝒜lba", EVIL],
            [(1, 2, "PER", "s0", 0.9), (2, 3, EVIL, "s1", 0.4)],
            ["🎉🎉", "Ana", "𝒜lba", EVIL],
            [(1, 2, "PER"), (2, 3, EVIL)],
            "1-1 2-2",
        ),
        hand_made(
            " ".join(f"palabra{k}" for k in range(120)),
            [(60, 90, "WORK", "s0", 0.5), (80, 82, "PER", "s1", 0.8)],
            " ".join(f"word{k}" for k in range(120)),
            [(60, 90, "WORK"), (80, 82, "PER"), (85, 95, "ORG")],
            " ".join(f"{k}-{k}" for k in range(60, 90)),
        ),
    ]


def page_of(docs, tmp_path, nlp=None, **about):
    readings = find_readings(docs, matcher_of(nlp)) if nlp is not None else ({} for _ in docs)
    some = [row for k, (doc, mine) in enumerate(zip(docs, readings)) for row in rows(doc, f"doc{k}", readings=mine)]
    write_page(tmp_path / "page.html", some, **about)
    return tmp_path / "page.html"


@pytest.fixture
def view(browser):
    """Opens a page; anything that goes wrong in it, or that it asks of the network, is an error of the test."""
    pages, wrong = [], []

    def opened(path, context=None, **options):
        page = (context or browser.new_context(accept_downloads=True, **options)).new_page()
        page.on("pageerror", lambda err: wrong.append(str(err)))
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("request", lambda asked: wrong.append(asked.url) if asked.url.startswith("http") else None)
        pages.append(page)
        page.goto(path.as_uri())
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert wrong == []


def data_of(path):
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', path.read_text("utf-8"), re.S)
    return json.loads(found[1])


def test_what_the_page_says_sums_to_the_score(tmp_path):
    """The numbers in the file, not those that it was made from, give the probabilities again."""
    nlp, docs = projected()
    data = data_of(page_of(docs, tmp_path, nlp))
    seen = 0
    for row in data["rows"]:
        for readings in row.get("readings", {}).values():
            weights = [math.exp(sum(one[4::2]) / 100) for one in readings]
            shown = sum(one[2] for one in readings) / 1000  # those that are not shown have the rest
            for one, weight in zip(readings, weights):
                assert one[2] / 1000 == pytest.approx(shown * weight / sum(weights), abs=0.004)
                seen += 1
    assert seen > 100
    assert {group for group, _ in data["features"]} >= {"links", "labels of the source"}


def test_nothing_in_the_data_ends_the_script(tmp_path):
    text = page_of(scripts(), tmp_path).read_text("utf-8")
    assert EVIL not in text and text.count("</script>") == 2
    assert EVIL in data_of(tmp_path / "page.html")["colors"]


def test_the_same_bytes(tmp_path):
    nlp, docs = projected()
    once = page_of(docs, tmp_path, nlp).read_bytes()
    assert page_of(docs, tmp_path, nlp).read_bytes() == once


def test_each_sentence_pair_of_a_document_is_a_row():
    nlp = spacy.blank("es")
    sents = (((0, 3), (0, 3)), ((3, 6), (3, 7)))
    doc = payload_doc(
        nlp, "Ana duerme . Leo vive en Lima", "Ana sleeps . Leo in Lima", [(0, 1, "PER"), (5, 6, "LOC")], sents=sents
    )
    doc._.xproj_report = {"missing": []}
    first, second = rows(doc, "d")
    assert (first.at, second.at) == ((0, 0), (13, 13))
    assert (first.spans, second.spans) == (((0, 1, "PER"),), ((2, 3, "LOC"),))
    crossing = payload_doc(nlp, "a b c d", "a b c d", [(1, 3, "X")], sents=(((0, 2), (0, 2)), ((2, 4), (2, 4))))
    assert len(rows(crossing, "d")) == 1


class TestInTheBrowser:
    def test_open_hover_and_explain(self, tmp_path, view):
        nlp, docs = projected()
        page = view(page_of(docs, tmp_path, nlp, title="corpus.spacy"))
        assert page.title() == "corpus.spacy – projection"
        assert page.locator("article").count() == 24
        first = page.locator("article .source mark").first
        page.mouse.move(0, 0)
        first.hover()
        assert page.locator("#panel h2").inner_text().split()[0] in PEOPLE + PLACES
        assert page.locator("#panel .cands button").count() >= 2
        table = page.locator("#panel table.says")
        numbers = [float(x.replace("−", "-").replace("+", "")) for x in table.locator("tr.group td").all_inner_texts()]
        total = float(table.locator("tr.sum td").inner_text().replace("−", "-").replace("+", ""))
        assert sum(numbers) == pytest.approx(total, abs=0.001)
        page.select_option("#state", "found")
        page.locator("article .source mark:not(.dim)").first.hover()
        assert page.locator("article svg path").count() >= 1

    def test_filter_and_sort(self, tmp_path, view):
        nlp, docs = projected()
        page = view(page_of(docs, tmp_path, nlp))
        page.select_option("#sort", "order")
        assert page.locator("article").first.get_attribute("data-row") == "0"
        page.select_option("#state", "lost")
        lost = sum(bool(doc._.xproj_report["missing"]) for doc in docs)
        assert page.locator("article").count() == lost > 0
        page.select_option("#label", "PER")
        assert page.locator("article").count() < lost
        page.click("#clear")
        page.fill("#text", "1907")
        expect(page.locator("article")).to_have_count(1)
        page.fill("#text", "")
        page.fill("#high", "0.9")
        page.locator("#high").press("Tab")
        high = sum(
            bool(doc._.xproj_report["missing"] or min(doc.spans["xproj"].attrs["scores"]) <= 0.9) for doc in docs
        )
        expect(page.locator("article")).to_have_count(high)
        assert 0 < high < 24
        page.fill("#text", "no such text")
        expect(page.locator("article")).to_have_count(0)
        assert page.get_by_text("Nothing here").count() == 1

    def test_ten_spans_by_keyboard(self, tmp_path, view):
        """No mouse: ten answers of all kinds, one undone, kept over a reload, saved, and read back."""
        nlp, docs = projected()
        path = page_of(docs, tmp_path, nlp)
        page = view(path)
        page.select_option("#sort", "order")
        page.keyboard.press("Escape")
        press = page.keyboard.press
        press("j")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(docs[0][0].text)
        for key in ("a", "x", "a", "s", "a", "a"):
            press(key)
        assert page.locator("#done").inner_text() == "6 of 48 answered"
        press("u")
        assert page.locator("#done").inner_text() == "5 of 48 answered"
        press("a")
        # another span: the word after, and one more
        press("e")
        press("ArrowRight")
        press("Shift+ArrowRight")
        press("Enter")
        # another label
        press("l")
        page.keyboard.type("MISC")
        press("Enter")
        press("1")
        press("n")
        press("x")
        assert page.locator("#done").inner_text() == "10 of 48 answered"
        page.reload()
        assert page.locator("#done").inner_text() == "10 of 48 answered"
        with page.expect_download() as saved:
            press("d")
        saved.value.save_as(tmp_path / "answers.jsonl")
        assert saved.value.suggested_filename == "answers.jsonl"
        answers = [answer for _, answer in read_answers(tmp_path / "answers.jsonl")]
        assert len(answers) == 10
        kinds = [answer.answer for answer in answers]
        assert kinds[:6] == ["accept", "absent", "accept", "skip", "accept", "accept"]
        assert kinds[6] == "span" and answers[6].targets[0].text == "vive en"
        assert answers[7].label == "MISC" and answers[7].question.label != "MISC"
        assert {answer.reviewer for answer in answers} == {"person"}
        for answer in answers:  # the text is that of the Doc, and the spans are spans of its tokens
            doc = docs[int(answer.question.doc.removeprefix("doc"))]
            assert len(target_spans(answer, doc)) == len(answer.targets)
            assert (
                doc._.xproj.text[answer.question.source.start : answer.question.source.end]
                == answer.question.source.text
            )
        other = view(path, browser_context(page))
        other.evaluate("localStorage.clear()")
        other.reload()
        assert other.locator("#done").inner_text() == "0 of 48 answered"
        other.set_input_files("#file", tmp_path / "answers.jsonl")
        expect(other.locator("#done")).to_have_text("10 of 48 answered")

    def test_to_the_panel_and_back(self, tmp_path, view):
        """With Tab, Enter and Escape alone, and the buttons of the panel."""
        nlp, docs = projected()
        page = view(page_of(docs, tmp_path, nlp))
        page.locator("#clear").focus()
        page.keyboard.press("Tab")
        first = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert "rojected" in first
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.closest('#panel') !== null")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == first
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")  # the first button
        assert page.locator("#done").inner_text() == "1 of 48 answered"

    def test_from_the_command_line_and_back(self, tmp_path, view):
        """`inspect` makes the page, and `review apply` takes its answers."""
        nlp, docs = projected()
        nlp.to_disk(tmp_path / "out.spacy.fitted")
        out = tmp_path / "out.spacy"
        DocBin(docs=docs, store_user_data=True).to_disk(out)
        done = CliRunner().invoke(
            app,
            [
                "inspect",
                *map(str, (out, "--html", tmp_path / "page.html", "--pipeline", tmp_path / "out.spacy.fitted")),
            ],
        )
        assert done.exit_code == 0, done.output
        page = view(tmp_path / "page.html")
        page.select_option("#sort", "order")
        page.locator("#sort").blur()
        for key in ("j", "x", "e", "ArrowLeft", "Shift+ArrowLeft", "Enter", *"aaaaaaaa"):
            page.keyboard.press(key)
        expect(page.locator("#done")).to_have_text("10 of 48 answered")
        with page.expect_download() as saved:
            page.click("#save")
        saved.value.save_as(tmp_path / "answers.jsonl")
        files = [str(tmp_path / name) for name in ("out.spacy", "answers.jsonl", "corrected.spacy")]
        done = CliRunner().invoke(app, ["review", "apply", *files])
        assert done.exit_code == 0 and "10 answers" in said(done), done.output
        corrected = next(iter(DocBin().from_disk(tmp_path / "corrected.spacy").get_docs(nlp.vocab)))
        assert docs[0].ents[0].label_ == "PER" and "PER" not in {ent.label_ for ent in corrected.ents}

    def test_texts_and_labels_are_shown_as_they_are(self, tmp_path, view):
        page = view(page_of(scripts(), tmp_path))
        assert page.title() == "Projection – projection"
        page.select_option("#sort", "order")
        assert EVIL in page.locator("article").nth(2).locator(".target").inner_text()
        assert page.locator("article").nth(0).locator(".target").get_attribute("dir") == "rtl"
        assert page.locator("article").nth(0).locator(".source").get_attribute("dir") == "ltr"
        nested = page.locator("article").nth(1).locator(".target mark mark")
        assert nested.inner_text().startswith("北京")

    def test_offsets_count_code_points(self, tmp_path, view):
        docs = scripts()
        page = view(page_of(docs, tmp_path))
        page.select_option("#sort", "order")
        page.fill("#text", "lba")
        expect(page.locator("article")).to_have_count(1)
        page.locator("#text").blur()
        for key in ("j", "a", "a"):
            page.keyboard.press(key)
        with page.expect_download() as saved:
            page.click("#save")
        saved.value.save_as(tmp_path / "answers.jsonl")
        for _, answer in read_answers(tmp_path / "answers.jsonl"):
            assert [span.text for span in target_spans(answer, docs[2])] == [answer.question.source.text]

    def test_arrow_keys_follow_the_script(self, tmp_path, view):
        """In a text from right to left the arrow to the left leads onward."""
        page = view(page_of(scripts()[:1], tmp_path))
        page.select_option("#sort", "order")
        page.locator("#sort").blur()
        page.keyboard.press("j")
        page.keyboard.press("e")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Shift+ArrowLeft")
        assert page.locator(".w.pick").all_inner_texts() == ["متحف ", "برادو "] or [
            text.strip() for text in page.locator(".w.pick").all_inner_texts()
        ] == ["متحف", "برادو"]

    def test_errors_by_gold_and_what_changed(self, tmp_path, view):
        """Gold and another projection stand below the sentences where they differ, and both can be filtered by."""
        _, docs = projected()
        some = []
        for k, doc in enumerate(docs[:6]):
            gold, other = doc.copy(), doc.copy()
            if k == 1:
                gold.set_ents([Span(gold, 0, 2, "PER"), *(ent for ent in doc.ents if ent.start)], default="outside")
            if k == 2:
                del other.spans["xproj"]
                other.set_ents([], default="outside")
            some += rows(doc, f"doc{k}", gold=gold, other=other)
        write_page(tmp_path / "page.html", some, other="other.spacy")
        page = view(tmp_path / "page.html")
        page.select_option("#state", "error")
        assert page.locator("article").count() == 1
        assert page.locator("article .gold mark").first.inner_text().startswith(docs[1][:2].text)
        page.locator("article .source mark:not(.dim) button").first.click()
        assert "By gold: too short" in page.locator("#panel").inner_text()
        names = page.locator("#state option").all_inner_texts()
        assert "wrong: too short" in names and "wrong: missed" not in names
        page.select_option("#state", label="changed: only here")
        assert page.locator("article").count() == 1
        page.locator("article .source mark button").first.click()
        assert "In other.spacy: not projected." in page.locator("#panel").inner_text()
        assert page.locator("article .there .tag").inner_text() == "other.spacy"

    def test_only_what_is_asked_for_is_answered(self, tmp_path, view):
        _, docs = projected()
        some = [row for k, doc in enumerate(docs[:4]) for row in rows(doc, f"doc{k}")]
        keys = {("doc1", 0, len(docs[1][0].text), "PER")}
        write_page(tmp_path / "page.html", asking(some, keys), asked="random")
        page = view(tmp_path / "page.html")
        assert page.locator("#counts").inner_text() == "1 of 1 sentences, 1 spans"
        page.keyboard.press("j")
        page.keyboard.press("a")
        assert page.locator("#done").inner_text() == "1 of 1 answered"
        page.locator("article .source button.label").nth(1).click()
        page.keyboard.press("x")
        expect(page.locator("#note")).to_have_text("This span is not among those that are asked for.")
        assert page.locator("#done").inner_text() == "1 of 1 answered"

    def test_an_answer_needs_a_span(self, tmp_path, view):
        nlp, docs = projected()
        page = view(page_of(docs, tmp_path, nlp))
        page.keyboard.press("a")
        expect(page.locator("#note")).to_have_text("Choose a span first, with n or j.")
        page.keyboard.press("n")
        page.keyboard.press("a")
        assert page.locator("#done").inner_text() == "1 of 48 answered"

    def test_only_what_is_near_is_drawn(self, tmp_path, view):
        """A page of many sentences holds few of them as elements, also after it was scrolled through."""
        _, docs = projected()
        some = [row for k in range(40) for n, doc in enumerate(docs) for row in rows(doc, f"{k}-{n}")]
        write_page(tmp_path / "page.html", some)
        page = view(tmp_path / "page.html", viewport={"width": 1200, "height": 700})
        page.locator("article mark").first.wait_for()
        assert page.locator("article").count() == 960 and page.locator("article > header").count() < 60
        for _ in range(12):
            page.mouse.wheel(0, 6000)
            page.wait_for_timeout(30)
        page.wait_for_timeout(200)
        assert 0 < page.locator("article > header").count() < 80
        page.keyboard.press("k")  # the last of all, which was never drawn
        assert page.locator("article.now").get_attribute("aria-posinset") == "960"

    def test_select_words_with_the_mouse(self, tmp_path, view):
        nlp, docs = projected()
        page = view(page_of(docs, tmp_path, nlp))
        page.select_option("#sort", "order")
        page.locator("article .source mark").first.click()
        words = page.locator("article").first.locator(".target .w")
        page.keyboard.press("e")
        words.nth(1).click()
        words.nth(2).click()
        page.get_by_role("button", name="Take it").click()
        assert page.locator("article").first.locator(".target mark").first.inner_text().startswith("vive en")

    def test_small_and_dark(self, tmp_path, view):
        nlp, docs = projected()
        page = view(page_of(docs, tmp_path, nlp), viewport={"width": 390, "height": 780}, color_scheme="dark")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.locator("article .source mark button").first.click()
        assert page.locator("#panel").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def test_for_a_screen_reader(self, tmp_path, view):
        """Each control has a name, the feed its places, and each span says what became of it."""
        nlp, docs = projected()
        page = view(page_of(docs, tmp_path, nlp))
        page.locator("article .source mark button").first.click()
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, input:not([hidden]), select')]"
            ".filter(x => !(x.innerText || '').trim() && !x.getAttribute('aria-label') && !x.labels?.length).length"
        )
        assert nameless == 0
        assert page.locator("article").first.get_attribute("aria-setsize") == "24"
        assert "rojected" in page.locator("article .source button.label").first.get_attribute("aria-label")
        assert page.get_by_role("feed").count() == page.get_by_role("search").count() == 1


def browser_context(page):
    return page.context
