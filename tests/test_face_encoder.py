"""The face encoders: what they see, what they are taught, and that training goes on as if it had never stopped."""

import copy
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from headsync.commands.program import main
from headsync.corpus import Clip, of_half, open_corpus, pooled_codes
from headsync.corpus.corpus import write_table
from headsync.experiment import Trainer, load_config, load_weights, read_log, save_weights
from headsync.landmarks import GROUPS, LandmarkSequence, canonical_face, head_pose
from headsync.media import VideoWriter
from headsync.metrics.verification import pair_cosines, verify
from render_stage.identity import training
from render_stage.identity.data import (
    NOBODY,
    AugmentationSettings,
    Faces,
    canvas_error,
    draw_batch,
    plain_batch,
    read_faces,
    unseen_clips,
)
from render_stage.identity.face_encoder import (
    ENCODER_WEIGHTS,
    FaceEmbedder,
    FaceEncoder,
    FaceEncoderSettings,
    as_pictures,
    load_face_encoder,
    seen_picture,
    view_matrix,
)
from render_stage.identity.training import (
    Answers,
    EncoderTask,
    EncoderTrainSettings,
    encoder_figures,
    identity_loss,
    save_encoder,
    train_encoder,
)
from render_stage.nn.perceptual import PerceptualLoss

TINY = load_config(EncoderTrainSettings, stage="encoder", preset="tiny")
FACE = FaceEncoderSettings(view="face", side_px=53, width=3, embedding=7)
STILL = AugmentationSettings(zoom=(1.0, 1.0), shift=0.0, turn_degrees=0.0, colours=0.0, noise=0.0, spoiled=0.0)
SIDE = 64


def seeded(number=1):
    return torch.Generator().manual_seed(number)


