"""Preprocessing on a cluster: the same corpus as here, refusals in one line; and a full disk is no fault of a video."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

import headsync.corpus.preprocess
from headsync.commands.program import main
from headsync.corpus import PreprocessSettings, build_corpus, cluster_workers, find_sources
from headsync.corpus.clips import SourceResult
from tests.face_files import shaking, write_video

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for number, frames in enumerate((27, 29)):
        write_video(folder / f"video{number}.mp4", shaking(frames))
    return folder


def digests(corpus):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name in ("landmarks", "mesh") for path in (corpus / name).iterdir()}


@pytest.mark.filterwarnings("ignore")       # other people's, on both ends
def test_dask_workers_make_the_same_corpus(videos, tmp_path, monkeypatch):
    distributed = pytest.importorskip("dask.distributed")
    monkeypatch.setattr(headsync.corpus.preprocess, "BATCH_SOURCES", 1)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    build_corpus(find_sources([videos]), tmp_path / "here")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        assert main(["preprocess", "--videos", str(videos), "--out", str(tmp_path / "there"), "--cluster", address]) == 0
    assert digests(tmp_path / "there") == digests(tmp_path / "here")


@pytest.mark.filterwarnings("ignore")
def test_ray_workers_make_the_same_corpus(videos, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    cluster = pytest.importorskip("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "ray_client_server_port": 20001})
    try:
        build_corpus(find_sources([videos]), tmp_path / "here")
        assert main(["preprocess", "--videos", str(videos), "--out", str(tmp_path / "there"),
                     "--cluster", "ray://127.0.0.1:20001"]) == 0
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert digests(tmp_path / "there") == digests(tmp_path / "here")


@pytest.mark.parametrize("address", ["spark://somewhere:7077", "dask://", "ray://", "localhost:8786", ""])
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match=r"a cluster is dask://HOST:PORT or ray://HOST:PORT, not"), cluster_workers(address):
        pass


@pytest.mark.parametrize(("address", "package"), [("dask://somewhere:8786", "dask"), ("ray://somewhere:10001", "ray")])
def test_a_missing_package_is_named(address, package, videos, tmp_path, monkeypatch, capsys):
    import headsync.corpus.cluster

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(headsync.corpus.cluster.importlib, "import_module", missing)
    assert main(["preprocess", "--videos", str(videos), "--out", str(tmp_path / "c"), "--cluster", address]) == 2
    said = capsys.readouterr().err.strip()
    assert f"needs {package}, which is not installed" in said and "headsync[cluster]" in said and "\n" not in said


class NoDetector:
    def close(self):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_disk_ends_the_run_and_is_no_fault_of_the_video(videos, tmp_path, monkeypatch, number):
    def full(*_):
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            raise ValueError("clip.mp4: could not be written") from error

    monkeypatch.setattr(headsync.corpus.preprocess, "make_detector", lambda name: NoDetector())
    monkeypatch.setattr(headsync.corpus.preprocess, "cut_source", full)
    with pytest.raises(OSError, match=r"cannot be written: .*; make room and run the same again"):
        build_corpus(find_sources([videos]), tmp_path)
    assert not list((tmp_path / ".sources").glob("*.json"))
    monkeypatch.setattr(headsync.corpus.preprocess, "cut_source", lambda *_: SourceResult([], []))
    assert build_corpus(find_sources([videos]), tmp_path).processed == 2


def test_a_bad_video_is_still_only_its_own_fault(videos, tmp_path, monkeypatch):
    def bad(*_):
        raise OSError(errno.EIO, "the source cannot be read")

    monkeypatch.setattr(headsync.corpus.preprocess, "make_detector", lambda name: NoDetector())
    monkeypatch.setattr(headsync.corpus.preprocess, "cut_source", bad)
    report = build_corpus(find_sources([videos]), tmp_path, settings=PreprocessSettings())
    assert [one.failed for one in report.rejections] == [True, True]
