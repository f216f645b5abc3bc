"""The expression learner: it takes seven frames of audio and no more, streams equal the whole, noise is added, heads hold."""

import json

import numpy as np
import pytest
import torch

from headsync.commands.program import main
from headsync.experiment import Trainer, load_checkpoint, load_config
from headsync.landmarks import RIGID17, canonical_face, rotation_matrix
from landmark_stage import generate_expression, load_expression, start_face, stream_expression
from landmark_stage.expression.data import (
    ExpressionClip,
    ExpressionMaterialSettings,
    draw_expressions,
    measure,
    mirrored,
    with_noise,
)
from landmark_stage.expression.faces import face_at_rest, frontal_faces, mouth_opening
from landmark_stage.expression.generate import ExpressionStream
from landmark_stage.expression.network import COMPONENTS, Expression, ExpressionSettings, padded
from landmark_stage.expression.train import ExpressionTask, ExpressionTrainSettings, mouth_error, predicted_faces
from tests.talking import made_up_people, made_up_sample, write_corpus

SMALL = dict(channels=(7, 11), hidden=13, shapes=3)


def clips(count=5, frames=61, seed=0):
    made = []
    for number in range(count):
        sample = made_up_sample(frames, seed=seed + number)
        faces = frontal_faces(256 * sample.flat.unflatten(1, (68, 3)).numpy())
        made.append(ExpressionClip(f"clip{number}", f"person{number}", torch.from_numpy(faces),
                                   torch.from_numpy(face_at_rest(faces)), sample.rows))
    return made


def noisy(**settings):
    """A measured model with random weights, and batch norms that have seen something."""
    torch.manual_seed(1)
    model = Expression(ExpressionSettings(**(SMALL | settings)))
    if settings.get("sound", "rows") == "rows":
        measure(model, clips(7))
        model.train()(torch.randn(3, 4 * 17, 26), torch.randn(3, 3))
    return model.eval().requires_grad_(False)


def test_a_frame_takes_seven_frames_and_no_more():
    model = noisy().requires_grad_(True)
    sound = torch.randn(1, 4 * 37, 26, requires_grad=True)
    made = model(sound, torch.zeros(1, 3))
    assert made.shape == (1, 31, COMPONENTS)
    made[0, 11].sum().backward()
    touched = sound.grad[0].abs().sum(1).nonzero().flatten()
    assert touched.min() >= 44 and touched.max() < 72 and len(touched) > 14


def test_dropout_is_off_at_test_time_and_on_in_training():
    model, sound, shape = noisy(dropout=0.5), torch.randn(1, 4 * 17, 26), torch.zeros(1, 3)
    assert torch.equal(model(sound, shape), model(sound, shape))
    model.train()
    assert not torch.equal(model(sound, shape), model(sound, shape))


def test_what_is_shown_moves_farther_than_what_is_expected():
    model, sound, shape = noisy(), torch.randn(2, 4 * 17, 26), torch.randn(2, 3)
    expected, shown = model.faces(model(sound, shape)), model.spoken(sound, shape)
    torch.testing.assert_close(shown - shown.mean(1, keepdim=True), 1.3 * (expected - expected.mean(1, keepdim=True)),
                               atol=1e-3, rtol=1e-3)


def test_components_are_orthonormal_and_give_faces_back():
    people, model = clips(9), noisy()
    measure(model, people)
    torch.testing.assert_close(model.basis @ model.basis.T, torch.eye(COMPONENTS), atol=1e-4, rtol=0)
    codes = torch.randn(5, COMPONENTS)
    torch.testing.assert_close(model.components(model.faces(codes)), codes, atol=1e-2, rtol=1e-2)
    faces = torch.cat([one.faces - one.rest for one in people])
    left = (model.faces(model.components(faces)) - faces).square().sum() / (faces - faces.mean(0)).square().sum()
    assert left < 0.2
    assert model.components(faces).std(0)[:5].sub(1).abs().max() < 0.05


def test_faces_at_rest_have_their_mouths_closed():
    faces = clips(1)[0].faces.numpy()
    assert mouth_opening(face_at_rest(faces)[None])[0] <= np.percentile(mouth_opening(faces), 10)


