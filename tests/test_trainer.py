"""The trainer: one schedule, an average with a warm-up, weights applied once, and the task of the documents."""

import copy
import math
import re
from pathlib import Path

import pytest
import torch

from headsync.experiment import StepLosses, Trainer, batch_generator, load_checkpoint, load_weights, lr_share, train_task
from headsync.experiment.schedule import exponential_average
from headsync.experiment.seeds import mixed_seed
from headsync.experiment.trainer import moved
from tests.loop_trainee import Line, Regression, train
from tests.run_settings import run_settings

DOCUMENT = Path(__file__).parents[1] / "docs" / "training.md"


def test_the_learning_rate_rises_holds_and_falls_by_half_a_cosine():
    run = run_settings(steps=100, warm_up=10, hold=0.5, last_share=0.2)
    assert [lr_share(step, run) for step in (0, 4, 9, 10, 50)] == pytest.approx([0.1, 0.5, 1, 1, 1])
    assert [lr_share(step, run) for step in (75, 100, 130)] == pytest.approx([0.6, 0.2, 0.2])
    quarter = 0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2
    assert lr_share(62, run_settings(steps=99, hold=0.5, last_share=0.2)) == pytest.approx(quarter, abs=0.01)


def test_the_warm_up_multiplies_the_cosine_and_a_share_of_one_is_constant():
    run = run_settings(steps=8, warm_up=4, hold=0.0, last_share=0.0)
    assert lr_share(2, run) == pytest.approx(0.75 * (1 + math.cos(math.pi / 4)) / 2)
    assert {lr_share(step, run_settings(steps=8)) for step in range(9)} == {1.0}


