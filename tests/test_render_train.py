"""Training of the renderer: material as promised, terms and weights by name, exact resume, four frames overfitted."""

import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from headsync import media
from headsync.corpus import open_corpus
from headsync.corpus.frames import FrameStore, last_reference, pack_frames, people_path, store_path
from headsync.experiment import Trainer, load_config, load_weights
from headsync.landmarks import canonical_face, rotation_matrix
from render_stage import Drive, load_renderer, load_topology
from render_stage.clip_frames import changed_frames, read_clip_frames
from render_stage.geometry.mesh import fit_mesh
from render_stage.nn.losses import ssim_loss
from render_stage.perceptual import load_perceptual
from render_stage.rhythmic_head.data import MaterialSettings, draw_batch
from render_stage.rhythmic_head.guide import CANVAS, COARSE, GuideSettings
from render_stage.rhythmic_head.inputs import as_picture
from render_stage.rhythmic_head.objective import ADVERSARIAL_TERMS, FLOW_TERMS
from render_stage.rhythmic_head.placing import WHOLE
from render_stage.rhythmic_head.train import RendererSettings, RendererStep, RendererTask, train_renderer
from render_stage.rhythmic_head.validate import Validator
from tests.moving_faces import moved_face, write_moving_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_moving_corpus(tmp_path_factory.mktemp("corpus") / "faces")


@pytest.fixture(scope="module")
def clips(corpus):
    return read_clip_frames(corpus, "train", stride=2, pool="", pooled=1)


def settings_with(*overrides: str) -> RendererSettings:
    return load_config(RendererSettings, stage="renderer", preset="tiny", overrides=overrides)


def test_frames_are_kept_as_the_video_has_them(corpus):
    clip = corpus.clips[0]
    pack_frames(corpus, [clip], stride=5)
    store = FrameStore(store_path(corpus, clip, 5))
    frames = list(media.read_frames(corpus.video_path(clip)))
    assert store.numbers.tolist() == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    for index, number in enumerate(store.numbers):
        assert np.abs(store.picture(index).astype(int) - frames[number]).mean() < 2.5


def test_frames_are_packed_once(corpus):
    clip = corpus.clips[1]
    pack_frames(corpus, [clip], stride=7)
    before = store_path(corpus, clip, 7).stat().st_mtime_ns
    pack_frames(corpus, [clip], stride=7)
    assert store_path(corpus, clip, 7).stat().st_mtime_ns == before


def test_people_are_found_once_and_only_when_asked_for(corpus):
    clip = corpus.clips[0]
    pack_frames(corpus, [clip], stride=11)
    maps = people_path(store_path(corpus, clip, 11))
    assert not maps.exists()
    pack_frames(corpus, [clip], stride=11, people=True)
    before = maps.stat().st_mtime_ns
    pack_frames(corpus, [clip], stride=11, people=True)
    store = FrameStore(store_path(corpus, clip, 11))
    person = store.person(1)
    assert maps.stat().st_mtime_ns == before and person.shape == (CANVAS, CANVAS) and person.dtype == np.uint8
    points = corpus.landmarks(clip).points[store.numbers[1]]
    nose = person[int(points[30, 1]), int(points[30, 0])]
    assert nose > 200 and person.min() < 60         # the face is a person's, not all of the picture is


def test_references_come_from_the_beginning():
    assert last_reference(750) == 64 and last_reference(129) == 64 and last_reference(90) == 30 and last_reference(2) == 1


def drawn(clips, seed=3, count=5, **changes):
    return draw_batch(clips, count, settings=MaterialSettings(stride=2, **changes), guide=GuideSettings(),
                      topology=load_topology(), generator=torch.Generator().manual_seed(seed))


def test_batches_have_their_shapes_and_are_reproducible(clips):
    batch, again = drawn(clips, references=(3,)), drawn(clips, references=(3,))
    assert batch.references.shape == (5, 3, 3, CANVAS, CANVAS) and batch.reference_lines.shape == (5, 3, 1, COARSE, COARSE)
    assert batch.guides.masks.shape == (5, 2, CANVAS, CANVAS) and batch.points.shape == (5, 68, 3)
    assert torch.equal(batch.target, again.target) and torch.equal(batch.guides.flow, again.guides.flow)
    assert not torch.equal(batch.target, drawn(clips, seed=4, references=(3,)).target)


