"""PC-AVS from a corpus to a video: material as promised, stages, exact resume, frames that do not depend on cuts, commands."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch

from headsync.commands.program import main
from headsync.corpus import open_corpus
from headsync.corpus.corpus import Clip, write_table
from headsync.experiment import Trainer, load_config, load_weights
from headsync.landmarks import MIRROR, LandmarkSequence
from headsync.media import open_sound, read_audio, read_frames
from headsync.media.decibels import decibel_rows, root_mean_square, stream_decibels
from render_stage import Drive, held_motion, load_renderer, read_references, render_video
from render_stage.driving import sound_parts
from render_stage.pc_avs.augment import (
    Change,
    clip_change,
    colour_table,
    mouth_box,
    mouth_swapped,
    placed_points,
    sample_change,
    shown,
)
from render_stage.pc_avs.material import DrawnBatches, draw_sample, read_material
from render_stage.pc_avs.network import PcAvs
from render_stage.pc_avs.objective import ADVERSARIAL_TERMS
from render_stage.pc_avs.pose_map import fit_pose_map, pose_pairs
from render_stage.pc_avs.renderer import PcAvsRenderer, load_pc_avs
from render_stage.pc_avs.train import PcAvsTask, PcAvsTrainSettings, train_pc_avs
from render_stage.pc_avs.validate import retrieval
from render_stage.pc_avs.weights import save_pc_avs_network
from render_stage.pose_source import LOOP_FRAMES, PoseSource, repeated, to_and_fro
from render_stage.retiming import shown_at
from tests.face_files import PORTRAIT, shaking, write_tone, write_video
from tests.moving_faces import moved_face, write_moving_corpus

PLAIN = Change(np.eye(3), colour_table(np.ones(4)), 0.0)


def settings_with(*overrides: str) -> PcAvsTrainSettings:
    return load_config(PcAvsTrainSettings, stage="pc_avs", preset="tiny", overrides=["run.precision=fp32", *overrides])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two train people and a val one, moving; the second train person is silent."""
    made = write_moving_corpus(tmp_path_factory.mktemp("corpus") / "faces")
    (made.folder / "audio").mkdir()
    clips = [clip._replace(has_audio=number != 1, sync="corrected") for number, clip in enumerate(made.clips)]
    for number, clip in enumerate(clips):
        if clip.has_audio:
            write_tone(made.audio_path(clip), clip.frames, seed=number)
    write_table(made.folder / "manifest.csv", Clip, clips)
    return open_corpus(made.folder)


@pytest.fixture(scope="module")
def clips(corpus):
    settings = settings_with()
    return read_material(corpus, "train", settings.material, settings.network)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    return PcAvs(settings_with().network).eval()


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    return save_pc_avs_network(tmp_path_factory.mktemp("weights") / "pc_avs.safetensors", network)


def test_decibels_are_the_same_however_a_sound_is_cut():
    samples = read_audio(PORTRAIT.parent / "speech.flac")[: 640 * 37 - 101]
    whole = decibel_rows(samples)
    assert whole.shape == (4 * 37, 80) and 0 <= whole.min() and 0.5 < whole.max() <= 1
    pieces = np.split(samples, [7, 1300, 9001])
    cut = np.concatenate([*stream_decibels(pieces, root_mean_square(pieces), len(samples))])
    assert np.abs(whole - cut).max() < 1e-5 and np.allclose(decibel_rows(0.01 * samples), whole, atol=1e-3)
    assert (decibel_rows(np.zeros(6400, np.float32)) == 0).all()


@pytest.mark.parametrize("hertz", [200, 1000, 4000])
def test_a_tone_lies_in_its_band(hertz):
    rows = decibel_rows(np.sin(2 * np.pi * hertz * np.arange(16000) / 16000))
    centres = 700 * (10 ** (np.linspace(2595 * np.log10(1 + 125 / 700), 2595 * np.log10(1 + 7600 / 700), 82)[1:-1] / 2595) - 1)
    assert abs(rows[50].argmax() - np.abs(centres - hertz).argmin()) <= 1


