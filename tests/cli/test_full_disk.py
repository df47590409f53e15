"""A disk that is full, or that cannot be written to, is one message that says what to do; and nothing is lost."""

import errno
import os
from pathlib import Path

import pytest

from tests.cli.test_app import bad, good
from tests.cli.test_standing_outputs import contents
from tests.conftest import CONFIGS

ARGS = ("--lang", "es", "--shard", 1, "--config", CONFIGS / "project_match.cfg")


@pytest.mark.parametrize("name", ["00000.spacy", "00002.spacy", "manifest.json", "x.report.json", ".xproj.json"])
def test_a_full_disk(corpus, monkeypatch, name):
    good("project", corpus / "bitext.spacy", corpus / "whole" / "x", *ARGS)
    write, left = Path.write_bytes, [1]

    def full(path, data, *args, **more):
        """The disk is full at the second half of a file."""
        if name in path.name and left and not path.name.endswith(name):
            left.pop()
            write(path, (data if isinstance(data, bytes) else data.encode())[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, data) if isinstance(data, bytes) else write(path, data.encode("utf-8"))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        patch.setattr(Path, "write_text", full)
        text = bad("project", corpus / "bitext.spacy", corpus / "out" / "x", *ARGS)
    assert not left and "the disk is full. What is finished stays. Make room" in text
    assert not [path for path in (corpus / "out").rglob("*") if path.name.endswith((".tmp", ".lock"))]
    good("project", corpus / "bitext.spacy", corpus / "out" / "x", *ARGS)
    assert contents(corpus / "out") == contents(corpus / "whole")


def test_a_disk_that_cannot_be_written_to(corpus, monkeypatch):
    def refused(path, *args, **more):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    before = contents(corpus)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refused)
        text = bad("project", corpus / "bitext.spacy", corpus / "out" / "x", *ARGS)
    assert "this disk cannot be written to. Give another place" in text
    assert contents(corpus) == before