def marked_canvas(points, side=SIDE):
    """A black canvas with a white dot at each eye's and the mouth's centre, for landmarks in units of 256."""
    picture = np.zeros((side, side, 3), np.uint8)
    for name in ("right_eye", "left_eye", "mouth"):
        x, y = points[list(GROUPS[name]), :2].mean(0) * side / 256 - 0.5
        cv2.circle(picture, (round(16 * x), round(16 * y)), 16 * side // 40, (255, 255, 255), -1, cv2.LINE_AA, shift=4)
    return picture


def made_up_faces(people=4, frames=6, seed=0, unknown=2):
    """Flat faces whose colours tell who they are; the last `unknown` clips are of nobody known."""
    random = np.random.default_rng(seed)
    clip = np.repeat(np.arange(people), frames)
    points = canonical_face()[None] + random.normal(0, 3, (len(clip), 1, 3)) * (1, 1, 0)
    colours = random.integers(40, 215, (people, 3))
    canvases = [np.where(marked_canvas(one), 255, colours[number]).astype(np.uint8) for one, number in zip(points, clip)]
    stores = [SimpleNamespace(picture=lambda index, start=number * frames: canvases[start + index]) for number in range(people)]
    person = np.where(clip < people - unknown, clip, NOBODY)
    return Faces(stores, clip, np.tile(np.arange(frames), people), np.tile(30 * np.arange(frames), people), person,
                 points[..., :2].astype(np.float32), head_pose(points).rotation)


def centroid(picture, place, reach=0.12):
    """Where the brightness near a place (shares of the side) is centred, in shares."""
    side = len(picture)
    rows, columns = (np.arange(side) + 0.5) / side, (np.arange(side) + 0.5) / side
    near = (np.abs(rows - place[1])[:, None] < reach) & (np.abs(columns - place[0]) < reach)
    weight = picture[..., 0] * near * 1.0
    return np.array([(weight * columns).sum(), (weight * rows[:, None]).sum()]) / weight.sum()


@pytest.mark.parametrize("angle", [0, 25, -40])
@pytest.mark.parametrize(("zoom", "side"), [(1.0, 64), (0.6, 64), (0.8, 173)])
def test_eyes_and_mouth_come_to_their_places_whatever_the_crop(angle, zoom, side):
    turn = zoom * np.array([[np.cos(np.radians(angle)), -np.sin(np.radians(angle))],
                            [np.sin(np.radians(angle)), np.cos(np.radians(angle))]])
    points = (canonical_face()[:, :2] - 128) @ turn.T + (121, 133)
    seen = seen_picture(marked_canvas(points, side), view_matrix(points, FACE), FACE)
    matrix = view_matrix(points, FACE)
    for name in ("right_eye", "left_eye", "mouth"):
        expected = (matrix[:, :2] @ points[list(GROUPS[name])].mean(0) + matrix[:, 2]) / FACE.side_px
        wanted = {"right_eye": (0.31, 0.36), "left_eye": (0.69, 0.36), "mouth": (0.5, 0.76)}[name]
        assert np.abs(expected - wanted).max() < 0.04       # a similarity cannot meet three points exactly
        assert np.abs(centroid(seen, expected) - expected).max() < 0.012


def test_nothing_outside_the_oval_is_seen():
    points = canonical_face()
    one, other = (np.full((SIDE, SIDE, 3), shade, np.uint8) for shade in (10, 250))
    seen = [seen_picture(picture, view_matrix(points, FACE), FACE) for picture in (one, other)]
    assert all((picture[0, 0] == 128).all() and (picture[-1, -1] == 128).all() for picture in seen)
    assert seen[0][26, 26, 0] == 10 and 0.65 < (seen[0] != seen[1]).all(-1).mean() < 0.85


def test_a_canvas_is_seen_whole():
    settings = FaceEncoderSettings(side_px=32, width=3, embedding=7)
    random = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    picture = np.kron(random, np.ones((16, 16, 1), np.uint8))
    seen = seen_picture(picture, view_matrix(canonical_face(), settings), settings)
    assert np.abs(seen[2::4, 2::4].astype(int) - random).max() < 40 and seen.shape == (32, 32, 3)


@pytest.mark.parametrize("encoder", [FACE, FaceEncoderSettings(side_px=47, width=3, embedding=7)])
def test_targets_move_with_the_picture(encoder):
    faces = made_up_faces()
    changes = AugmentationSettings(zoom=(0.9, 1.2), shift=0.05, turn_degrees=15.0, colours=0.0, noise=0.0, spoiled=0.0)
    batch = draw_batch(faces, 23, settings=encoder, changes=changes, unknown=0.0, generator=seeded())
    moved = 0
    for picture, points in zip(batch.pictures, batch.points):
        shown = (picture.permute(1, 2, 0).numpy() * 255 > 230).all(-1, keepdims=True) * 255
        for name in ("right_eye", "left_eye", "mouth"):
            place = points[list(GROUPS[name])].mean(0).numpy()
            if 0.2 < place.min() and place.max() < 0.8:
                assert np.abs(centroid(shown, place, 0.07) - place).max() < 0.02
                moved += 1
    assert moved > 23
    right, left = (batch.points[:, list(GROUPS[name]), 0].mean(1) for name in ("right_eye", "left_eye"))
    assert (right < left).all()     # mirrored pictures have mirrored names
    plain = plain_batch(faces, np.arange(5), encoder)
    assert (canvas_error(plain.points + torch.tensor([3.0, 4.0]) * plain.scale[:, None, None], plain) - 5).abs().max() < 1e-3


def test_the_head_turns_with_the_picture():
    faces = made_up_faces()
    changes = AugmentationSettings(zoom=(1.0, 1.0), shift=0.0, turn_degrees=20.0, colours=0.0, noise=0.0, spoiled=0.0)
    batch = draw_batch(faces, 13, settings=TINY.encoder, changes=changes, unknown=0.0, generator=seeded())
    eyes = batch.points[:, 45] - batch.points[:, 36]
    roll = torch.atan2(eyes[:, 1], eyes[:, 0])
    assert roll.std() > 0.1 and torch.allclose(batch.turn[:, 2], -roll, atol=0.02)     # frame to canonical: the way back


def test_drawn_batches_follow_their_generator_and_the_asked_shares():
    faces = made_up_faces()
    one, other, third = (draw_batch(faces, 16, settings=TINY.encoder, changes=TINY.changes, unknown=0.25,
                                    generator=seeded(number)) for number in (1, 1, 2))
    assert all(torch.equal(*pair) for pair in zip(one, other)) and not torch.equal(one.pictures, third.pictures)
    assert (one.person == NOBODY).sum() == 4 and set(one.person.tolist()) == {NOBODY, 0, 1}
    assert one.pictures.min() >= 0 and one.pictures.max() <= 1


def test_without_changes_a_drawn_picture_is_the_plain_one_or_its_mirror():
    faces = made_up_faces()
    batch = draw_batch(faces, 11, settings=TINY.encoder, changes=STILL, unknown=0.0, generator=seeded())
    plain = plain_batch(faces, np.arange(len(faces.frame)), TINY.encoder).pictures
    either = torch.cat([plain, plain.flip(3)])
    assert all((either - one).abs().amax((1, 2, 3)).min() == 0 for one in batch.pictures)


@pytest.mark.parametrize("size", [32, 96, 41])
def test_maps_halve_and_embeddings_have_length_one(size):
    torch.manual_seed(1)
    encoder = FaceEncoder(FACE).eval()
    pictures = torch.rand(2, 3, size, size)
    assert [one.shape[1] for one in encoder(pictures)] == [3, 6, 12, 24]
    assert [one.shape[2] for one in encoder(pictures)] == [-(-size // 2**scale) for scale in (1, 2, 3, 4)]
    embeddings, points, turn = encoder.heads(pictures)
    assert torch.allclose(embeddings.norm(dim=1), torch.ones(2)) and points.shape == (2, 68, 2) and turn.shape == (2, 3)


def test_maps_have_mean_size_one_after_measuring():
    torch.manual_seed(1)
    encoder, pictures = FaceEncoder(FACE).eval(), torch.rand(3, 3, 53, 53)
    before = [one.abs().mean().item() for one in encoder(pictures)]
    encoder.measure_levels(pictures)
    assert max(abs(size - 1) for size in before) > 0.1
    assert [one.abs().mean().item() for one in encoder(pictures)] == pytest.approx([1, 1, 1, 1], abs=1e-5)


def test_it_serves_as_a_perceptual_loss():
    torch.manual_seed(1)
    loss = PerceptualLoss(FaceEncoder(FACE), ENCODER_WEIGHTS)
    made, real = torch.rand(2, 3, 64, 64, requires_grad=True), torch.rand(2, 3, 64, 64)
    loss(made, real).backward()
    assert made.grad.abs().sum() > 0 and loss(real, real).item() == 0 and all(one.grad is None for one in loss.parameters())


def test_identity_loss_by_hand_and_nobody_counts_for_nothing():
    people = 3 * torch.eye(3)
    at_home = identity_loss(torch.eye(3)[:2], people, torch.tensor([0, 1])).item()
    assert at_home == pytest.approx(np.log(1 + 2 * np.exp(-20 * 0.8)), abs=1e-7)
    assert identity_loss(torch.eye(3)[:1], people, torch.tensor([2])).item() == pytest.approx(24, abs=1e-4)
    embeddings = torch.eye(3).requires_grad_(True)
    mixed = identity_loss(embeddings, people, torch.tensor([0, 1, NOBODY]))
    assert mixed.item() == pytest.approx(at_home)
    assert identity_loss(embeddings, people, torch.full((3,), NOBODY)).item() == 0


def test_training_distinguishes_people_and_finds_landmarks(precision, training_seed, learned):
    overrides = ["run.lr=0.01", "run.batch=12", "run.steps=60", "changes.colours=0.0", "changes.spoiled=0.0",
                 "changes.zoom=[1.0,1.2]", f"run.seed={training_seed}", f"run.precision={precision}"]
    settings = load_config(EncoderTrainSettings, stage="encoder", preset="tiny", overrides=overrides)
    faces = made_up_faces(seed=training_seed)
    training = Trainer(EncoderTask(settings, faces, faces))
    told = [training.step() for _ in range(45)]
    assert all(np.isfinite([*told[-1].values(), *training.validate().values()]))
    learned("people recognised", np.mean([one["recognised"] for one in told[-10:]]), above=0.8)
    first, last = (np.mean([one["landmark_px"] for one in part]) for part in (told[:3], told[-10:]))
    learned("landmark error, as a share of the first steps'", last / first, below=0.3)


def test_resuming_equals_never_having_stopped():
    faces = made_up_faces()
    one, other = (Trainer(EncoderTask(TINY, faces, faces)) for _ in range(2))
    for _ in range(3):
        one.step()
    other.restore(copy.deepcopy(one.state()))
    assert one.step() == other.step() and one.validate() == other.validate()
    assert all(torch.equal(*pair) for pair in zip(one.average.state_dict().values(), other.average.state_dict().values()))


def test_figures_of_verification_by_hand():
    told = verify(np.array([0.9, 0.5]), np.array([0.1, 0.6, 0.2, 0.3]))
    assert told.roc_area == pytest.approx(7 / 8) and told.genuine_mean == pytest.approx(0.7)
    assert verify(np.array([0.9]), np.array([0.1, 0.2])).equal_error == 0
    assert verify(np.ones(3), np.ones(5)).roc_area == 0.5
    assert verify(*np.random.default_rng(1).normal(size=(2, 997))).equal_error == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ValueError, match="0 genuine and 2 impostor pairs"):
        verify(np.zeros(0), np.zeros(2))


def test_pairs_are_of_two_clips_or_a_second_apart():
    embeddings = np.eye(5)
    embeddings[:, 0] = 1        # cosines: 2 on the diagonal's first, else 1
    person, clip, frame = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 2]), np.array([0, 24, 25, 3, 3])
    pairs = pair_cosines(embeddings, person, clip, frame)
    assert len(pairs.genuine) == 4 and len(pairs.other_clip) == 3 and len(pairs.impostor) == 4