def test_landmarks_mesh_and_people_stay_where_the_picture_shows_them(clips):
    """A soft spot on the tip of the nose, under every zoom, shift and mirror; places count from pixels' corners."""
    nose, rows = np.array([131.3, 117.8]), np.arange(CANVAS) + 0.5
    spot = np.exp(-((rows[:, None] - nose[1]) ** 2 + (rows[None] - nose[0]) ** 2) / (2 * 4.0**2))
    person = np.rint(255 * spot).astype(np.uint8)
    store = SimpleNamespace(picture=lambda _: np.repeat(person[..., None], 3, 2), person=lambda _: person)
    points, mesh = np.zeros((1, 68, 3), np.float32), np.zeros((1, 468, 3), np.float32)
    points[0, 30, :2], mesh[0, 4, :2] = nose, nose      # either is its own mirror image
    mirror, found = load_topology().mirror, set()
    for seed in range(13):
        frame, = changed_frames(clips[0]._replace(store=store, points=points, mesh=mesh), [0], 0.0, mirror,
                          torch.Generator().manual_seed(seed))
        for picture in (frame.picture[..., 1].astype(float), frame.person.astype(float)):
            seen = np.array([picture.sum(0) @ rows, picture.sum(1) @ rows]) / picture.sum()
            assert np.abs(seen - frame.points[30, :2]).max() < 0.1 > np.abs(seen - frame.mesh[4, :2]).max()
        found.add(tuple(seen.round(1)))
    assert len(found) == 13 and mirror[4] == 4


def test_guides_fit_their_targets(clips):
    """Whatever the change of size, place, mirror and colour: the projected face looks like the target's where it is seen."""
    batch = drawn(clips, seed=1, count=16, references=(1,))
    inside = batch.guides.masks[:, :1] > 0.99
    apart = ((batch.guides.projected - batch.target).abs() * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3)) / 3
    copied = ((batch.references[:, 0] - batch.target).abs() * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3)) / 3
    assert apart.max() < 0.06 and apart.mean() < 0.6 * copied.mean()


def test_every_person_is_drawn_as_often(corpus):
    clips = read_clip_frames(corpus, "train", stride=2, pool="", pooled=1)
    assert [clip.share for clip in clips] == [1.0, 1.0]
    pooled = read_clip_frames(corpus, "train", stride=2, pool="person1", pooled=7)
    assert [clip.share for clip in pooled] == [1.0, 7.0]


def test_weights_count_when_their_time_has_come():
    weights = replace(settings_with().weights, structure=0.0, front=0.0)
    assert set(weights.counting(flows_only=True, adversarial=False)) == {"anchor", "warp", "flow", "mask"} < set(FLOW_TERMS)
    assert "front" in replace(weights, front=1.0).counting(flows_only=True, adversarial=False)
    assert not set(weights.counting(flows_only=False, adversarial=False)) & set(ADVERSARIAL_TERMS)
    assert "structure" not in weights.counting(flows_only=False, adversarial=True)
    task = RendererTask(settings_with("flows_until=3", "adversarial_from=5"), [], None)
    begun = [min((step for step in range(9) if name in task.weights(step)), default=None)
             for name in ("flow", "reconstruction", "adversarial", "features")]
    assert begun == [0, 3, 5, 5]


@pytest.mark.parametrize("left_out", ["reconstruction", "gradient", "features", "flow", "anchor", "front"])
def test_any_term_can_be_left_out_by_name(corpus, clips, left_out):
    settings = settings_with(f"weights.{left_out}=0", "flows_until=0", "adversarial_from=0")
    told = Trainer(RendererTask(settings, clips, None)).step()
    assert left_out not in told and {"warp", "total", "structure"} <= set(told)


def test_a_front_needs_a_backdrop():
    with pytest.raises(ValueError, match="weights.front needs a backdrop"):
        settings_with("network.backdrop=false")


def test_unknown_terms_are_refused():
    with pytest.raises(ValueError, match="unknown key 'weights.sharpness'"):
        settings_with("weights.sharpness=1")
    with pytest.raises(ValueError, match="0 or more"):
        settings_with("weights.flow=-1")


def test_a_perceptual_file_that_is_none(tmp_path):
    (tmp_path / "my_vgg19.pth").write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be read as weights"):
        load_perceptual(tmp_path / "my_vgg19.pth")
    with pytest.raises(ValueError, match="no face encoder weights"):
        load_perceptual(tmp_path / "missing.safetensors")


def run(corpus, folder, *overrides):
    return train_renderer(corpus, folder, settings_with(*overrides))


