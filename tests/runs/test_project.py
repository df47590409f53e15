import json
import os
import shutil
import warnings

import pytest
import spacy

from spacy_xproj.aligners.statistical import StatisticalAligner
from spacy_xproj.corpus import doc_files, read_docs
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.locks import locked
from spacy_xproj.runs import steps
from spacy_xproj.runs.convert import convert
from spacy_xproj.runs.engines import Workers
from spacy_xproj.runs.project import project
from spacy_xproj.runs.reading import DocReader
from tests.conftest import CONFIGS, ents, names

CONFIG = CONFIGS / "project_match.cfg"


@pytest.fixture
def fits(monkeypatch):
    """Counts how often the aligner is fitted."""
    calls = []
    fit = StatisticalAligner.fit
    monkeypatch.setattr(StatisticalAligner, "fit", lambda self, pairs: calls.append(1) or fit(self, pairs))
    return calls


def read(path):
    return list(read_docs(path, spacy.blank("es")))


def run(corpus, out, config=CONFIG, **options):
    return project(corpus / "bitext.spacy", corpus / out, config, "es", **options)


def bytes_of(folder):
    return {name: (folder / name).read_bytes() for name in names(folder)}


def test_one_file(corpus, fits):
    before = names(corpus)
    counts = run(corpus, "out.spacy")
    assert (counts["docs"], counts["source_spans"], counts["projected"]) == (5, 2, 2)
    docs = read(corpus / "out.spacy")
    assert ents(docs[3]) == [(0, 1, "PER")] and ents(docs[4]) == [(3, 4, "LOC")]
    assert len(fits) == 1
    report = json.loads((corpus / "out.spacy.report.json").read_text())
    row = {"source": 1, "projected": 1, "entities": 1}
    own = {name: n for name, n in counts.items() if not name.startswith("by_label:")}
    assert report == {**own, "pipeline": report["pipeline"], "by_label": {"LOC": row, "PER": row}}
    assert all(doc._.xproj.provenance["pipeline"] == report["pipeline"] for doc in docs)
    new = names(corpus) - before
    assert {n for n in new if not n.startswith("out.spacy.fitted/")} == {"out.spacy", "out.spacy.report.json"}
    # the fitted pipeline gives the same
    fitted = spacy.load(corpus / "out.spacy.fitted")
    raw = list(read_docs(corpus / "bitext.spacy", fitted))
    assert [ents(doc) for doc in fitted.pipe(raw)] == [ents(doc) for doc in docs]


def test_folder(corpus):
    counts = run(corpus, "out", shard=2)
    assert [p.name for p in doc_files(corpus / "out")] == ["00000.spacy", "00001.spacy", "00002.spacy"]
    one = run(corpus, "out.spacy")
    assert counts == one
    assert [ents(doc) for doc in read(corpus / "out")] == [ents(doc) for doc in read(corpus / "out.spacy")]
    manifest = json.loads((corpus / "out" / "manifest.json").read_text())
    assert manifest["totals"] == dict(counts)
    assert set(manifest["key"]) >= {"input", "config.components.xproj_matcher.min_score", "fitted pipeline"}
    assert json.loads((corpus / "out.report.json").read_text())["projected"] == 2


def test_again_gives_the_same_bytes_without_fitting(corpus, fits):
    first = run(corpus, "out.spacy")
    bytes_before = bytes_of(corpus)
    assert run(corpus, "out.spacy") == first
    assert bytes_of(corpus) == bytes_before
    assert len(fits) == 1
    other = run(corpus, "other.spacy")
    assert other == first and len(fits) == 2
    assert (corpus / "other.spacy").read_bytes() == (corpus / "out.spacy").read_bytes()


@pytest.mark.parametrize("interrupted_after", [0, 1, 2])
def test_a_resumed_run(corpus, fits, interrupted_after, monkeypatch):
    want = run(corpus, "whole", shard=2)
    from spacy_xproj.runs import steps as module

    write, done = module.write_file, []

    def failing(docs, path):
        if len(done) == interrupted_after:
            raise KeyboardInterrupt
        done.append(path)
        return write(docs, path)

    monkeypatch.setattr(module, "write_file", failing)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, "out", shard=2)
    assert len(list((corpus / "out").glob("*.spacy"))) == interrupted_after
    assert not (corpus / "out.report.json").exists()
    assert not [n for n in names(corpus) if ".tmp" in n]
    with pytest.raises(XprojError):
        read(corpus / "out")  # it was not finished, and says so
    n_fits, made = len(fits), []
    monkeypatch.setattr(module, "write_file", lambda docs, path: made.append(path) or write(docs, path))
    assert run(corpus, "out", shard=2) == want
    assert len(made) == 3 - interrupted_after and len(fits) == n_fits
    assert bytes_of(corpus / "out") == bytes_of(corpus / "whole")


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(corpus):
    want = run(corpus, "one", shard=2)
    assert run(corpus, "two", shard=2, workers=Workers(2)) == want
    assert bytes_of(corpus / "two") == bytes_of(corpus / "one")
    assert (corpus / "two.report.json").read_bytes() == (corpus / "one.report.json").read_bytes()


