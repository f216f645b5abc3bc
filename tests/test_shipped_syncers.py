"""The shipped syncers: two families that share nothing, and right about people in sync, late and standing still."""

import os
from pathlib import Path

import pytest
import torch

from headsync.commands.program import main
from headsync.experiment import config_dict, save_weights
from headsync.media import open_sound
from headsync.media.kinds import FEATURE_KINDS, sound_features
from landmark_stage import load_lips
from syncers import (
    ChannelSettings,
    SyncerPyramid,
    SyncerSettings,
    as_sync_sample,
    level_profiles,
    load_syncers,
    mismatched,
    sample_offsets,
    shifted,
    static,
)

CORPUS = Path(os.environ.get("HEADSYNC_CORPUS", Path(__file__).parents[1] / "../shared/corpus"))
FAMILIES = ("metric", "metric-hama", "loss")
# val people: neither family was trained on them
CLIPS = ("id024_c01", "id131_c01", "id054_c02")


@pytest.fixture(scope="module")
def samples():
    paths = [CORPUS / "clips" / f"{name}.mp4" for name in CLIPS]
    if not all(path.is_file() for path in paths):
        pytest.skip("no corpus of real clips here")
    faces = [as_sync_sample(path, path) for path in paths]
    of_hama = [torch.from_numpy(sound_features(open_sound(path), "hama")) for path in paths]
    return {"fbank26": faces, "hama": [one._replace(rows=rows[: 2 * len(one.flat)]) for one, rows in zip(faces, of_hama)]}


def test_the_families_share_nothing():
    loss, metric = (load_syncers(name) for name in ("loss", "metric"))
    kinds = [{level.settings.motion.kind for level in pyramid.levels} for pyramid in (loss, metric)]
    assert kinds == [{"layers"}, {"convnext"}]
    assert [level.settings.normalised for level in (loss.levels[0], metric.levels[0])] == [True, False]
    assert len(loss.levels) == len(metric.levels) == 4
    shapes = {tuple(one.shape) for one in loss.parameters() if one.ndim > 1}
    assert not shapes & {tuple(one.shape) for one in metric.parameters() if one.ndim > 1}


@pytest.mark.parametrize("family", FAMILIES)
def test_syncers_do_not_take_what_generators_take(family):
    """Whisper's features are the articulation learner's input: what they make sound good, they would also find good."""
    assert load_syncers(family).features in ("fbank26", "mfcc26", "hama")
    assert load_lips("articulation").sound_mean.numel() == 2 * FEATURE_KINDS["whisper"].features


def test_weights_of_former_versions_say_their_features_otherwise(tmp_path):
    """0.2 said `audio: mfcc`, and nothing where it was log mel energies."""
    pyramid = SyncerPyramid([SyncerSettings(channels=ChannelSettings(features="mfcc26", audio="cepstra", cepstra=7))])
    form = config_dict(pyramid.levels[0].settings)
    form["channels"] = {**form["channels"], "audio": "mfcc"}
    del form["channels"]["features"]
    save_weights(tmp_path / "old.safetensors", pyramid.state_dict(), config={"family": "loss", "levels": [form]})
    assert load_syncers(tmp_path / "old.safetensors").levels[0].settings == pyramid.levels[0].settings
    assert load_syncers("loss").features == "fbank26"


def test_all_levels_take_one_kind():
    with pytest.raises(ValueError, match="same features, got fbank26, hama"):
        SyncerPyramid([SyncerSettings(), SyncerSettings(channels=ChannelSettings(features="hama"))])
    with pytest.raises(ValueError, match="not of hama"):
        ChannelSettings(features="hama", audio="cepstra")


def test_frozen_syncers_guide_landmarks_and_learn_nothing():
    pyramid = load_syncers("loss")
    flat = torch.rand(2, 53, 204, generator=torch.Generator().manual_seed(1)).requires_grad_()
    pyramid.scores(flat, torch.randn(2, 212, 26)).sum().backward()
    moved = flat.grad.unflatten(2, (68, 3))[..., :2].abs().sum((0, 1, 3))
    assert (moved > 0).all() and not any(one.requires_grad for one in pyramid.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("late", [-7, 0, 3, 12])
def test_lateness_is_followed(samples, family, late):
    pyramid = load_syncers(family)
    for sample in samples[pyramid.features]:
        now, then = (sample_offsets(one, pyramid)[:2] for one in (sample, shifted(sample, late)))
        assert abs(now[0].frames) <= 3      # given clips are up to three frames off
        assert then[0].frames - now[0].frames == late
        assert abs(then[1].frames - now[1].frames - late) <= 2      # steps of two frames


@pytest.mark.parametrize("family", FAMILIES)
def test_real_speech_is_told_from_still_faces_and_strange_sound(samples, family):
    pyramid = load_syncers(family)
    clips = samples[pyramid.features]
    for number, sample in enumerate(clips):
        real, still, strange = (level_profiles(pyramid, one)[0].confidence
                                for one in (sample, static(sample), mismatched(sample, clips[number - 1])))
        assert real > 2 * max(still, strange)


def test_the_command_needs_no_options(samples, capsys):
    assert main(["sync", str(CORPUS / "clips" / f"{CLIPS[0]}.mp4")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 6 and "sound" in told[0] and "BT.1359" in told[1]
    assert [line.split()[0] for line in told[2:]] == ["200", "400", "800", "1600"]