def test_a_run_leaves_weights_sheets_and_a_log(corpus, tmp_path):
    report = run(corpus, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert report.loop.step == 6 and lines[-1]["kind"] == "validate" and {"ssim", "psnr_1", "mouth_4"} <= set(lines[-1])
    assert cv2.imread(str(tmp_path / "sheets" / "0000006.png")).shape == (256, 6 * 256, 3)
    made = load_renderer(report.weights)
    face = moved_face((0, 0))
    frames = made.frames(made.prepare([face]), Drive(face.points[None]))
    assert frames.shape == (1, CANVAS, CANVAS, 3) and frames.dtype == np.uint8


def test_a_resumed_run_equals_a_straight_one(corpus, tmp_path):
    run(corpus, tmp_path / "straight", "run.last_share=1")      # the rate's fall lies elsewhere for a run that is to be short
    run(corpus, tmp_path / "halted", "run.steps=3", "run.last_share=1")
    run(corpus, tmp_path / "halted", "run.last_share=1")
    weights = [load_weights(tmp_path / name / "renderer.safetensors").tensors for name in ("straight", "halted")]
    lines = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("straight", "halted")]
    told = [[{key: value for key, value in json.loads(line).items() if key != "time_s"} for line in one] for one in lines]
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())
    assert [line for line in told[0] if line["step"] > 4] == [line for line in told[1] if line["step"] > 4]


def test_a_corpus_without_meshes_is_refused(tmp_path):
    corpus = write_moving_corpus(tmp_path / "faces", ("train", "val"), frames=29)
    for path in (corpus.folder / "mesh").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="none of the 1 train clips has a mesh"):
        train_renderer(open_corpus(corpus.folder), tmp_path / "run", settings_with())


def test_two_frames_are_overfitted(clips, precision, training_seed, learned):
    """A tiny model overfits: it must be able to draw what it is shown over and over again."""
    settings = settings_with("material.references=[1]", "material.colour=0", "material.open_mouths=0", "run.batch=2",
                             "run.lr=0.008", "flows_until=0", "adversarial_from=1000", "weights.gradient=0", "weights.mask=0",
                             f"run.seed={training_seed}")
    training = Trainer(RendererTask(settings, clips, None))
    batch = drawn(clips, seed=5 + training_seed, count=2, references=(1,), colour=0.0)
    training.task.batch = lambda step: RendererStep(batch, WHOLE)

    def unlike():
        with torch.no_grad():
            made = training.model(training.model.references(batch.references, batch.reference_lines), batch.guides)
        return float(ssim_loss(made.picture, batch.target))

    before = unlike()
    for _ in range(40):
        training.step()
    learned("1 - SSIM, after as a share of before", unlike() / before, below=0.65)


def test_validation_shows_a_later_frame_that_is_turned_as_half_of_them_are(clips):
    """Beside the first frame, or those that cover the beginning; and `ssim`, which selects weights, is over both."""
    clip, face = clips[0], canonical_face() - canonical_face().mean(0)
    angles = 0.02 * np.random.default_rng(3).permutation(len(clip.store))
    points = np.stack([face @ rotation_matrix([0, angle, 0]).T + 128 for angle in angles]).astype(np.float32)
    mesh = np.stack([fit_mesh(one, load_topology()) for one in points]).astype(np.float32)
    validator = Validator([clip._replace(points=points, mesh=mesh)], GuideSettings())
    later = [number for number, frame in enumerate(clip.store.numbers) if frame >= last_reference(43)]
    target = sorted(later, key=lambda number: angles[number])[len(later) // 2]
    shown = [as_picture(clip.store.picture(number)) for number in range(len(clip.store))]
    for K, (sample,) in validator.samples.items():
        assert torch.equal(sample.target[0], shown[target]) and sample.references.shape[1] == K
        used = [number for one in sample.references[0] for number in range(len(shown)) if torch.equal(one, shown[number])]
        assert len(used) == K and max(used) < min(later) and (K > 1 or used == [0])
    told = validator.figures(Trainer(RendererTask(settings_with(), clips, validator)).model, step=0)
    assert told["ssim"] == pytest.approx((told["ssim_1"] + told["ssim_4"]) / 2) and told["ssim_1"] != told["ssim_4"]


def test_validation_changes_nothing(corpus, clips):
    training = Trainer(RendererTask(settings_with(), clips, Validator(clips, GuideSettings())))
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    figures = training.validate()
    assert 0 < figures["anchor_ssim_1"] <= 1 and figures == training.validate()
    assert all(torch.equal(before[name], value) for name, value in training.model.state_dict().items())