def test_a_changed_input_or_config_is_done_anew(corpus, fits):
    run(corpus, "out", shard=2)
    overrides = {"components.xproj_matcher.min_score": 2, "components.xproj_matcher.doubtful": "drop"}
    with pytest.warns(UserWarning, match=r"the config's components.xproj_matcher.min_score: 0.0 → 2, the fitted"):
        counts = run(corpus, "out", shard=2, overrides=overrides)
    assert (counts["projected"], counts["not_projected:low_score"], len(fits)) == (0, 2, 2)
    assert all(not doc.ents for doc in read(corpus / "out"))
    shutil.copy(corpus / "out" / "00001.spacy", corpus / "bitext.spacy")
    with pytest.warns(UserWarning, match="the input changed, the shard size: 2 → 0"):
        assert run(corpus, "out")["docs"] == 2


def test_a_folder_as_input(corpus):
    run(corpus, "first", shard=2)
    counts = project(corpus / "first", corpus / "second", CONFIG, "es")
    assert counts["projected"] == 2
    assert len(doc_files(corpus / "second")) == 3
    assert not (corpus / "second.input").exists()
    assert project(corpus / "first", corpus / "second.spacy", CONFIG, "es") == counts


@pytest.mark.parametrize("out", ["out.spacy", "out"])
def test_alignments(corpus, fits, out):
    reversed_links = "0-3 1-2 2-1 3-0\n"
    (corpus / "links.pharaoh").write_text(reversed_links * 5)
    counts = run(corpus, out, alignments=corpus / "links.pharaoh", shard=2)
    assert counts["projected"] == 2 and fits == []
    docs = read(corpus / out)
    assert ents(docs[3]) == [(3, 4, "PER")] and ents(docs[4]) == [(0, 1, "LOC")]
    assert docs[0]._.xproj.provenance["aligner"] == "given"
    (corpus / "links.pharaoh").write_text("0-0 1-1 2-2 3-3\n" * 5)  # other links: nothing old is kept
    with pytest.warns(UserWarning, match="the alignments changed"):
        run(corpus, out, alignments=corpus / "links.pharaoh", shard=2)
    assert ents(read(corpus / out)[3]) == [(0, 1, "PER")]


def test_fit_on(corpus, fits):
    (corpus / "more.tsv").write_text("Ana saw Rome\tAna vio Roma\n" * 3)
    counts = run(corpus, "out.spacy", fit_on=[corpus / "more.tsv", corpus / "bitext.spacy"])
    assert counts["projected"] == 2 and len(fits) == 1
    state = json.loads((corpus / "out.spacy.report.json").read_text())["pipeline"]
    (corpus / "more.tsv").write_text("Ana saw Rome\tRoma Ana vio\n" * 3)
    with pytest.warns(UserWarning, match="the --fit-on text 1 changed"):
        run(corpus, "out.spacy", fit_on=[corpus / "more.tsv", corpus / "bitext.spacy"])
    assert len(fits) == 2
    assert json.loads((corpus / "out.spacy.report.json").read_text())["pipeline"] != state


def test_a_saved_pipeline_as_config(corpus, fits):
    want = run(corpus, "out.spacy")
    again = project(corpus / "bitext.spacy", corpus / "b.spacy", corpus / "out.spacy.fitted")
    assert again == want and len(fits) == 1
    with pytest.raises(XprojError, match="pipeline is for 'es', not for 'de'"):
        project(corpus / "bitext.spacy", corpus / "c.spacy", corpus / "out.spacy.fitted", "de")


def test_several_processes_need_a_folder(corpus):
    with pytest.raises(XprojError, match="Give OUT as a folder"):
        run(corpus, "out.spacy", workers=Workers(2))