def test_the_optimiser_takes_the_rate_of_its_step():
    trainer = Regression(steps=8, lr=0.01, warm_up=4, last_share=0.5)
    for step in range(8):
        trainer.step()
        assert [group["lr"] for group in trainer.optimiser.param_groups] == [0.01 * lr_share(step, trainer.run)]


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_settles_before_it_decays(decay):
    """After step n it keeps min(decay, n / (n + 10)) of itself, buffers too; counters are copied."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5))
    average = exponential_average(model, decay)
    expected = {name: value.double() for name, value in model.state_dict().items()}
    for step in range(1, 31):
        model(torch.randn(7, 3))
        with torch.no_grad():
            for one in model.parameters():
                one.add_(torch.randn_like(one))
        average.update_parameters(model)
        share = min(decay, step / (step + 10))
        for name, value in model.state_dict().items():
            expected[name] = share * expected[name] + (1 - share) * value if value.is_floating_point() else value
        for name, value in average.module.state_dict().items():
            torch.testing.assert_close(value.double(), expected[name].double(), atol=1e-5, rtol=1e-4)
    assert not average.module.training and not any(one.requires_grad for one in average.parameters())


def test_what_is_validated_and_kept_is_the_average():
    trainer, seen = Regression(ema_decay=0.9), []
    trainer.task.metrics = lambda model, *, step: seen.append(model) or {"loss": float(step)}
    for _ in range(3):
        trainer.step()
    assert trainer.validate() == {"loss": 3.0} and seen == [trainer.average.module]
    kept = trainer.kept(trainer.state())
    assert all(torch.equal(one, other) for one, other in zip(kept.parameters(), trainer.average.module.parameters()))
    assert any(not torch.equal(one, other) for one, other in zip(kept.parameters(), trainer.model.parameters()))


def test_a_run_hands_over_the_best_weights_not_the_last(tmp_path):
    task, seen = Line(run_settings(steps=6, validate_every=2, checkpoint_every=2, ema_decay=0.5)), {}

    def metrics(model, *, step):
        seen[step] = copy.deepcopy(model).state_dict()
        return {"loss": {2: 2.0, 4: 1.0, 6: 3.0}[step]}

    task.metrics = metrics
    report = train_task(task, tmp_path)
    tensors = load_weights(report.weights).tensors
    assert report.loop == (6, 1.0, False) and not torch.equal(seen[4]["0.weight"], seen[6]["0.weight"])
    assert all(torch.equal(value, seen[4][name]) for name, value in tensors.items())


def test_weights_are_applied_once_and_name_what_is_computed():
    told = Regression().step()
    assert told["total"] == pytest.approx(told["square"] + 0.1 * told["told"], rel=1e-5)
    assert {"told_discriminator", "told_fake", "told_real", "discriminator_gradient", "gradient_norm"} < set(told)
    trainer = Regression()
    trainer.task.weights = lambda step: {"square": 1.0}
    assert "told" not in trainer.step()
    trainer.task.weights = lambda step: {"square": 1.0, "other": 1.0}
    with pytest.raises(ValueError, match="must name the same terms"):
        trainer.step()


def test_gradients_are_cut_to_the_largest_norm():
    trainer = Regression(clip=0.01)
    told = trainer.step()
    kept = torch.stack([one.grad.norm() for one in trainer.parameters if one.grad is not None]).norm()
    assert told["gradient_norm"] > 0.1 and kept.item() == pytest.approx(0.01, rel=1e-3)


def test_the_discriminator_is_told_its_condition():
    """What it sees beside both sides reaches it: other conditions, other scores."""
    trainer = Regression()
    x, y = trainer.task.batch(0)
    own, other = (trainer.adversary.loss(y, y, given)["told"] for given in (x, -x))
    assert own != other


def test_batches_depend_on_seed_and_step_alone():
    tasks = [Line(run_settings(seed=seed)) for seed in (3, 3, 4)]
    drawn = [[task.batch(step)[0] for step in (0, 1)] for task in tasks]
    assert torch.equal(drawn[0][0], drawn[1][0]) and not torch.equal(drawn[0][0], drawn[0][1])
    assert not torch.equal(drawn[0][0], drawn[2][0])
    assert len({mixed_seed(0, seed, step) for seed in (-1, 0, 1, 2**31 - 1) for step in range(100)}) == 400
    large = [torch.rand(3, generator=batch_generator(2**31 - seed, 5)) for seed in (1, 2)]
    assert not torch.equal(*large)      # torch would use the low 32 bits of seed << 32


def test_going_on_with_other_workers_and_validations_changes_nothing(tmp_path):
    straight, _ = train(tmp_path / "straight", 9, validate_every=0)
    train(tmp_path / "halted", 4, validate_every=2)
    going, _ = train(tmp_path / "halted", 9, trainee=Regression(start=997, workers=1), validate_every=3)
    ours, theirs = (trainer.model.state_dict() for trainer in (straight, going))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert load_checkpoint(tmp_path / "halted")["trainee"]["steps"] == 9


def test_batches_are_moved_with_their_tuples():
    found = moved((StepLosses({"a": 1}), [torch.zeros(2), "x"], 3), "meta")
    assert isinstance(found[0], StepLosses) and found[1][0].device.type == "meta" and found[1][1:] == ["x"] and found[2] == 3


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_losses_are_computed_in_the_named_precision(precision):
    trainer = Trainer(Line(run_settings(precision=precision)))
    seen, losses = [], trainer.task.losses
    trainer.task.losses = lambda batch, wanted: seen.append(trainer.model(batch[0]).dtype) or losses(batch, wanted)
    trainer.step()
    assert seen == [torch.bfloat16 if precision == "bf16" else torch.float32]


def test_the_task_of_the_documents_learns(tmp_path, monkeypatch, capsys):
    code, preset = (re.search(rf"```{kind}\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL).group(1)
                    for kind in ("python", "yaml"))
    (tmp_path / "configs" / "sine").mkdir(parents=True)
    (tmp_path / "configs" / "sine" / "base.yaml").write_text(preset)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/training.md", "exec"), {"__name__": "sine"})
    told = capsys.readouterr().out
    best = float(re.search(r"val rms ([\d.]+), 400 steps", told).group(1))
    assert best < 0.15        # 0.7 before training, 0.05 here
    assert load_weights(tmp_path / "runs" / "sine" / "sine.safetensors").config == {"sine": {"width": 32}}
