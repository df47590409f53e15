"""What a run fits on where the input is larger than `max_fit`, and what is left of its words."""

import json

import pytest
import spacy
from spacy.tokens import Doc

from spacy_xproj.bitext import Bitext
from spacy_xproj.corpus import doc_files, read_docs
from spacy_xproj.files import file_hash
from spacy_xproj.fitting import Sample, is_needed
from spacy_xproj.runs.pipelines import load_pipeline
from spacy_xproj.runs.process import PipelineStep
from spacy_xproj.runs.project import with_state
from spacy_xproj.runs.reading import DocReader
from spacy_xproj.runs.shards import write_shards
from spacy_xproj.runs.steps import Watch, process_shard
from tests.cli.test_app import bad, good
from tests.conftest import CONFIGS, names

WORDS = ["a", "b", "c", "d", "e"]


@pytest.fixture
def folder(tmp_path):
    """Twelve Docs in four shards, each with a word of its own."""
    nlp = spacy.blank("es")

    def docs():
        for k in range(12):
            doc = Doc(nlp.vocab, words=[*WORDS[k % 5 :], f"t{k}x"])
            doc._.xproj = Bitext("en", [*WORDS[k % 5 :], f"s{k}x"], [True] * (6 - k % 5), [(0, 1, "X")])
            yield doc

    write_shards(docs(), tmp_path / "in", key={}, shard=3)
    return tmp_path


def project(folder, source, out, *more):
    config = CONFIGS / "project_ranker.cfg"
    return good("project", folder / source, folder / out, "--config", config, "--lang", "es", *more)


def test_a_large_folder_is_fitted_on_a_sample(folder):
    text = project(folder, "in", "out", "--max-fit", 5)
    said = "Fitted xproj_aligner, xproj_matcher on a sample of 5 of 12 Docs"
    assert said in " ".join(text.split())
    report = json.loads((folder / "out.report.json").read_text())
    assert report["fitted_on"] == {"docs": 5, "of": 12} and report["docs"] == 12
    left = {name.split("/")[0] for name in names(folder)}
    assert left == {"in", "out", "out.fitted", "out.report.json"}
    # a run that goes on knows it, too
    (folder / "out" / "00001.spacy").unlink()
    assert said in " ".join(project(folder, "in", "out", "--max-fit", 5).split())
    assert json.loads((folder / "out.report.json").read_text()) == report


def test_the_sample_is_the_same_in_one_file(folder):
    good("convert", folder / "in", folder / "one.spacy")
    for source, out in (("in", "a"), ("one.spacy", "b")):
        project(folder, source, out, "--max-fit", 5)
    assert json.loads((folder / "b.report.json").read_text())["fitted_on"] == {"docs": 5, "of": 12}
    for pipe in ("xproj_aligner", "xproj_matcher"):
        assert file_hash(folder / "a.fitted" / pipe) == file_hash(folder / "b.fitted" / pipe)


def test_all_of_a_small_folder(folder):
    assert "sample" not in project(folder, "in", "out", "--max-fit", 12)
    assert "fitted_on" not in json.loads((folder / "out.report.json").read_text())
    text = good("fit", folder / "in", folder / "f", "--config", CONFIGS / "project_ranker.cfg", "--max-fit", 11)
    assert "on a sample of 11 of 12 Docs" in " ".join(text.split())


def test_nothing_is_sampled_where_no_doc_needs_what_would_be_learnt(folder, monkeypatch):
    (folder / "links").write_text("0-0\n" * 12)
    source = folder / "linked"
    reader = DocReader([folder / "in"], spacy.blank("es"), alignments=folder / "links")
    write_shards(reader, source, key={}, shard=3)
    good("fit", source, folder / "f", "--config", CONFIGS / "project_ranker.cfg", "--lang", "es")
    monkeypatch.setattr(Sample, "__init__", lambda *args: pytest.fail("a sample"))
    for bitext in (source, folder / "links.spacy"):
        if bitext.suffix:
            good("convert", source, bitext)
        assert "Fitted" not in good("project", bitext, folder / "out", "--config", folder / "f", "--max-fit", 5)
        assert "fitted_on" not in json.loads((folder / "out.report.json").read_text())
    with pytest.raises(pytest.fail.Exception, match="a sample"):
        good("project", folder / "in", folder / "out", "--config", folder / "f", "--max-fit", 5)


