import pytest
import typer
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_xproj.aligners.embedding import EmbeddingAligner
from spacy_xproj.aligners.tuning import TuningSettings
from spacy_xproj.cli.common import handle_errors
from spacy_xproj.cli.tune import tune_cli
from spacy_xproj.errors import InputError
from spacy_xproj.files import NOTE
from spacy_xproj.runs.tune import tune
from tests.aligners.test_embedding import pairs
from tests.aligners.tiny_encoders import make_encoder
from tests.conftest import VERSES, said

SETTINGS = TuningSettings(steps=2, layer=3, batch_tokens=300)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_encoder(tmp_path_factory.mktemp("model"), positions=130)


def lines(corpus, name="a.tsv"):
    (corpus / name).write_text("".join(f"{a}\t{b}\n" for a, b in VERSES), encoding="utf-8")
    return corpus / name


def test_tune(corpus, model):
    done = tune(corpus / "bitext.spacy", corpus / "out", model, SETTINGS, device="cpu")
    assert done.new and done.pairs == len(VERSES) and {*done.history[-1]} == {"step", "so", "tlm"}
    assert not tune(corpus / "bitext.spacy", corpus / "out", model, SETTINGS, device="cpu").new
    assert len(EmbeddingAligner(str(corpus / "out"), layer=3, device="cpu")(pairs(*VERSES))) == len(VERSES)


def test_lines_and_docs(corpus, model):
    """Both name the same text."""
    tune(lines(corpus), corpus / "a", model, SETTINGS, "es", "en", device="cpu")
    assert not tune(corpus / "bitext.spacy", corpus / "a", model, SETTINGS, device="cpu").new
    assert tune(lines(corpus), corpus / "b", model, SETTINGS, limit=2, device="cpu").pairs == 2


def test_without_payload(corpus, model, nlp):
    DocBin(docs=[nlp("hola")], store_user_data=True).to_disk(corpus / "plain.spacy")
    with pytest.raises(InputError, match=r"plain\.spacy: .*Doc 1 has none"):
        tune(corpus / "plain.spacy", corpus / "out", model, SETTINGS, device="cpu")
    assert not (corpus / "out").exists()


def test_command(corpus, model):
    app = typer.Typer()
    app.command()(handle_errors(tune_cli))
    args = [lines(corpus), corpus / "out", "--model", model, "--steps", 3, "--every", 2, "--layer", 3, "--lang", "es"]

    def call(*more):
        return CliRunner().invoke(app, [*map(str, args), "--device", "cpu", *more])

    for text in ("Tuned on 5 sentence pairs in 3 steps", "finished already"):
        result = call()
        assert result.exit_code == 0 and text in said(result), result.output
    assert (corpus / "out" / NOTE).exists()
    result = call("--objectives", "so, psi")
    assert result.exit_code == 1 and "psi" in result.output, result.output
    result = call("--objectives", "so, tlm, mlm")
    assert result.exit_code == 0 and "made anew" in said(result), result.output
