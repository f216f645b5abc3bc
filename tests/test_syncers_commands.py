"""The syncers' commands: a video's offset with a picture, a corpus corrected, and every refusal in one line."""

import json
import shutil

import pytest
import torch

from headsync import media
from headsync.commands.program import main
from headsync.commands.sync import OUT_OF_SYNC, UNSURE, fix
from headsync.corpus import open_corpus
from headsync.experiment import load_config
from headsync.landmarks import LandmarkSequence
from syncers import similarity_matrix, sync_offset
from syncers.sync import as_sync_sample, load_syncers
from syncers.train import TrainSettings, train_syncers
from syncers.verdict import Limit, Report, Verdict
from tests.face_files import shaking, write_tone, write_video
from tests.media_files import packets
from tests.talking import made_up_people, made_up_sample, write_corpus

TINY = load_config(TrainSettings, stage="syncers", preset="tiny", overrides=["run.steps=30"])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    people = made_up_people(12, 61)
    val = [one._replace(name=f"v{one.name}", identity=f"v{one.identity}") for one in made_up_people(4, 97, seed=7)]
    return write_corpus(tmp_path_factory.mktemp("c") / "corpus", {"train": people, "val": val})


@pytest.fixture(scope="module")
def weights(corpus, tmp_path_factory):
    return train_syncers(corpus, tmp_path_factory.mktemp("run"), TINY).weights


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a video's #1 ü")
    return write_video(folder / "talk.mp4", shaking(89), audio=write_tone(folder / "a.flac", 89))


def test_a_video_is_measured_and_drawn(video, weights, tmp_path, capsys):
    assert main(["sync", str(video), "--weights", str(weights), "--plot", str(tmp_path / "plots")]) == 0
    said = capsys.readouterr().out
    assert all(f"{window} ms" in said for window in (200, 400, 800, 1600))
    picture = media.read_image(tmp_path / "plots" / "talk.png")
    assert min(picture.shape[:2]) > 300 and picture.std() > 10