@pytest.mark.parametrize("out", ["out.spacy", "out"])
@pytest.mark.parametrize(
    "text, line, message",
    [
        (b"0-0\n" * 4, None, "5 Docs, or for each of their 5 sentence pairs, but it has 4 lines"),
        (b"0-0\n" * 6, None, "but it has 6 lines"),
        (b"0-0\n0-0\n0-0\n0-4\n0-0\n", 4, "target word 4"),
        (b"0-0\n0-0\n4-0\n0-0\n0-0\n", 3, "source word 4"),
        (b"0-0\n0-0 x\n", 2, "'x'"),
        (b"0-0\n\xff\n", 2, "UTF-8"),
    ],
)
@pytest.mark.parametrize("config", [CONFIG, None])
def test_alignments_that_cannot_be_used(corpus, out, text, line, message, config):
    (corpus / "links.pharaoh").write_bytes(text)
    with pytest.raises(InputError, match=message) as caught:
        run(corpus, out, config or corpus / "match.cfg", alignments=corpus / "links.pharaoh")
    assert (caught.value.path, caught.value.line) == (corpus / "links.pharaoh", line)
    left = {n.split("/")[0] for n in names(corpus)}
    assert left == {"src.conll", "tgt.conll", "links.pharaoh", "match.cfg", "bitext.spacy"}


def test_input_that_cannot_be_used(corpus):
    before = names(corpus)
    with pytest.raises(InputError, match="no such file"):
        project(corpus / "nothing.spacy", corpus / "out.spacy", CONFIG)
    (corpus / "bitext.spacy").write_bytes(b"nonsense")
    for out in ("out.spacy", "out"):
        with pytest.raises(InputError, match=r"bitext.spacy: Expected a .spacy file"):
            run(corpus, out)
    assert names(corpus) == before


def test_two_runs_into_one_place(corpus):
    before = names(corpus)
    with locked(corpus / "out"), pytest.raises(XprojError, match=r"another run is writing it: .*process"):
        run(corpus, "out")
    assert names(corpus) == before


def test_docs_without_a_source_side(corpus):
    (corpus / "plain.conll").write_text("a\tO\n\n")
    with pytest.raises(
        XprojError, match=r"plain.conll: There is no source entity to project in 1 Docs: no Doc has a source side"
    ):
        project(corpus / "plain.conll", corpus / "out.spacy", CONFIG, alignments=corpus / "links.pharaoh")
    assert not (corpus / "out.spacy").exists()


def test_a_folder_of_other_things_is_left_alone(corpus):
    (corpus / "out.spacy.fitted").mkdir()
    (corpus / "out.spacy.fitted" / "precious.txt").write_text("mine")
    with pytest.raises(XprojError, match="not empty"):
        run(corpus, "out.spacy")
    assert (corpus / "out.spacy.fitted" / "precious.txt").exists()


def test_failing_to_save_leaves_nothing(corpus, monkeypatch):
    def fail(self, path, **kwargs):
        os.mkdir(path / "part")
        raise OSError("the disk is full")

    monkeypatch.setattr(spacy.Language, "to_disk", fail)
    before = names(corpus)
    with pytest.raises(OSError, match="disk is full"):
        run(corpus, "out.spacy")
    assert names(corpus) == before and not (corpus / "out.spacy.fitted").exists()
    assert not list(corpus.glob(".*"))


def test_links_by_position_go_into_one_file_only(corpus):
    links = {"components.xproj_aligner.aligner": {"@xproj_aligners": "spacy_xproj.Pharaoh.v1", "path": "links.pharaoh"}}
    links["components.xproj_aligner.aligner"]["path"] = str(corpus / "links.pharaoh")
    for out, more in (("out", {}), ("out.spacy", {"fit_on": [corpus / "bitext.spacy"]})):
        with pytest.raises(XprojError, match="must see all of them in order"):
            run(corpus, out, overrides=links, **more)
    assert run(corpus, "out.spacy", overrides=links)["projected"] == 2


def test_a_corpus_in_the_place_of_the_pieces_is_left_alone(corpus):
    """`OUT.input` can be the input itself, or another corpus that a verb wrote."""
    convert(corpus / "bitext.spacy", corpus / "out.input", "es")
    before = bytes_of(corpus / "out.input")
    for bitext in ("out.input", "bitext.spacy"):
        with pytest.raises(XprojError, match=r"out.input: here the pieces of the input are to be put"):
            project(corpus / bitext, corpus / "out", CONFIG, "es")
        assert bytes_of(corpus / "out.input") == before
        assert not (corpus / "out").exists() and not (corpus / "out.fitted").exists()