def test_a_change_of_nothing_is_the_picture_and_points_go_with_pictures():
    face = moved_face((3, -5))
    assert np.abs(shown(face.picture, 256, PLAIN).astype(int) - face.picture).mean() < 1
    random = np.random.default_rng(11)
    settings = settings_with().material.change
    alike, beside = sample_change(settings, random), clip_change(settings, random)._replace(table=PLAIN.table, blur=0.0)
    marked = np.zeros((256, 256, 3), np.uint8)
    x, y = (int(one) for one in face.points[30, :2])
    marked[y - 3 : y + 4, x - 3 : x + 4] = 255
    seen = shown(marked, 128, alike, beside)[..., 0].astype(float)
    found = [(seen.sum(axis) * (np.arange(128) + 0.5)).sum() / seen.sum() for axis in (0, 1)]
    wanted = placed_points(np.array([[x + 0.5, y + 0.5]]), alike, beside)[0] * 128
    assert np.abs(np.array(found) - wanted).max() < 0.7


def test_only_the_mouth_is_swapped():
    face, other = moved_face((0, 0)), moved_face((20, 10), tint=1)
    made = mouth_swapped(face.picture, face.points, other.picture, other.points)
    left, top, width, height = (int(one) for one in mouth_box(face.points))
    changed = np.abs(made.astype(int) - face.picture).sum(2) > 0
    inside = np.zeros_like(changed)
    inside[max(top, 0) : top + height + 2, max(left, 0) : left + width + 2] = True
    assert changed[inside].mean() > 0.3 and not changed[~inside].any()
    same = mouth_swapped(face.picture, face.points, moved_face((20, 10)).picture, other.points)
    assert np.abs(same.astype(int) - face.picture).mean() < 1      # the same mouth, put where it was


def test_samples_hold_what_they_promise(clips):
    settings = settings_with()
    sample = draw_sample(clips[0], 4, settings.material, settings.network, np.random.default_rng(1))
    assert sample.identity.shape == (1, 3, 32, 32) and sample.target.shape == sample.posed.shape == (1, 3, 32, 32)
    assert sample.seen.shape == (4, 3, 32, 32) and sample.sound.shape == (4, 10, 384) and bool(sample.with_sound)
    silent = draw_sample(clips[1], 4, settings.material, settings.network, np.random.default_rng(1))
    assert not bool(silent.with_sound) and not silent.sound.any()
    assert 0 < float(sample.target_points.mean()) < 1 and sample.seen_points.shape == (4, 68, 2)


def test_targets_are_the_first_of_the_frames_seen(clips):
    """Without the change that only the non-identity encoder sees, both are one picture."""
    settings = settings_with(*(f"material.change.{one}=0" for one in ("aspect", "perspective", "blurred", "mouth_swapped")),
                             "material.change.gains=[1,1]", "material.targets=2")
    sample = draw_sample(clips[0], 3, settings.material, settings.network, np.random.default_rng(2))
    for part in (sample.seen[:2], sample.posed):
        assert torch.nn.functional.l1_loss(part, sample.target) < 0.05 < sample.target.std()
    assert torch.allclose(sample.seen_points[:2], sample.target_points, atol=1e-5)


def test_a_frame_has_its_own_sound(corpus, clips):
    settings = settings_with()
    clip = clips[0]
    late = corpus.clips[0]._replace(av_offset=1)
    moved = read_material(replace_clip(corpus, late), "train", settings.material, settings.network)[0]
    assert len(clip.rows) == len(moved.rows) == 2 * (late.frames + 4)
    assert np.array_equal(clip.rows[2 + 4 : -10], moved.rows[4:-12])


def replace_clip(corpus, clip):
    return corpus._replace(clips=tuple(clip if one.clip == clip.clip else one for one in corpus.clips))


def test_batches_are_drawn_by_their_numbers(clips):
    settings = settings_with()
    draw = DrawnBatches(clips, settings.material, settings.network, batch=3, seed=7, joint_from=2)
    again = DrawnBatches(clips, settings.material, settings.network, batch=3, seed=7, joint_from=2)
    assert all(torch.equal(one, other) for one, other in zip(draw(5), again(5)))
    assert not torch.equal(draw(5).target, draw(6).target)
    assert draw(1).seen.shape[1] == 4 and draw(2).seen.shape[1] == 2      # the stages' own lengths