def test_the_answer_comes_first_and_folders_json_and_exit_codes_work(video, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("syncers.verdict.SURE_MARGIN", 99.0)
    assert main(["sync", str(video.parent), "--weights", str(weights), "--exit-code"]) == UNSURE
    assert capsys.readouterr().out.startswith(f"{video}: cannot be told for sure (perhaps sound ")
    monkeypatch.setattr("syncers.verdict.SURE_MARGIN", -1.0)
    monkeypatch.setattr("syncers.verdict.LIMITS", (Limit("one", -100, -99),))
    assert main(["sync", str(video), "--weights", str(weights), "--json", "--exit-code"]) in (OUT_OF_SYNC, UNSURE)
    told = json.loads(capsys.readouterr().out)
    assert [one["video"] for one in told] == [str(video)] and len(told[0]["time_scales"]) == 4
    assert {"late_ms", "sure", "late_frames", "limits", "shots", "over_time", "drift_ms_per_minute"} <= set(told[0])
    assert main(["sync", str(video), str(video), "--fix", str(tmp_path / "o.mp4")]) == 2
    assert "--fix writes one video, and 2 are given" in capsys.readouterr().err


def test_a_video_that_is_sure_is_put_right_and_no_other(video, tmp_path):
    def report(**wishes):
        return Report(Verdict(0, 3, 200.0, wishes.pop("sure", True), 2.0), (), (), None)._replace(**wishes)
    fix(str(video), str(tmp_path / "o.mp4"), report())
    late, right = (media.read_audio(path) for path in (video, tmp_path / "o.mp4"))
    assert abs(len(late) - len(right) - 3200) < 1200 and packets(video, "video") == packets(tmp_path / "o.mp4", "video")
    for wrong, match in ((report(sure=False), "cannot be told"), (report(drift_ms_per_minute=60.0, over_time=(
            Verdict(0, 3, 1.0, True, 2.0),)), "drifts")):
        with pytest.raises(ValueError, match=match):
            fix(str(video), str(tmp_path / "p.mp4"), wrong)
    assert not (tmp_path / "p.mp4").exists()


def test_one_bad_video_does_not_stop_the_others(video, weights, tmp_path, capsys):
    (tmp_path / "text.mp4").write_text("no video")
    assert main(["sync", str(tmp_path / "text.mp4"), str(video), "--weights", str(weights)]) == 1
    told = capsys.readouterr()
    assert "200 ms" in told.out and "text.mp4" in told.err and len(told.err.splitlines()) == 1
    assert main(["sync", str(tmp_path / "text.mp4"), "--weights", str(weights)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def sequence_of(frames, fps=25.0):
    points = 256 * made_up_sample(frames, seed=3).flat.reshape(-1, 68, 3).numpy()
    return LandmarkSequence(points=points, visible=points[:, 0, 0] > -1, fps=fps, size=(256, 256), crop=(0, 0, 256, 256))


def test_sound_and_sequence_in_an_answer_per_scale_out(weights):
    pyramid = load_syncers(weights)
    noise = torch.randn(97 * 640, generator=torch.Generator().manual_seed(3)).numpy()
    found = sync_offset(noise, sequence_of(89), pyramid=pyramid)
    assert [one.window_ms for one in found] == [200, 400, 800, 1600]
    assert len(sync_offset(noise, sequence_of(13), pyramid=pyramid)) == 2
    assert len(sync_offset(noise, sequence_of(89), pyramid=pyramid, mode="syncnet")) == 4
    matrix = similarity_matrix(pyramid, as_sync_sample(noise, sequence_of(89)), level=2)
    assert matrix.shape == (41, 41) and matrix.abs().max() <= 1 + 1e-5


def test_what_cannot_be_evaluated_is_refused_in_one_line(weights, video, tmp_path):
    pyramid = load_syncers(weights)
    noise = torch.randn(97 * 640, generator=torch.Generator().manual_seed(3)).numpy()
    for audio, sequence, words in ((noise, sequence_of(3), "share 3 frames"), (noise[:700], sequence_of(89), "share 2 frames"),
                                   (noise, sequence_of(89, fps=30.0), "at 30"), (noise, sequence_of(5), "too short")):
        with pytest.raises(ValueError, match=words):
            sync_offset(audio, sequence, pyramid=pyramid)
    (tmp_path / "empty.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.wav"):
        sync_offset(tmp_path / "empty.wav", video, pyramid=pyramid)


def test_a_corpus_is_corrected_by_itself_or_by_weights(corpus, weights, tmp_path, capsys):
    for arguments, how in ((["--config", "tiny", "train.run.steps=7"], "trained on the corpus itself"),
                           ([], "metric, which are shipped"),
                           (["--weights", str(weights)], f"by the syncers {weights}")):
        folder = tmp_path / str(len(arguments))
        shutil.copytree(corpus.folder, folder)
        assert main(["correct-sync", "--data", str(folder), *arguments]) == 0
        told = capsys.readouterr().out
        assert "of 16 clips are sure" in told and how in told
        clips = open_corpus(folder).clips
        assert {clip.sync for clip in clips} <= {"corrected", "unsure"} and (folder / "sync.csv").is_file()
        assert all(clip.av_offset == 0 for clip in clips if clip.sync == "unsure")
    assert main(["correct-sync", "--data", str(tmp_path)]) == 2
    assert main(["correct-sync", "--data", str(corpus.folder), "--weights", "metric", "rounds=3"]) == 2
    assert "leave out one" in capsys.readouterr().err


def test_preprocessing_corrects_when_asked(video, weights, tmp_path, capsys):
    call = ["--videos", str(video.parent), "--out", str(tmp_path / "c"), "--sync-correct", str(weights)]
    assert main(["preprocess", *call]) == 0
    assert "sure of their synchrony" in capsys.readouterr().out
    before = (tmp_path / "c" / "manifest.csv").read_bytes()
    assert main(["preprocess", *call[:-2]]) == 0 and (tmp_path / "c" / "manifest.csv").read_bytes() == before
    assert main(["preprocess", *call[:3], str(tmp_path / "d"), "--sync-correct", "absent.safetensors"]) == 2
    assert "absent.safetensors" in capsys.readouterr().err and not (tmp_path / "d").exists()