def test_what_selects_weights_is_verification_less_a_twentieth_of_the_landmark_error(monkeypatch):
    """On pairs of two clips where there are any, else on those of one clip a second apart."""
    embeddings = np.eye(3)[[0, 1, 0, 2, 2]]
    faces = SimpleNamespace(person=np.array([0, 0, 0, 1, 1]), clip=np.array([0, 0, 1, 2, 2]), frame=np.array([0, 50, 0, 0, 50]))
    answers = Answers(embeddings, np.array([1.0, 1, 1, 2, 5]), np.array([3.0, 3, 3, 3, 8]))
    monkeypatch.setattr(training, "encoder_answers", lambda *_: answers)
    told = encoder_figures(None, faces)     # genuine: 1 and 0 of two clips, 0 and 1 of one; impostors: 0
    assert told["roc_area"] == pytest.approx(0.75) and told["genuine"] == pytest.approx(0.5) and told["impostor"] == 0
    assert told["landmark_px"] == 2 and told["turn_deg"] == 4 and told["score"] == pytest.approx(0.75 - 2 / 20)
    apart = encoder_figures(None, SimpleNamespace(**vars(faces) | {"clip": np.array([0, 0, 0, 2, 2])}))
    assert apart["genuine"] == pytest.approx(1 / 3) and apart["roc_area"] == pytest.approx(2 / 3)     # 0, 0 and 1


