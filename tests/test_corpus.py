"""Tables survive a round trip, foreign ones are refused, files are whole or absent."""

import numpy as np
import pytest

from headsync.corpus.corpus import (
    Clip,
    SyncRow,
    open_corpus,
    read_table,
    record_sync,
    save_array,
    write_manifest,
    write_table,
)
from headsync.media import write_whole

ROW = Clip(clip="a,\"b\" #ü", identity="anna", split="val", frames=97, source="x/a.mp4", start_s=1.24, has_audio=True,
           av_offset=-2, face_rate=0.99, face_height_px=131.0, rival=0.0, lip_audio_corr=0.4, lip_audio_lag=-1,
           audio_dbfs=-23.4, lip_range=0.1)


def test_rows_survive_a_round_trip(tmp_path):
    write_table(tmp_path / "manifest.csv", Clip, [ROW, ROW._replace(clip="c", split="train", has_audio=False)])
    corpus = open_corpus(tmp_path)
    assert corpus.clips[0] == ROW and [clip.clip for clip in corpus.select("train")] == ["c"]
    assert corpus.select(talking=True) == (ROW,)


def test_a_later_manifest_keeps_what_sync_correction_found(tmp_path):
    found, plain = ROW._replace(clip="b"), ROW._replace(clip="c", av_offset=0)
    write_manifest(tmp_path, [ROW, found, plain])
    record_sync(tmp_path, [SyncRow(ROW.clip, 0, "unsure", 0.01), SyncRow("b", 3, "corrected", 0.4)])
    for _ in range(2):
        assert [(clip.av_offset, clip.sync) for clip in open_corpus(tmp_path).clips] == [
            (0, "unsure"), (3, "corrected"), (0, "unchecked")]
        write_manifest(tmp_path, [ROW, found, plain])       # as another preprocessing does


def test_an_unchanged_table_is_not_touched(tmp_path):
    path = tmp_path / "manifest.csv"
    write_table(path, Clip, [ROW])
    before = path.stat().st_mtime_ns
    write_table(path, Clip, [ROW])
    assert path.stat().st_mtime_ns == before


def test_foreign_tables_and_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is no corpus"):
        open_corpus(tmp_path)
    (tmp_path / "manifest.csv").write_text("clip,path\na,b\n")
    with pytest.raises(ValueError, match="has columns"):
        read_table(tmp_path / "manifest.csv", Clip)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    save_array(path, np.arange(5))
    monkeypatch.setattr("os.fsync", lambda number: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"half")
    assert np.load(path, allow_pickle=False).tolist() == [0, 1, 2, 3, 4] and list(tmp_path.iterdir()) == [path]