def test_mirrored_samples_have_mirrored_landmarks(clips):
    settings = settings_with("material.change.zoom=[1,1]", "material.change.shift=0")
    found = [draw_sample(clips[0], 2, settings.material, settings.network, np.random.default_rng(seed)) for seed in range(8)]
    noses = [float(one.target_points[0, 0, 0] - one.target_points[0, 16, 0]) for one in found]
    assert all(one < 0 for one in noses)          # right cheek, on the left of the picture, first: mirrored or not
    assert (MIRROR[0], MIRROR[16]) == (16, 0)


def test_the_stages_follow_one_another(clips):
    task = PcAvsTask(settings_with("content_from=3", "joint_from=5", "adversarial_from=9"), clips, None)
    assert set(task.weights(2)) == {"identity", "landmarks"} and set(task.weights(4)) == {"content", "landmarks"}
    joint, late = set(task.weights(8)), set(task.weights(9))
    assert {"reconstruction", "perceptual", "content", "identity"} <= joint and late - joint == set(ADVERSARIAL_TERMS)


def test_training_resumes_exactly_and_its_weights_draw(corpus, tmp_path, monkeypatch):
    straight = train_pc_avs(corpus, tmp_path / "straight", settings_with())
    step = Trainer.step

    def interrupted(trainer):
        if trainer.steps == 3:
            raise KeyboardInterrupt
        return step(trainer)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "step", interrupted)
        train_pc_avs(corpus, tmp_path / "stopped", settings_with())
    resumed = train_pc_avs(corpus, tmp_path / "stopped", settings_with())
    one, other = (load_weights(report.weights).tensors for report in (straight, resumed))
    assert straight.loop.step == 4 and all(torch.equal(one[name], other[name]) for name in one)
    assert np.isfinite(straight.loop.best) and list((tmp_path / "straight" / "sheets").iterdir())
    assert isinstance(load_renderer(straight.weights, device="cpu"), PcAvsRenderer)


def test_every_variant_takes_a_step(corpus, clips):
    settings = settings_with("network.generator.modulation=adain", "network.pose=36", "network.sound=mel", "contrast.window=4",
                             "contrast.similarity=reciprocal", "content_from=0", "joint_from=0", "adversarial_from=0",
                             "run.batch=6")
    spoken = read_material(corpus, "train", settings.material, settings.network)
    trainer = Trainer(PcAvsTask(settings, spoken, None))
    before = trainer.model.sound.code.weight.detach().clone()
    found = trainer.step()
    assert np.isfinite(found["total"]) and found["adversarial"]
    assert not torch.equal(before, trainer.model.sound.code.weight)
    assert spoken[0].rows.shape[1] == 80 and trainer.model.to_pose.out_features == 36


def test_a_map_of_poses_finds_what_is_linear(clips, network):
    class Linear(torch.nn.Module):
        settings = network.settings

        def __init__(self):
            super().__init__()
            self.pose_map = torch.nn.Linear(15, 12)

        def pose(self, pictures):
            return pictures.flatten(1) @ torch.ones(pictures[0].numel(), 12) / 1000

    stub = Linear()
    share = fit_pose_map(stub, [one.frames for one in clips], frames=90)
    assert share > 0.6        # brightness of a moving portrait follows where it is
    poses, codes = pose_pairs(stub, [one.frames for one in clips], frames=13, seed=1)
    assert poses.shape == (13, 6) and codes.shape == (13, 12)


def drive_of(renderer, frames, seed=0):
    random, settings = np.random.default_rng(seed), renderer.network.settings
    face = moved_face((0, 0))
    points = np.stack([moved_face((one, 0)).points for one in np.arange(frames + 4) % 5])
    rows = random.standard_normal((settings.rows_per_frame * (frames + 4), settings.sound_features)).astype(np.float32)
    pose = np.tile(random.standard_normal(6) * 0.1, (frames + 4, 1)) * np.linspace(0, 1, frames + 4)[:, None]
    source = np.stack([moved_face((2 * one, 0)).picture for one in np.arange(frames + 4) % 5])
    part = {renderer.sound_part: rows, "pose": pose, "source": source}
    return [face], Drive(points, **{name: part[name] for name in renderer.needs - {"points"}})


