"""What the articulation learner is trained on: stretches by their generator, rest, the right frames for every row."""

import numpy as np
import torch

from headsync.corpus import variation_of
from headsync.experiment import load_config
from headsync.landmarks.geometry import frontal
from landmark_stage.articulation import data
from landmark_stage.articulation.data import ArticulationMaterialSettings, draw_articulation, measure, mirrored, padded_sound
from landmark_stage.articulation.network import Articulation
from landmark_stage.articulation.rest import rest_sounds, sounds_at_rest
from landmark_stage.articulation.train import ArticulationTrainSettings
from tests.lip_clips import LOWER, talker
from tests.talking import made_up_people, write_corpus


def test_stretches_are_drawn_by_their_generator_and_mirrored():
    clips = [talker(seed, frames) for seed, frames in ((0, 131), (1, 7))]
    model = Articulation(load_config(ArticulationTrainSettings, stage="articulation", preset="tiny").model)
    measure(model, clips)
    sounds = [padded_sound(clip, model) for clip in clips]
    def draw(seed):
        return draw_articulation(clips, sounds, 13, model, settings=ArticulationMaterialSettings(11, 0.1, 0.5, 0.0, 1, 0.0),
                                 generator=torch.Generator().manual_seed(seed))
    one, again, other = draw(3), draw(3), draw(4)
    assert all(torch.equal(a, b) for a, b in zip(one, again)) and not torch.equal(one.sound, other.sound)
    more = model.settings.before + model.settings.ahead
    assert one.sound.shape == (13, 11 + more, 768) and one.speech.all()
    assert one.real.shape == (13, 11, 37, 3) and one.there.shape == (13, 11)
    still = ArticulationMaterialSettings(11, noise=0.0, flip=0.0, rest=0.0, rest_sounds=1, varied=0.0)
    plain = draw_articulation(clips[:1], sounds[:1], 5, model, settings=still, generator=torch.Generator().manual_seed(3))
    for sound, real in zip(plain.sound, plain.real):
        begin, = (k for k in range(121) if torch.equal(sounds[0][k : k + 11 + more], sound))
        torch.testing.assert_close(real, clips[0].faces[begin : begin + 11, LOWER] - clips[0].neutral)
    torch.testing.assert_close(mirrored(mirrored(one.real)), one.real)
    assert float(mirrored(torch.ones(37, 3))[0, 0]) == -1


def test_where_nobody_speaks_the_mouth_is_neutral():
    clips = [talker(seed) for seed in range(3)]
    model = Articulation(load_config(ArticulationTrainSettings, stage="articulation", preset="tiny").model)
    measure(model, clips)
    sounds, rest = [padded_sound(clip, model) for clip in clips], rest_sounds(model, 53, 1)
    assert rest.shape == (len(list(sounds_at_rest(2, 1))), 53, 768) and len(rest) == 10
    batch = draw_articulation(clips, sounds, 41, model, rest=rest, generator=torch.Generator().manual_seed(3),
                              settings=ArticulationMaterialSettings(11, 0.0, 0.0, 1.0, 1, 0.0))
    still = batch.speech == 0
    assert not batch.real[still].any() and batch.real[~still].flatten(1).any(1).all()
    assert still.all(1).any() and (still.any(1) & ~still.all(1)).any()      # in all of a stretch, or in a part of it
    spoken = torch.cat(sounds)
    given = batch.sound[:, model.settings.before :][:, :11]
    for quiet, sound in zip(still[:5], given):
        known = torch.stack([(spoken == one).all(1).any() for one in sound])
        assert torch.equal(known, ~quiet)


def test_lips_of_a_late_clip_have_their_own_sound(tmp_path, monkeypatch):
    """Whatever the sound is late by: rows are those of the frames that are left."""
    whole = write_corpus(tmp_path / "c", {"train": made_up_people(2, 61)})
    late = whole._replace(clips=(whole.clips[0]._replace(av_offset=3), whole.clips[1]._replace(av_offset=-2)))
    rows = np.repeat(np.arange(122, dtype=np.float32)[:, None], 384, 1)
    monkeypatch.setattr(data, "add_phonetics", lambda *_, **__: None)
    monkeypatch.setattr(data, "read_phonetics", lambda *_, **__: rows)
    before, after = (data.read_articulation(corpus, "train", least_frames=12) for corpus in (whole, late))
    assert [len(one.faces) for one in after] == [58, 59] and [len(one.rows) for one in after] == [116, 118]
    assert after[0].rows[0, 0] == 6 and after[1].rows[0, 0] == 0
    assert torch.equal(after[0].faces, before[0].faces[:58]) and torch.equal(after[1].faces, before[1].faces[2:])


def test_faces_of_a_varied_clip_go_at_its_speed(tmp_path, monkeypatch):
    """Row 2j of a sound at `speed` is of the moment (j + 0.5) speed: the faces are those of that moment."""
    corpus = write_corpus(tmp_path / "c", {"train": made_up_people(1, 61)})
    clip = corpus.clips[0]._replace(av_offset=4)
    speed = variation_of(clip).speed
    assert 0.88 <= speed <= 1.12 and abs(speed - 1) > 0.005
    frames = int(61 / speed)
    rows = np.repeat(np.arange(2 * frames, dtype=np.float32)[:, None], 384, 1)
    monkeypatch.setattr(data, "add_phonetics", lambda *_, **__: None)
    monkeypatch.setattr(data, "read_phonetics", lambda *_, varied, **__: rows if varied else np.repeat(rows[:122], 2, 0))
    corpus = corpus._replace(clips=(clip,))
    varied, = data.read_articulation(corpus, "train", least_frames=12, varied=1.0)
    whole = torch.from_numpy(frontal(corpus.landmarks(clip).points))
    moments = (varied.rows[::2, 0] / 2 + 0.5) * speed - 0.5 - 4
    low = moments.long()
    torch.testing.assert_close(varied.faces, torch.lerp(whole[low], whole[(low + 1).clamp(max=60)],
                                                        (moments - low)[:, None, None]), atol=1e-3, rtol=0)
    assert len(varied.rows) == 2 * len(varied.faces) and moments[0] < speed and moments[-1] > 56 - 2 * speed