def clip_row(name, identity, split="train", frames=13):
    return Clip(clip=name, identity=identity, split=split, frames=frames, source=name, start_s=0.0, has_audio=False,
                av_offset=0, face_rate=1.0, face_height_px=128.0, rival=0.0, lip_audio_corr=0.0, lip_audio_lag=0,
                audio_dbfs=-90.0, lip_range=0.1)


def test_halves_share_nobody_and_a_pool_is_dealt_out():
    clips = [clip_row(f"c{number}", f"p{number // 2}") for number in range(40)]
    clips += [clip_row(f"pool{number:02d}", "pool") for number in range(46)]
    first, second = of_half(clips, "first"), of_half(clips, "second")
    assert pooled_codes(clips) == {"pool"} and sorted(first + second) == sorted(clips) and of_half(clips, "all") == clips
    assert not {one.identity for one in first} & {one.identity for one in second} - {"pool"}
    assert [sum(one.identity == "pool" for one in half) for half in (first, second)] == [23, 23]
    assert min(len({one.identity for one in half}) for half in (first, second)) > 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Five train people, one of them in two clips, a pool, and two val people; short videos of flat faces."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = [clip_row(f"t{number}", f"p{number % 5}") for number in range(7)]
    rows += [clip_row(f"pool{number}", "pool", frames=7) for number in range(9)]
    rows += [clip_row(f"v{number}", f"val{number}", "val", 37) for number in range(2)]
    (folder / "landmarks").mkdir()
    (folder / "clips").mkdir()
    random = np.random.default_rng(1)
    for row in rows:
        points = np.repeat(canonical_face()[None], row.frames, 0) + random.normal(0, 4, (1, 1, 3)) * (1, 1, 0)
        picture = np.where(marked_canvas(points[0]), 255, random.integers(40, 215, 3)).astype(np.uint8)
        LandmarkSequence(points=points.astype(np.float32), visible=np.arange(row.frames) != 6, fps=25.0, size=(256, 256),
                         crop=(0, 0, 256, 256)).save(folder / "landmarks" / f"{row.clip}.npz")
        with VideoWriter(folder / "clips" / f"{row.clip}.mp4", size=(SIDE, SIDE), synthetic=False) as writer:
            for _ in range(row.frames):
                writer.write(picture)
    write_table(folder / "manifest.csv", Clip, rows)
    return open_corpus(folder)