def cut(drive, start, stop, per_frame):
    parts = {name: part[start * per_frame.get(name, 1) : (stop + 4) * per_frame.get(name, 1)]
             for name, part in drive._asdict().items() if part is not None}
    return Drive(**parts)


@pytest.mark.parametrize("pose", ["landmarks", "video", "hold", "frontal"])
def test_frames_are_the_same_however_a_motion_is_cut(network, pose):
    renderer = PcAvsRenderer(network, pose=pose, precision="fp32")
    references, drive = drive_of(renderer, 7)
    identity = renderer.prepare(references)
    whole = renderer.frames(identity, drive)
    parts = [renderer.frames(identity, cut(drive, *ends, {"phonetics": 2})) for ends in ((0, 3), (3, 4), (4, 7))]
    assert whole.shape == (7, 256, 256, 3) and np.array_equal(whole, np.concatenate(parts))
    assert len({one.tobytes() for one in whole}) == 7             # the sound alone makes frames differ


def test_sources_of_poses_are_what_they_say(network):
    made = {}
    for pose in ("hold", "frontal", "landmarks", "video"):
        renderer = PcAvsRenderer(network, pose=pose, precision="fp32")
        references, drive = drive_of(renderer, 3)
        made[pose] = renderer._poses(renderer.prepare(references), drive, 3)
    assert not made["frontal"].any() and torch.equal(made["hold"][0], made["hold"][2]) and made["hold"].any()
    assert not torch.allclose(made["landmarks"][0], made["landmarks"][2]) and not torch.equal(*made["video"][:2])


def test_a_gain_moves_the_mouth_and_is_checked(network):
    pictures = []
    for gain in (1.0, 0.0, 1.2):
        renderer = PcAvsRenderer(network, pose="hold", mouth_gain=gain, precision="fp32")
        references, drive = drive_of(renderer, 2)
        pictures.append(renderer.frames(renderer.prepare(references), drive))
    assert np.array_equal(pictures[1][0], pictures[1][1]) and not np.array_equal(pictures[0], pictures[2])
    for wrong, words in (({"mouth_gain": -1.0}, "gain must be 0 to 3"), ({"pose": "down"}, "not from 'down'")):
        with pytest.raises(ValueError, match=words):
            PcAvsRenderer(network, **wrong)


def test_without_weights_it_says_how_to_get_some():
    with pytest.raises(ValueError, match="there are no PC-AVS weights pc_avs; train some with headsync train pc-avs"):
        load_pc_avs()


@pytest.mark.parametrize("length, frames", [(1, 5), (2, 7), (5, 23), (7, 3)])
def test_loops_show_no_jump(length, frames):
    order = list(to_and_fro(length, frames))
    assert len(order) == frames and order[0] == 0 and set(order) <= set(range(length))
    assert all(abs(one - other) <= 1 for one, other in pairwise(order))
    if frames > 2 * length:
        assert set(order) == set(range(length)) and order[2 * (length - 1)] == 0


@pytest.mark.parametrize("length, frames", [(11, 29), (11, 7)])
def test_a_looped_video_shows_the_frames_of_its_motion(tmp_path, length, frames):
    write_video(tmp_path / "head.mp4", shaking(length))
    points = np.zeros((length, 68, 3), np.float32) + np.arange(length, dtype=np.float32)[:, None, None]
    sequence = LandmarkSequence(points, np.ones(length, bool), 25.0, (256, 256), (0.0, 0.0, 256.0, 256.0))
    order = lambda: to_and_fro(length, frames)  # noqa: E731
    source = PoseSource(repeated(sequence, order, frames), tmp_path / "head.mp4", length, frames)
    shown_points = np.concatenate([*source.motion.blocks(5)])[:, 0, 0]
    canvases = [one[0].astype(int) for one in source.canvases()]
    real = list(read_frames(tmp_path / "head.mp4"))
    assert len(canvases) == frames == len(shown_points) and length < LOOP_FRAMES
    for number, canvas in zip(shown_points.astype(int), canvases):
        errors = [np.abs(canvas - one[:256, :256]).mean() if one.shape[:2] == (256, 256) else 0 for one in real]
        assert errors[number] <= min(errors) + 0.5


