"""What is not as it was written is made anew, or refused by one error: it is never read in silence."""

import json
from contextlib import suppress

import pytest
from catalogue import RegistryError
from confection import ConfigValidationError

from spacy_xproj.corpus import doc_files, write_file
from spacy_xproj.corpus.manifest import MANIFEST, Manifest
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.files import NOTE, check_as_written, replacing_folder, sealed, unsealed
from spacy_xproj.runs.pipelines import keyed_pipeline
from spacy_xproj.runs.project import fit, project
from spacy_xproj.runs.rounds import teacher_config
from spacy_xproj.runs.shards import write_shards
from tests.conftest import CONFIGS
from tests.runs.test_rounds import TEACHERS
from tests.runs.test_shards import KEY, make_docs

MATCH = CONFIGS / "project_match.cfg"


def flip(path, place=-1):
    """Flip a bit of a file, by default in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if place < 0 else place] ^= 1
    path.write_bytes(bytes(data))


def test_each_flipped_bit_of_a_sealed_file_is_noticed():
    content = json.dumps(sealed({"score": 0.5, "name": "a", "shards": [{"docs": 3}]})).encode()
    assert unsealed(content) == {"score": 0.5, "name": "a", "shards": [{"docs": 3}]}
    for place in range(len(content)):
        for bit in range(8):
            with pytest.raises(ValueError):
                unsealed(content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :])
    with pytest.raises(ValueError):
        unsealed(b"[1]")


def test_shards_that_were_swapped(tmp_path):
    write_shards(make_docs(4), tmp_path, shard=2, key=KEY)
    assert len(doc_files(tmp_path)) == 2
    first, second = (tmp_path / f"0000{n}.spacy" for n in range(2))
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    with pytest.raises(InputError, match=r"00000\.spacy is not as it was written"):
        doc_files(tmp_path)
    (tmp_path / MANIFEST).unlink()  # as the message says
    assert len(doc_files(tmp_path)) == 2


def test_counts_in_a_manifest_that_were_changed(tmp_path):
    write_shards(make_docs(4), tmp_path, shard=2, key=KEY)
    path = tmp_path / MANIFEST
    path.write_text(path.read_text().replace('"docs": 2', '"docs": 3', 1))
    with pytest.raises(InputError, match=r"it was changed or damaged.*remove the folder"):
        Manifest.read(tmp_path)


def test_a_fitted_pipeline(corpus):
    fit(corpus / "bitext.spacy", corpus / "fitted", MATCH, "es")
    project(corpus / "bitext.spacy", corpus / "a", corpus / "fitted")
    meta = corpus / "fitted" / "meta.json"
    meta.write_text(meta.read_text() + "\n")
    with pytest.raises(InputError, match="is not as it was written") as caught:
        project(corpus / "bitext.spacy", corpus / "b", corpus / "fitted")
    assert NOTE in str(caught.value) and not (corpus / "b").exists()
    (corpus / "fitted" / NOTE).unlink()  # as the message says
    project(corpus / "bitext.spacy", corpus / "c", corpus / "fitted")


def test_a_folder_with_a_note(tmp_path):
    check_as_written(tmp_path)  # no verb wrote it
    with replacing_folder(tmp_path / "x") as new:
        (new / "a.txt").write_text("text")
    check_as_written(tmp_path / "x")
    for name in ("a.txt", NOTE):
        before = (tmp_path / "x" / name).read_bytes()
        flip(tmp_path / "x" / name, 1)
        with pytest.raises(InputError, match="is not as it was written"):
            check_as_written(tmp_path / "x")
        (tmp_path / "x" / name).write_bytes(before)
    write_file(make_docs(1), tmp_path / "b.spacy")
    check_as_written(tmp_path / "b.spacy")


def damaged(text, step):
    """Texts of a config that was cut, or in which a bit was flipped."""
    data = text.encode()
    for place in range(0, len(data), step):
        yield data[:place]
        for bit in (0, 2, 7):
            yield data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("read", [keyed_pipeline, lambda path: teacher_config(path, {})], ids=["pipeline", "teachers"])
def test_a_damaged_config_is_one_error(tmp_path, read):
    """Of spaCy's own errors for configs the command line makes one message, too."""
    for content in damaged(TEACHERS, 11 if read is keyed_pipeline else 3):
        (tmp_path / "a.cfg").write_bytes(content)
        with suppress(XprojError, ConfigValidationError, RegistryError):
            read(tmp_path / "a.cfg")
    (tmp_path / "a.cfg").write_text("[components]\nmatcher = 3\n")
    with pytest.raises(InputError, match="Expected sections of the form"):
        read(tmp_path / "a.cfg")
