"""Shards that actors of Ray make, for real, on this machine."""

import gc
import json

import pytest

from spacy_xproj.corpus import doc_files
from spacy_xproj.corpus.manifest import Manifest
from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.limits import variable
from spacy_xproj.programs import VARIABLE, allowing_programs
from spacy_xproj.runs import ray_engine as module
from spacy_xproj.runs.engines import Workers
from spacy_xproj.runs.shards import map_shards, write_shards
from spacy_xproj.runs.worker import Limits
from tests.conftest import ROOT, one_cluster
from tests.runs.test_worker import KEY, docs_of
from tests.runs.works import fill_the_disk, lose_the_actor, lose_the_machine, ray_cluster, refuse, tell_environment

ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
pytestmark = [
    pytest.mark.slow,
    # Ray leaves processes of its own to their end.
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RAY = Workers(2, engine="ray")


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_shards(docs_of([f"fine {n}" for n in range(6)]), tmp_path / "in", key=KEY, shard=2)
    with one_cluster():
        yield doc_files(tmp_path / "in")
        gc.collect()  # here, and not in a later test that has no such filters


def test_an_actor_that_is_lost_and_an_error(tmp_path, inputs):
    made = map_shards(inputs, tmp_path / "out", lose_the_actor, key=KEY, workers=RAY)
    assert made.totals() == {"docs": 6, "seen": 6} and (tmp_path / "in" / "lost").exists()
    with pytest.raises(InputError, match="line 3: stop"):
        map_shards(inputs, tmp_path / "bad", refuse, key=KEY, workers=RAY)
    found = Manifest.read(tmp_path / "bad")
    assert found.shards[0] and not found.shards[1]  # what another actor was at is finished
    with pytest.raises(OSError, match="No space left on device") as found:
        map_shards(inputs, tmp_path / "full", fill_the_disk, key=KEY, workers=RAY)
    assert type(found.value) is OSError and found.value.filename.startswith(str(tmp_path / "full"))
    assert not ray.is_initialized()


def test_workers_get_limits_and_permissions_of_the_verb(tmp_path, inputs, monkeypatch):
    """Those of a Ray that was started before have none of them, or others."""
    monkeypatch.setenv(variable("json_depth"), "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv(VARIABLE, raising=False)
    with ray_cluster() as address, allowing_programs():
        monkeypatch.delenv(variable("json_depth"))
        monkeypatch.setenv(variable("pair_cells"), "4")
        monkeypatch.setenv("XPROJ_API_KEY", "secret")
        workers = Workers(engine="ray", address=address)
        map_shards(inputs[:1], tmp_path / "out", tell_environment, key=KEY, workers=workers)
    found = json.loads((tmp_path / "in" / "environment").read_text())
    assert (found[variable("pair_cells")], found[variable("json_depth")], found[VARIABLE]) == ("4", "", "1")
    assert found["CUDA_VISIBLE_DEVICES"] == "" and "XPROJ_API_KEY" not in found


def test_the_only_machine_is_lost(tmp_path, inputs, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 3.0)
    message = r"has started no worker in 3 seconds.* 3 of 3 shards are left\. Run the same"
    with ray_cluster() as address, pytest.raises(XprojError, match=message):
        workers = Workers(engine="ray", address=address)
        map_shards(inputs, tmp_path / "out", lose_the_machine, key=KEY, workers=workers)


def test_a_cluster_without_the_gpus(tmp_path, inputs, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 5.0)
    with pytest.raises(
        XprojError, match=r"has started no worker in 5 seconds. Each needs 1 CPU and 99 GPUs; .* and 0 GPUs"
    ):
        map_shards(inputs, tmp_path / "out", refuse, key=KEY, workers=Workers(2, engine="ray", gpus_per_worker=99))


def test_a_machine_without_the_folder(tmp_path):
    actor = module.Actor(refuse, Limits(), str(tmp_path / "nowhere"), {})
    with pytest.raises(XprojError, match=r"nowhere'\. All machines need the folder where the command is run"):
        actor.ready()


def test_no_cluster_at_the_address(tmp_path, inputs):
    with pytest.raises(XprojError, match=r"Ray cannot be started or reached at 127\.0\.0\.1:1"):
        map_shards(inputs, tmp_path / "out", refuse, key=KEY, workers=Workers(engine="ray", address="127.0.0.1:1"))