def test_killed_before_the_pieces_were_removed(corpus, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("spacy_xproj.runs.process._remove_pieces", lambda folder: None)
        run(corpus, "out", shard=2)
    assert (corpus / "out.input").exists()
    before = bytes_of(corpus / "out")
    run(corpus, "out", shard=2)
    assert not (corpus / "out.input").exists()
    assert bytes_of(corpus / "out") == before


def test_the_pipeline_of_an_earlier_run_survives_a_bad_input(corpus):
    run(corpus, "out.spacy")
    (corpus / "bad.spacy").write_bytes(b"nonsense")
    (corpus / "out.spacy").unlink()
    with pytest.raises(InputError, match=r"Expected a .spacy file"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        project(corpus / "bad.spacy", corpus / "out.spacy", corpus / "out.spacy.fitted", "es")
    assert spacy.load(corpus / "out.spacy.fitted").pipe_names


def test_names_that_are_none(corpus, monkeypatch):
    (corpus / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(corpus / "here" / "below")
    before = names(corpus)
    for out in (".", "..", "../..", "/"):
        with pytest.raises(XprojError, match="Give OUT a name"):
            project(corpus / "bitext.spacy", out, CONFIG, "es")
    assert names(corpus) == before


def test_other_options_after_a_kill_are_warned_of_once(corpus, monkeypatch):
    """What is left then is a fitted pipeline, and the input in pieces."""

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("spacy_xproj.runs.process.map_shards", killed)
        with pytest.raises(KeyboardInterrupt):
            run(corpus, "out", shard=2)
    assert {"out.fitted/meta.json", "out.input/manifest.json"} <= names(corpus)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run(corpus, "out", shard=2, overrides={"components.xproj_matcher.min_score": 0.25})
    changed = [str(each.message) for each in said if "was made from something else" in str(each.message)]
    assert len(changed) == 1 and "out.fitted was made" in changed[0] and "min_score" in changed[0]


@pytest.mark.parametrize("moment", ["fitting", "reading"])
@pytest.mark.parametrize("out", ["out", "out.spacy"])
def test_an_input_that_changes_meanwhile(corpus, monkeypatch, out, moment):
    """Its new content would stand under the key of the old one."""
    before = names(corpus)

    def change():
        other = corpus / "other.spacy"
        shutil.copy(corpus / "bitext.spacy", other)
        os.replace(other, corpus / "bitext.spacy")

    fit, read = StatisticalAligner.fit, DocReader.read
    with monkeypatch.context() as patch:
        if moment == "fitting":
            patch.setattr(StatisticalAligner, "fit", lambda self, pairs: change() or fit(self, pairs))
        else:
            patch.setattr(DocReader, "read", lambda self, counts: change() or read(self, counts))
        with pytest.raises(InputError, match=r"bitext\.spacy: It was changed, replaced or removed while this run"):
            run(corpus, out, shard=2)
    assert names(corpus) == before
    assert run(corpus, out, shard=2)["projected"] == 2


def test_a_folder_of_shards_that_changes_while_the_pipeline_is_fitted(corpus, monkeypatch):
    convert(corpus / "bitext.spacy", corpus / "first", "es", shard=2)
    fit = StatisticalAligner.fit

    def change(self, pairs):
        convert(corpus / "bitext.spacy", corpus / "first", "es", shard=1)
        return fit(self, pairs)

    with monkeypatch.context() as patch:
        patch.setattr(StatisticalAligner, "fit", change)
        with pytest.warns(UserWarning, match="made anew"), pytest.raises(InputError, match="It was changed, replaced"):
            project(corpus / "first", corpus / "second", CONFIG, "es")
    assert not [*corpus.glob("second*")]


def test_options_that_were_forgotten_after_a_stop(corpus, monkeypatch):
    """The options from before go on where they were stopped, with the same bytes as if nothing had happened."""
    want = run(corpus, "whole", shard=1)
    write, made = steps.write_file, []

    def stopping(docs, path):
        if path.name == "00003.spacy":
            raise KeyboardInterrupt
        return write(docs, path)

    with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        patch.setattr(steps, "write_file", stopping)
        for more in ({}, {"overrides": {"components.xproj_matcher.min_score": 2}}):
            with pytest.raises(KeyboardInterrupt):
                run(corpus, "out", shard=1, **more)
    assert "out was made from something else" in str(said[-1].message)
    monkeypatch.setattr(steps, "write_file", lambda docs, path: made.append(path.name) or write(docs, path))
    assert run(corpus, "out", shard=1) == want
    assert made == ["00003.spacy", "00004.spacy"] and not [*corpus.glob(".out.*")]
    assert bytes_of(corpus / "out") == bytes_of(corpus / "whole")