@pytest.mark.parametrize("rate, seen", [(25, range(6)), (30, [0, 0, 1, 2, 3, 4, 5, 5]), (20, [0, 1, 2, 3, 5])])
def test_pictures_are_shown_at_their_times(rate, seen):
    assert [int(one[0]) for one in shown_at(np.arange(6)[:, None], Fraction(rate))] == list(seen)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")
    write_tone(folder / "a.flac", 17)
    write_video(folder / "head.mp4", shaking(7))
    return folder


@pytest.mark.parametrize("pose", ["hold", "frontal", "VIDEO"])
def test_a_sound_and_a_pose_become_a_video_with_its_sound(material, weights, tmp_path, pose, capfd):
    out = tmp_path / "v.mp4"
    code = main(["render", "--renderer", "pc-avs", "--model", str(weights), "--refs", str(PORTRAIT), "--audio",
                 str(material / "a.flac"), "--pose", str(material / "head.mp4") if pose == "VIDEO" else pose,
                 "--out", str(out), "--device", "cpu"])
    assert code == 0, capfd.readouterr().err
    assert len(list(read_frames(out))) == 17 and open_sound(out).frames in (17, 18)


def test_landmarks_and_paste_back_go_through_the_contract(material, network, tmp_path):
    references = read_references(PORTRAIT)
    renderer = PcAvsRenderer(network, pose="landmarks")
    made = render_video(held_motion(references, 17), references, tmp_path / "v.mp4", audio=material / "a.flac",
                        renderer=renderer, paste_back=True)
    assert made.frames == 17 and not made.carried
    with pytest.raises(ValueError, match="this renderer reads the sound; give audio"):
        render_video(held_motion(references, 17), references, tmp_path / "w.mp4", renderer=renderer)
    assert not (tmp_path / "w.mp4").exists()


def test_a_sound_gives_only_the_parts_that_are_read(material):
    sound = open_sound(material / "a.flac")
    parts = sound_parts(sound, {"phonetics", "decibels", "pose"})
    assert set(parts) == {"phonetics", "decibels"}
    assert len(np.concatenate([*parts["phonetics"]])) == 2 * 17 and len(np.concatenate([*parts["decibels"]])) == 4 * 17


@pytest.mark.parametrize("asked, words", [
    (["--pose", "hold"], "--pose is for --renderer pc-avs"),
    (["--mouth-gain", "1.2", "--landmarks", "s.npz"], "--mouth-gain is for --renderer pc-avs"),
    (["--renderer", "pc-avs", "--pose", "hold"], "has no weights of its own"),
    (["--renderer", "pc-avs", "--model", "W"], "give --landmarks S.npz, or with --renderer pc-avs --pose"),
    (["--renderer", "pc-avs", "--model", "W", "--pose", "hold", "--landmarks", "s.npz"], "one of them"),
    (["--renderer", "pc-avs", "--model", "W", "--pose", "nowhere.mp4"], "nowhere.mp4"),
    (["--renderer", "pc-avs", "--model", "W", "--pose", "hold", "--mouth-gain", "9"], "gain must be 0 to 3"),
])
def test_what_cannot_be_is_one_line(material, weights, tmp_path, capfd, asked, words):
    asked = [str(weights) if one == "W" else one for one in asked]
    code = main(["render", *asked, "--refs", str(PORTRAIT), "--audio", str(material / "a.flac"), "--out",
                 str(tmp_path / "v.mp4")])
    told = capfd.readouterr().err
    assert code == 2 and words in told and "Traceback" not in told and not list(tmp_path.iterdir())


def test_a_sound_finds_its_own_lips():
    codes = torch.eye(5)
    assert retrieval(codes, codes) == 1 and retrieval(codes, codes.roll(1, 0)) == 0
    assert np.isnan(retrieval(codes[:0], codes[:0]))


def test_weights_begin_another_training_of_their_form_only(clips, weights):
    task = PcAvsTask(settings_with(f"begin_with={weights}"), clips, None)
    task.build()
    other = replace(task.settings, network=replace(task.settings.network, pose=5))
    with pytest.raises(ValueError, match="have another form"):
        PcAvsTask(other, clips, None).build()