def test_frontal_faces_lose_the_head():
    sample = made_up_sample(41, seed=3)
    points = 256 * sample.flat.unflatten(1, (68, 3)).numpy()
    turned = (1.3 * points @ rotation_matrix([0.2, 0.3, -0.1]).T + [11, 7, 5]).astype(np.float32)
    np.testing.assert_allclose(frontal_faces(turned), frontal_faces(points), atol=0.02)


def test_a_mirror_twice_is_the_face():
    faces = clips(1)[0].faces
    torch.testing.assert_close(mirrored(mirrored(faces)), faces)
    face = torch.from_numpy(canonical_face()).flatten()
    assert (mirrored(face) - face).abs().max() < 0.01


@pytest.mark.parametrize("decibels", [6, 18, 30])
def test_noise_is_as_loud_as_it_says(decibels):
    random = torch.Generator().manual_seed(1)
    wave, noise = torch.randn(16000, generator=random), torch.randn(7000, generator=random)
    added = with_noise(wave, noise, decibels) - wave
    found = 10 * torch.log10(wave.square().mean() / added.square().mean())
    assert abs(float(found) - decibels) < 0.1 and not torch.equal(added[:7000], torch.zeros(7000))
    rows, other = -8 + torch.randn(97, 26, generator=random), -3 + torch.randn(31, 26, generator=random)
    power = with_noise(rows, other, decibels).exp() - rows.exp()
    found = 10 * torch.log10(rows.exp().sum(1).mean() / power.sum(1).mean())
    assert abs(float(found) - decibels) < 0.6 and (power >= 0).all()


def test_stretches_are_of_one_clip_and_take_their_own_frames():
    people, model = clips(4), noisy()
    material = ExpressionMaterialSettings(frames=13, noisy=0.0, loudness=0.0, any_rest=0.0, flip=0.0)
    batch = draw_expressions(people, 7, model, settings=material, generator=torch.Generator().manual_seed(1))
    assert batch.sound.shape == (7, 4 * 19, 26) and batch.real.shape == (7, 13, 204)
    for sound, real in zip(batch.sound, batch.real):
        found = [(one, begin) for one in people for begin in range(61 - 12)
                 if torch.equal(one.faces[begin : begin + 13] - one.rest, real)]
        (one, begin), = found
        torch.testing.assert_close(sound[12 : 12 + 4 * 13], model.standard_sound(one.sound)[4 * begin : 4 * (begin + 13)])
    with pytest.raises(ValueError, match="no clip has the 99 frames"):
        draw_expressions(people, 1, model, settings=ExpressionMaterialSettings(frames=99), generator=torch.Generator())


def test_predictions_are_about_the_persons_own_face():
    model, one = noisy(), clips(1)[0]
    plain = predicted_faces(model, one)
    wide = predicted_faces(model, one, one.rest + 3 * torch.eye(204)[0])
    assert plain.shape == one.faces.shape and mouth_error(plain, plain) == 0
    assert abs(float((wide - plain)[:, 0].mean()) - 3) < 1.5


def test_validation_tells_the_mouths_error_and_how_much_moves():
    """Of a learner that says nothing: its mouths are those at rest, with the usual expression, and do not move."""
    model, val = noisy(), clips(2, seed=9)
    with torch.no_grad():
        for numbers in model.out.parameters():
            numbers.zero_()
    settings = load_config(ExpressionTrainSettings, stage="expression", preset="tiny")
    told = ExpressionTask(settings, clips(), val).metrics(model, step=0)
    mouths = [(one.rest + model.middle - one.faces).unflatten(1, (68, 3))[:, 48:, :2].norm(dim=-1).mean() for one in val]
    assert told["lmd"] == pytest.approx(float(sum(mouths) / 2), rel=1e-4) and told["spread"] == pytest.approx(0, abs=1e-5)
    assert told["deviation"] < 0.1 and {"closed", "closed_real", "crossed"} <= {*told}


def sound_like(kind, frames):
    """Audio features, as clips have them."""
    return {"wave": lambda: torch.randn(640 * frames), "rows": lambda: -8 + torch.randn(4 * frames, 26),
            "whisper": lambda: torch.randn(2 * frames, 384)}[kind]()


