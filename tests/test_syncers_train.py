"""Training of syncers: it learns what hangs together, resumes exactly, finds planted offsets, and ships as one file."""

from dataclasses import replace

import pytest
import torch

from headsync.commands.program import main
from headsync.corpus import fold_of, open_corpus
from headsync.experiment import load_checkpoint, load_config, save_weights
from syncers import aligned, level_profiles, load_syncers, mismatched, separation, shifted, static, summarise
from syncers.correction import CorrectionSettings, cross_fit_corpus
from syncers.data import MaterialSettings, augmented, build_material, draw_batch
from syncers.train import TrainSettings, train_syncers
from tests.talking import made_up_people, made_up_sample, write_corpus

TINY = load_config(TrainSettings, stage="syncers", preset="tiny", overrides=["run.precision=fp32"])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Forty people for training, of whom every fourth speaks three frames late, and eight for evaluating."""
    people = made_up_people(40, 61)
    late = [one._replace(sample=shifted(one.sample, 3)) if number % 4 == 0 else one for number, one in enumerate(people)]
    val = [one._replace(name=f"val{one.name}", identity=f"val{one.identity}") for one in made_up_people(8, 197, seed=7)]
    return write_corpus(tmp_path_factory.mktemp("c") / "corpus", {"train": late, "val": val})


@pytest.fixture(scope="module")
def corrected(corpus, training_seed):
    settings = CorrectionSettings(folds=2, rounds=2, train=replace(TINY, run=replace(TINY.run, steps=120, seed=training_seed)))
    return cross_fit_corpus(corpus, settings)[-1]


@pytest.fixture(scope="module")
def trained(corpus, corrected, tmp_path_factory, training_seed):
    """A whole tiny run over the corrected corpus."""
    out = tmp_path_factory.mktemp("run")
    settings = replace(TINY, run=replace(TINY.run, steps=240, validate_every=80, seed=training_seed))
    return train_syncers(open_corpus(corpus.folder), out, settings)


def test_planted_lateness_is_found_by_syncers_not_trained_on_the_speaker(corpus, corrected, learned):
    names = [f"clip{number}" for number in range(40)]
    right = [corrected[name].frames == (3 if number % 4 == 0 else 0) for number, name in enumerate(names)]
    learned("clips of 40 put right", sum(right), above=35)
    learned("clips of 48 that are sure", sum(one.sure for one in corrected.values()), above=39)
    clips = {clip.clip: clip for clip in open_corpus(corpus.folder).clips}
    assert clips["clip4"].av_offset == corrected["clip4"].frames and clips["clip4"].sync in ("corrected", "unsure")


def test_nobody_is_evaluated_by_his_own_voice_and_pools_are_dealt_out():
    people = made_up_people(13, 5)
    folds = fold_of([*people, *(one._replace(name=f"again {one.name}") for one in people)], 4)
    assert all(folds[one.name] == folds[f"again {one.name}"] for one in people)
    pool = [one._replace(identity="pool") for one in people]
    assert sorted(set(fold_of(pool, 4).values())) == [0, 1, 2, 3]


def test_it_learns_what_hangs_together(trained, learned):
    learned("first level's accuracy", trained.levels[0].best, above=0.8)
    learned("worst level's accuracy", min(level.best for level in trained.levels), above=3 / 49)


def test_offsets_are_found_shifted_and_told_from_strangers(trained, learned):
    pyramid = load_syncers(trained.weights)
    samples = [made_up_sample(97, seed=50 + number) for number in range(8)]
    for k in (-7, 0, 4):
        offsets = [level_profiles(pyramid, shifted(sample, k))[0].offset for sample in samples]
        learned(f"of 8 offsets {k} found", offsets.count(k), above=6)
    genuine = [level_profiles(pyramid, sample)[0].confidence for sample in samples]
    strangers = [level_profiles(pyramid, mismatched(sample, other))[0].confidence
                 for sample, other in zip(samples, [*samples[1:], samples[0]])]
    still = [level_profiles(pyramid, static(sample))[0].confidence for sample in samples]
    learned("genuine told from strangers", separation(genuine, strangers), above=0.95)
    learned("genuine told from still", separation(genuine, still), above=0.95)


def test_a_stopped_run_goes_on_as_if_it_had_not(corpus, tmp_path):
    one_level = replace(TINY, levels=1)
    train_syncers(corpus, tmp_path / "straight", one_level)
    from headsync.experiment import RunLog, Trainer, run_loop
    from syncers.data import read_samples
    from syncers.train import LevelTask, usable

    train, val = (read_samples(corpus, usable(corpus, split)) for split in ("train", "val"))
    with RunLog(tmp_path / "resumed" / "level1") as log:
        # stopped at 40 of 60 steps: the rate follows the whole run's length, so only the loop ends early
        run_loop(Trainer(LevelTask(one_level, 1, train, val)), tmp_path / "resumed" / "level1", replace(TINY.run, steps=40),
                 log=log)
    train_syncers(corpus, tmp_path / "resumed", one_level)
    straight, resumed = (load_checkpoint(tmp_path / name / "level1")["trainee"]["model"]
                         for name in ("straight", "resumed"))
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)


def test_material_is_seeded_and_alignment_undoes_a_shift():
    sample = made_up_sample(61, seed=3)
    for k in (-5, 0, 4):
        back = aligned(shifted(sample, k), k)
        low = abs(k)
        torch.testing.assert_close(back.flat, sample.flat[low : 61 - low])
        torch.testing.assert_close(back.rows, sample.rows[4 * low : 4 * (61 - low)])
    settings = MaterialSettings(copies=2, stretch=0.1, identity=0.01)
    one, other = (build_material([sample], TINY.syncer.channels, level=2, settings=settings,
                                 generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one.motion, other.motion) and len(one.windows) == 2
    drawn = augmented(sample, settings, level=1, generator=torch.Generator().manual_seed(5))
    assert len(drawn.rows) == 4 * len(drawn.flat)
    batch = draw_batch(one, clips=7, windows=5, generator=torch.Generator().manual_seed(5))
    assert batch.motion.shape[1:] == (5, one.motion.shape[1]) and batch.audio.shape[1] == 20


def test_the_command_trains_from_a_folder_and_refuses_in_one_line(corpus, tmp_path, capsys):
    call = ["--data", str(corpus.folder), "--out", str(tmp_path / "run"), "--config", "tiny", "run.steps=7", "levels=2"]
    assert main(["train", "syncers", *call]) == 0
    assert "level 2" in capsys.readouterr().out and (tmp_path / "run" / "syncers.safetensors").is_file()
    for wrong, words in ((["--data", str(tmp_path), "--out", "x"], "is no corpus"),
                         ([*call, "run.step=3"], "run.step"), ([*call, "family=metric"], "syncer.normalised=")):
        assert main(["train", "syncers", *wrong]) == 2
        said = capsys.readouterr().err.strip()
        assert words in said and "\n" not in said


def test_foreign_weights_are_refused(tmp_path, trained):
    save_weights(tmp_path / "other.safetensors", {"a": torch.ones(3)}, config={"width": 7})
    with pytest.raises(ValueError, match="holds no syncers"):
        load_syncers(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"no syncer weights absent\.safetensors; train some"):
        load_syncers("absent.safetensors")
    whole = trained.weights.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut\.safetensors"):
        load_syncers(tmp_path / "cut.safetensors")


def test_figures_are_summarised_with_their_interval():
    found = summarise([1.0, 2.0, 3.0, 4.0])
    assert found.count == 4 and found.mean == 2.5 and found.deviation == pytest.approx(1.291, abs=1e-3)
    assert found.low < 2.5 < found.high and summarise([3.0]).deviation == 0
    assert separation([2.0, 3.0], [1.0, 2.0]) == 0.875
    with pytest.raises(ValueError, match="nothing to summarise"):
        summarise([])