def test_a_matcher_learns_whatever_the_docs_are():
    nlp = load_pipeline(CONFIGS / "project_ranker.cfg", "es")
    unread = map(pytest.fail, ["read"])
    assert is_needed(nlp, unread) and not is_needed(nlp.select_pipes(enable=[]) and nlp, unread)


def test_another_max_fit_is_another_run(folder):
    project(folder, "in", "out", "--max-fit", 5)
    assert "the max fit: 5 → 6" in " ".join(project(folder, "in", "out", "--max-fit", 6).split())


def test_links_by_position_are_refused(folder):
    (folder / "links").write_text("0-0\n" * 12)
    part = "--components.xproj_aligner.aligner."
    more = (f"{part}@xproj_aligners", "spacy_xproj.Pharaoh.v1", f"{part}path", folder / "links")
    config = ("--config", CONFIGS / "project_ranker.cfg", "--max-fit", 5)
    message = bad("project", folder / "in", folder / "out.spacy", *config, *more)
    assert "it must see all of them in order" in " ".join(message.split())
    assert not (folder / "out.spacy").exists()


def test_a_worker_forgets_the_words_of_a_shard(folder):
    project(folder, "in", "out")
    nlp = load_pipeline(folder / "out.fitted")
    step = PipelineStep(folder / "out.fitted", file_hash(folder / "out.fitted"), with_state)
    strings = step.vocabs[0].strings
    before = [f"t{k}x" in strings for k in range(12)]
    (folder / "new").mkdir()
    doc = Doc(nlp.vocab, words=["seldom", "b"])
    doc._.xproj = Bitext("en", ["rarely", "b"], [True, True], [(0, 1, "X")])
    write_shards([doc], folder / "more", key={}, shard=3)
    for number, file in enumerate([*doc_files(folder / "more"), *doc_files(folder / "in")]):
        process_shard(step, file, folder / "new" / f"{number:05}.spacy", Watch())
    assert "seldom" not in strings and [f"t{k}x" in strings for k in range(12)] == before
    made = [doc.text for doc in read_docs(folder / "new", spacy.blank("es"))]
    assert made[0].startswith("seldom b") and len(made) == 13


def saved_words(folder, out="out"):
    """How many of the words that a single Doc has are in the vocab of a saved pipeline."""
    strings = json.loads((folder / f"{out}.fitted" / "vocab" / "strings.json").read_text())
    return sum(f"t{k}x" in strings for k in range(12))


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("in", ()),
        ("in", ("--labels", "X")),
        ("in", ("--alignments", "links")),
        ("one.spacy", ("--label-map", "X=Y", "--sentences")),
        ("one.spacy", ("--alignments", "links")),
    ],
)
def test_only_the_words_of_the_sample_are_saved(folder, source, options):
    (folder / "links").write_text("0-0\n" * 12)
    good("convert", folder / "in", folder / "one.spacy")
    more = [folder / option if option == "links" else option for option in options]
    project(folder, source, "out", "--max-fit", 5, *more, "--components.xproj_aligner.overwrite", "true")
    assert json.loads((folder / "out.report.json").read_text())["fitted_on"] == {"docs": 5, "of": 12}
    assert saved_words(folder) == 5
    assert not (folder / "out.fitted.sample").exists()


def test_only_the_words_of_the_sample_of_a_text_are_saved(folder):
    docs = list(read_docs(folder / "in", spacy.blank("es")))
    (folder / "text.tsv").write_text("".join(f"{' '.join(doc._.xproj.words)}\t{doc.text}\n" for doc in docs))
    options = ("--config", CONFIGS / "project_ranker.cfg", "--lang", "es", "--max-fit", 5)
    good("fit", folder / "text.tsv", folder / "a.fitted", *options)
    assert saved_words(folder, "a") == 5
    good("fit", folder / "in", folder / "b.fitted", *options)
    assert file_hash(folder / "a.fitted" / "xproj_aligner") == file_hash(folder / "b.fitted" / "xproj_aligner")


@pytest.mark.parametrize("source", ["in", "one.spacy"])
def test_no_words_are_saved_where_nothing_is_learnt(folder, source):
    """What a run looks at to see that it can use the input is nothing to the pipeline."""
    good("convert", folder / "in", folder / "one.spacy")
    heuristic = CONFIGS / "project_heuristic.cfg"
    (folder / "links").write_text("0-0\n" * 12)
    more = ("--lang", "es", "--alignments", folder / "links", "--labels", "X")
    good("project", folder / source, folder / "out", "--config", heuristic, *more)
    assert saved_words(folder) == 0