@pytest.mark.parametrize("sound, size", [("rows", 1), ("rows", 7), ("wave", 5), ("whisper", 3)])
def test_streamed_equals_whole(sound, size):
    settings = dict(sound="wave", channels=(3, 3, 3), kernel=21) if sound == "wave" else dict(sound=sound)
    model = noisy(**settings)
    stream = sound_like(sound, 43)
    rest, per_frame = torch.from_numpy(canonical_face()).flatten(), model.per_frame

    def made(step):
        one = ExpressionStream(model, rest)
        pieces = (stream[per_frame * k : per_frame * (k + step)] for k in range(0, 43, step))
        return torch.cat([*map(one.push, pieces), one.finish()])

    whole = model.spoken(padded(model.standard_sound(stream)[None], model), model.shape_code(rest[None]))[0]
    torch.testing.assert_close(made(43), whole, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(made(size), whole, atol=1e-3, rtol=1e-4)


def test_a_face_speaks_and_its_head_stands_still():
    waveform = np.random.default_rng(1).standard_normal(640 * 53 + 7).astype(np.float32) * 0.1
    start = start_face()
    start = start.replace(points=(1.4 * start.points @ rotation_matrix([0.1, 0.3, 0.0]).T).astype(np.float32))
    made = generate_expression(waveform, start, model=noisy())
    assert len(made) == 54 and np.array_equal(made.points[0], start.points[0])
    moved = np.abs(made.points - start.points[0])
    mouth, rigid = moved[:, 48:].max(), moved[:, list(RIGID17)].max()
    assert mouth > 1 > rigid
    blocks = np.concatenate(list(stream_expression(waveform, start, model=noisy(), block_frames=7)))
    np.testing.assert_allclose(blocks, made.points, atol=1e-3)



def test_resumed_equals_straight_and_weights_load(tmp_path):
    people = {"train": made_up_people(5, 61), "val": made_up_people(2, 61, seed=7)}
    corpus = write_corpus(tmp_path / "corpus", people)
    argv = ["--data", str(corpus.folder), "--config", "tiny"]
    assert main(["train", "expression", "--out", str(tmp_path / "straight"), *argv]) == 0
    straight = load_checkpoint(tmp_path / "straight")["trainee"]
    (tmp_path / "straight/step-000000006.ckpt").unlink()        # as if it had been stopped after step 4
    assert load_checkpoint(tmp_path / "straight")["step"] == 4
    assert main(["train", "expression", "--out", str(tmp_path / "straight"), *argv]) == 0
    again = load_checkpoint(tmp_path / "straight")["trainee"]
    assert again["steps"] == 6 and all(torch.equal(value, again["model"][name]) for name, value in straight["model"].items())
    lines = [json.loads(line) for line in (tmp_path / "straight/log.jsonl").read_text().splitlines()]
    assert {"lmd", "spread"} <= set([line for line in lines if line["kind"] == "validate"][-1])
    assert len(generate_expression(np.zeros(6400, np.float32), model=load_expression(
        tmp_path / "straight/expression.safetensors"))) == 10
    with pytest.raises(ValueError, match="no expression weights none"):
        load_expression("none")


@pytest.mark.parametrize("preset, least, most", [("small", 5e4, 2e5), ("base", 3e5, 2e6), ("paper", 2e6, 2e7)])
def test_every_size_takes_a_step(preset, least, most):
    overrides = ["run.batch=2", "material.frames=2"]
    settings = load_config(ExpressionTrainSettings, stage="expression", preset=preset, overrides=overrides)
    people = clips(4)
    people = [one._replace(sound=sound_like(settings.model.sound, 61)) for one in people]
    training = Trainer(ExpressionTask(settings, people, []))
    assert least < sum(one.numel() for one in training.model.parameters()) < most
    assert all(np.isfinite(value) for value in training.step().values())


def test_wrong_settings_are_one_line():
    with pytest.raises(ValueError, match="leave nothing of a window"):
        Expression(ExpressionSettings(sound="wave", kernel=21, channels=(1,) * 9))
    with pytest.raises(ValueError, match="one above it"):
        load_config(ExpressionTrainSettings, stage="expression", preset="tiny",
                    overrides=["weights.components=0", "weights.mouth=0", "weights.velocity=0"])
