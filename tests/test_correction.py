"""Sync correction's effort fits the corpus: small ones by shipped syncers, steps by windows, folds without people."""

import pytest

from headsync.corpus import Clip, Corpus, open_corpus
from headsync.experiment import load_config
from syncers.correction import CorrectionSettings, corrects_itself, cross_fit, cross_fit_corpus, fitting_steps
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