def test_faces_are_read_where_they_were_seen(corpus):
    faces = read_faces(corpus, corpus.select("train"), stride=3)
    assert faces.frame[faces.clip == 0].tolist() == [0, 3, 9, 12]       # frame 6 shows no face
    assert faces.people == 5 and (faces.person[faces.clip >= 7] == NOBODY).all() and faces.points.shape == (28 + 18, 68, 2)
    assert read_faces(corpus, corpus.select("val"), stride=3, most=3).frame.tolist() == [0, 21, 36] * 2
    with pytest.raises(ValueError, match="has no face among 0 clips"):
        read_faces(corpus, [], stride=3)


def test_unseen_people_are_val_and_who_was_left_out_and_met_twice(corpus):
    for people in ("first", "second"):
        used = {clip.identity for clip in of_half(corpus.select("train"), people)}
        unseen = unseen_clips(corpus, people)
        assert [clip.clip for clip in unseen[:2]] == ["v0", "v1"] and not used & {clip.identity for clip in unseen}
        assert {clip.identity for clip in unseen[2:]} == {"p0", "p1"} - used
    assert [clip.clip for clip in unseen_clips(corpus, "all")] == ["v0", "v1"]


def test_a_run_writes_weights_that_load_and_goes_on(corpus, tmp_path, capsys):
    line = ["--data", str(corpus.folder), "--out", str(tmp_path), "--config", "tiny"]
    assert main(["train", "encoder", *line]) == 0 and "6 steps" in capsys.readouterr().out
    encoder = load_face_encoder(tmp_path / "face_encoder.safetensors")
    assert not encoder.training and not any(one.requires_grad for one in encoder.parameters())
    assert load_weights(tmp_path / "face_encoder.safetensors").config["face_encoder"]["width"] == 3
    validated = [one for one in read_log(tmp_path) if one["kind"] == "validate"]
    assert [one["step"] for one in validated] == [3, 6] and {"score", "roc_area", "landmark_px"} <= set(validated[0])
    report = train_encoder(corpus, tmp_path, TINY)
    assert report.loop.step == 6 and main(["train", "encoder", *line, "people=third"]) == 2


def test_the_embedder_sees_what_training_saw(corpus, tmp_path):
    torch.manual_seed(1)
    encoder = FaceEncoder(FACE).eval()
    embed = FaceEmbedder(load_face_encoder(save_encoder(tmp_path / "e.safetensors", encoder)))
    faces = made_up_faces(frames=3)
    canvases = np.stack([faces.stores[clip].picture(index) for clip, index in zip(faces.clip, faces.index)])
    found = embed(canvases, np.pad(faces.points, ((0, 0), (0, 0), (0, 1))))
    with torch.no_grad():
        wanted = encoder.embed(plain_batch(faces, np.arange(12), FACE).pictures).numpy()
    assert found.shape == (12, 7) and found.dtype == np.float32 and np.abs(found - wanted).max() < 5e-3
    assert np.abs(embed(np.repeat(np.repeat(canvases, 3, 1), 3, 2), faces.points) - found).max() < 0.1    # of any size
    assert embed(canvases[:0], faces.points[:0]).shape == (0, 7)
    with pytest.raises(ValueError, match="give finite landmarks"):
        embed(canvases[:2], faces.points[:3])
    with pytest.raises(ValueError, match="give finite landmarks"):
        embed(canvases[:1], np.full((1, 68, 3), np.nan))


def test_pictures_are_scaled_and_channels_first():
    seen = np.zeros((1, 5, 7, 3), np.uint8)
    seen[0, 2, 3] = (255, 0, 51)
    assert as_pictures(seen)[0, :, 2, 3].tolist() == pytest.approx([1, 0, 0.2])


def test_other_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match="no face encoder weights .*nowhere"):
        load_face_encoder(tmp_path / "nowhere.safetensors")
    save_weights(tmp_path / "other.safetensors", {"x": torch.zeros(2)}, config={"generator": {}})
    with pytest.raises(ValueError, match="holds no face encoder"):
        load_face_encoder(tmp_path / "other.safetensors")
    save_weights(tmp_path / "half.safetensors", {"x": torch.zeros(2)}, config={"face_encoder": {"width": 3}})
    with pytest.raises(ValueError, match="does not fit its own configuration"):
        load_face_encoder(tmp_path / "half.safetensors")


@pytest.mark.parametrize("change", ["stride=0", "run.batch=0", "unknown=1.0", "run.lr=0.0", "weights.turn=-1.0",
                                    "encoder.side_px=8", "encoder.view=profile"])
def test_settings_that_cannot_be(change):
    with pytest.raises(ValueError):
        load_config(EncoderTrainSettings, stage="encoder", preset="tiny", overrides=[change])
