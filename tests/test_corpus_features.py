"""A corpus holds several kinds of features: made when asked for, in place, gone on with after a kill."""

import numpy as np
import pytest

from headsync.commands.program import main
from headsync.corpus import add_features, features, open_corpus
from headsync.media import write_flac
from headsync.media.kinds import sound_features
from syncers.data import read_samples
from tests.talking import made_up_people, write_corpus


@pytest.fixture
def corpus(tmp_path):
    """Five clips with sound, 23 frames each, and a silent one."""
    made = write_corpus(tmp_path / "c", {"train": made_up_people(6, 23)})
    clips = [clip._replace(has_audio=number != 2) for number, clip in enumerate(made.clips)]
    from headsync.corpus.corpus import Clip, write_table
    write_table(made.folder / "manifest.csv", Clip, clips)
    (made.folder / "audio").mkdir()
    for number, clip in enumerate(clips):
        if clip.has_audio:
            sound = 0.1 * np.random.default_rng(number).standard_normal(23 * 640)
            write_flac(made.audio_path(clip), sound.astype(np.float32))
    return open_corpus(made.folder)


def files(corpus, folder):
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in (corpus.folder / folder).glob("*.npy")}


def test_a_corpus_is_extended_in_place(corpus, capsys):
    before = files(corpus, "features")
    assert main(["preprocess", "--out", str(corpus.folder), "--features", "hama", "mfcc26"]) == 0
    assert "hama: made for 5 of 5" in capsys.readouterr().out
    assert files(corpus, "features") == before and len(files(corpus, "hama")) == len(files(corpus, "mfcc26")) == 5
    one = corpus.clips[0]
    assert corpus.features(one, "hama").shape == (46, 256) and corpus.features(one, "mfcc26").shape == (92, 26)
    sample, = read_samples(corpus, [one], features="hama")
    assert sample.sample.rows.shape == (46, 256) and sample.sample.rows_per_frame == 2
    from headsync.media import read_audio
    expected = sound_features(read_audio(corpus.audio_path(one)), "hama")
    np.testing.assert_allclose(sample.sample.rows.numpy(), expected, atol=5e-3)
    made = files(corpus, "hama")
    assert main(["preprocess", "--out", str(corpus.folder), "--features", "hama"]) == 0
    assert files(corpus, "hama") == made and "hama: made for 0 of 5" in capsys.readouterr().out


def test_killed_midway_it_goes_on(corpus, monkeypatch):
    """What is there stays as it is, what was being written is no file, the rest is made."""
    save, saved = features.save_array, []

    def dying(path, array):
        if len(saved) == 3:
            (path.parent / f"{path.name}.partial-99999").write_bytes(b"half")    # what a killed process leaves behind
            raise KeyboardInterrupt
        saved.append(path)
        save(path, array)

    monkeypatch.setattr(features, "save_array", dying)
    with pytest.raises(KeyboardInterrupt):
        add_features(corpus, corpus.clips, "hama")
    before = files(corpus, "hama")
    assert len(before) == 3
    monkeypatch.setattr(features, "save_array", save)
    assert add_features(corpus, corpus.clips, "hama") == 2
    after = files(corpus, "hama")
    assert len(after) == 5 and {name: after[name] for name in before} == before


def test_bad_calls_say_one_line(tmp_path, capsys):
    for call, message in ((["--features", "hama"], "is no corpus"), ([], "give --videos, or --features"),
                          (["--features", "logfbank"], "logfbank")):
        try:
            code = main(["preprocess", "--out", str(tmp_path / "x"), *call])
        except SystemExit as ended:
            code = ended.code
        assert code == 2 and message in capsys.readouterr().err and not (tmp_path / "x").exists()
