"""Sync correction's effort fits the corpus: small ones by shipped syncers, steps by windows, folds without people."""

import pytest
import torch

from headsync.corpus import Clip, Corpus, open_corpus
from headsync.experiment import load_config
from syncers import correction
from syncers.correction import (
    CorrectionSettings,
    Estimate,
    corrects_itself,
    cross_fit,
    cross_fit_corpus,
    estimate,
    fitting_steps,
)
from syncers.offset import LagProfile
from tests.talking import made_up_people, write_corpus


def settings_with(*overrides, preset="tiny"):
    return load_config(CorrectionSettings, stage="correction", preset=preset, overrides=overrides)


def corpus_of(tmp_path, *, people, frames):
    clips = [Clip(f"c{number}", f"p{number}", "train", frames, "s", 0.0, True, 0, 1.0, 99.0, 0.0, 0.0, 0, -20.0, 0.1)
             for number in range(people)]
    return Corpus(tmp_path, tuple(clips))


def test_a_large_corpus_corrects_itself_by_default_and_a_small_one_does_not(tmp_path):
    assert corrects_itself(corpus_of(tmp_path, people=20, frames=1125))         # 15 minutes
    assert not corrects_itself(corpus_of(tmp_path, people=20, frames=1124))
    assert not corrects_itself(corpus_of(tmp_path, people=19, frames=2000))
    silent = corpus_of(tmp_path, people=20, frames=1125)
    assert not corrects_itself(silent._replace(clips=tuple(one._replace(has_audio=False) for one in silent.clips)))


def test_steps_grow_with_the_windows_up_to_the_settled_number():
    base = settings_with(preset="base")
    batch = base.train.run.batch * base.train.windows
    few, some, many = (fitting_steps(made_up_people(people, 104), base) for people in (2, 20, 90))      # 100 windows each
    assert few == 60 and many == base.train.run.steps == 500
    assert some == -(-30 * base.train.material.copies * 20 * 100 // batch)
    assert fitting_steps(made_up_people(90, 104), settings_with("train.run.steps=7")) == 7


def test_every_clip_is_evaluated_once_a_round_by_syncers_not_trained_on_its_speaker(monkeypatch):
    """In the second round they have learned from the clips that the first was sure of, put right."""
    people = [one._replace(identity=f"p{number // 2}") for number, one in enumerate(made_up_people(14, 31))]
    others, seen = [one._replace(name=f"o{one.name}") for one in made_up_people(3, 31, seed=50)], []
    monkeypatch.setattr(correction, "_fit", lambda samples, *_: samples)

    def estimated(taught, held):
        seen.append((taught, held))
        return {one.name: Estimate(3, 1.0, one.identity != "p2") for one in held}

    monkeypatch.setattr(correction, "estimate", estimated)
    rounds = cross_fit(people, others, settings_with("rounds=2", "folds=3"))
    assert [set(found) for found in rounds] == [{one.name for one in (*people, *others)}] * 2
    evaluated = [one.name for _, held in seen for one in held]
    assert len(evaluated) == 2 * 17 and all(evaluated.count(name) == 2 for name in evaluated)
    for number, (taught, held) in enumerate(seen):
        assert taught and not {one.identity for one in taught} & {one.identity for one in held}
        assert not {one.name for one in taught} & {one.name for one in others}
        again = number >= len(seen) // 2
        assert {len(one.sample.flat) for one in taught} == {28 if again else 31}
        assert ("p2" in {one.identity for one in taught}) <= (not again)
    assert torch.equal(seen[-1][0][0].sample.rows, people[0].sample.rows[12:])      # late by three frames: sound moved up


def test_clips_are_sure_that_stand_out_of_mismatched_sound_and_are_not_far_off(monkeypatch):
    samples = made_up_people(20, 61)
    offsets = dict(zip((one.name for one in samples), [0, 8, -8, 9, -9, *[1] * 15]))

    def profile(_, sample):
        """The planted offset, with a deep valley; with another clip's sound a shallow one; clip 6's is shallow too."""
        name = next((one.name for one in samples if torch.equal(one.sample.rows, sample.rows)
                     and torch.equal(one.sample.flat, sample.flat)), None)
        lags = torch.arange(-15, 16)
        depth = 1.0 if name and name != samples[6].name else 0.1
        return LagProfile(2 - depth * (lags == offsets.get(name, 0)).float(), lags)

    monkeypatch.setattr(correction, "_first_profile", profile)
    found = estimate(None, samples)
    assert {name: one.frames for name, one in found.items()} == offsets
    unsure = [number for number, one in enumerate(samples) if not found[one.name].sure]
    assert unsure == [3, 4, 6] and found[samples[0].name].margin == pytest.approx(1)


def test_folds_without_strangers_and_a_round_without_sure_clips_are_no_dead_end():
    people = made_up_people(3, 61)
    alike = [one._replace(identity=people[0].identity) for one in people]       # one person: a pool, dealt out by clip
    for samples in (people, alike, people[:2]):
        rounds = cross_fit(samples, [], settings_with("train.run.steps=2", "rounds=2", "folds=5"))
        assert [set(found) for found in rounds] == [{one.name for one in samples}] * 2


def test_one_clip_cannot_correct_itself(tmp_path):
    corpus = write_corpus(tmp_path / "c", {"train": made_up_people(1, 61), "val": made_up_people(1, 61, seed=2)})
    before = (corpus.folder / "manifest.csv").read_bytes()
    with pytest.raises(ValueError, match="1 train clips with sound.*--weights metric"):
        cross_fit_corpus(open_corpus(corpus.folder), settings_with())
    assert (corpus.folder / "manifest.csv").read_bytes() == before
