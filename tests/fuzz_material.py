"""Good small files of every kind and a small corpus, from which the fuzzer makes bad ones; and stand-ins for what is slow.

The readers are all real. Stood in for are the face detector (the canonical face, wherever a picture is large enough), the
frames of generator and renderer (which stand still; their weights are read and built), the plots of a report, the
renderer's validator, and the training loops (they end before the first step, when everything has been read and built).
"""

import csv
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

import headsync.evaluation.report.page
import render_stage.rhythmic_head.train
from headsync import media
from headsync.configs import __file__ as configs
from headsync.corpus import open_corpus
from headsync.corpus.corpus import Clip, write_table
from headsync.corpus.frames import pack_frames
from headsync.experiment import Trainer, build_config, config_dict, load_config, save_weights
from headsync.landmarks import LandmarkSequence, canonical_face
from headsync.landmarks.detection.detectors import Face
from headsync.media import VideoWriter
from landmark_stage import Generator, GeneratorSettings
from landmark_stage.expression.network import Expression, ExpressionSettings
from landmark_stage.head_motion.network import HeadMotion, HeadMotionSettings
from landmark_stage.ms_sync.stream import MotionStream
from render_stage.identity.face_encoder import FaceEncoder, FaceEncoderSettings
from render_stage.rhythmic_head import RendererNetwork, RhythmicHead
from render_stage.rhythmic_head.train import RendererSettings
from syncers.model import SyncerPyramid
from syncers.train import TrainSettings
from tests.fuzz_commands import STAGES
from tests.media_files import noise, quadrants, write_audio, write_picture
from tests.talking import made_up_people, write_corpus

FRAMES = 8
SIDE = 96


class StillDetector:
    """Finds the canonical face in the middle of every picture of 24 pixels or more."""

    name = "still"

    def boxes(self, picture: np.ndarray) -> np.ndarray:
        return np.array([face.box for face in self.faces(picture)]).reshape(-1, 4)

    def faces(self, picture: np.ndarray) -> list[Face]:
        side = min(picture.shape[:2])
        if side < 24:
            return []
        points = canonical_face() * (side / 256)
        mesh = np.resize(points, (468, 3)).astype(np.float32)
        return [Face(points.astype(np.float32), mesh)]

    def restart(self) -> None:
        pass

    def close(self) -> None:
        pass


class Stopped(ValueError):
    """Where a training would begin: all that it reads has been read."""


def stop(*_, **__):
    raise Stopped("the training stops here; everything was read")


def stand_in() -> None:
    """Put the stand-ins in place wherever our modules hold what they stand for."""
    names = {"make_detector": lambda *_: StillDetector(), "run_loop": stop}
    homes = ("headsync.landmarks.detection.choice", "headsync.experiment.loop")
    for module in list(sys.modules.values()):
        for name, other in names.items():
            if getattr(getattr(module, name, None), "__module__", "") in homes:
                setattr(module, name, other)
    Trainer.step = stop
    headsync.evaluation.report.page.report_page = lambda _: "the figures' page"
    render_stage.rhythmic_head.train.Validator = lambda *_, **__: None
    RhythmicHead.prepare = lambda self, references: references[0].picture
    RhythmicHead.frames = lambda self, picture, drive: np.repeat(picture[None], len(drive.points), 0)
    MotionStream._made = still_frames


def still_frames(self: MotionStream, features: torch.Tensor) -> torch.Tensor:
    """What `MotionStream._made` gives for audio features (K, t, C), the start again and again."""
    return self._start.expand(features.shape[1], -1)


def picture(seed: int = 0) -> np.ndarray:
    """(SIDE, SIDE + 12, 3) uint8 of four colours and soft noise."""
    grain = cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 60, (SIDE, SIDE + 12, 3)).astype(np.uint8), (0, 0), 3)
    return quadrants((SIDE, SIDE + 12)) // 2 + grain


def sequence(frames: int = FRAMES) -> LandmarkSequence:
    """A face that opens its mouth."""
    points = np.repeat(canonical_face()[None].astype(np.float32), frames, 0)
    points[:, [*range(55, 60), *range(64, 68)], 1] += 6 * np.abs(np.sin(np.arange(frames)))[:, None].astype(np.float32)
    return LandmarkSequence(points=points, visible=np.ones(frames, bool), fps=25.0, size=(256, 256), crop=(0, 0, 256, 256))


def make_material(folder: Path) -> None:
    """The good files in `folder`: NAME.KIND, yaml per stage, weights per model, corpora `talks` and `faces`."""
    sound = noise(FRAMES * 640, seed=1)
    write_audio(folder / "a.wav", sound, rate_hz=16000, codec="pcm_s16le", sample_format="s16")
    write_audio(folder / "a.mp3", noise(FRAMES * 1764, seed=2), rate_hz=44100, codec="mp3", sample_format="fltp")
    write_picture(folder / "a.png", picture())
    (folder / "a.jpg").write_bytes(media.encode_jpeg(picture(), 90))
    with VideoWriter(folder / "a.mp4", size=picture().shape[:2], audio=folder / "a.wav", preset="ultrafast") as writer:
        for number in range(FRAMES):
            writer.write(picture(number))
    sequence().save(folder / "a.npz")
    (folder / "a.pth").write_bytes(b"")
    torch.save({"state_dict": {"conv.weight": torch.ones(3, 3)}}, folder / "a.pth")
    for stage in STAGES:
        tiny = Path(configs).parent / stage / "tiny.yaml"
        (folder / f"{stage}.yaml").write_bytes(tiny.read_bytes())
    make_weights(folder)
    make_talks(folder / "talks")
    make_faces(folder / "faces")
    with open(folder / "people.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("clip", "identity", "split"), ("a", "anna", "train"),
                                                         ("b", "bert", "val")])
    with open(folder / "pairs.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("generated", "reference", "audio"), ("a.npz", "a.npz", "a.wav"),
                                                         ("a.mp4", "a.mp4", "")])


def make_weights(folder: Path) -> None:
    """A weight file of each model, as small as its tiny preset has it."""
    torch.manual_seed(3)
    renderer = load_config(RendererSettings, stage="renderer", preset="tiny").network
    loaded = {
        "generator": (Generator, build_config(GeneratorSettings, dict(
            widen=1, coordinate=11, hidden=13, trunk=[17, 11], expansion=1, audio={"stem": [5, 7, 7], "width": 7}))),
        "expression": (Expression, ExpressionSettings(channels=(7, 11), hidden=13, shapes=3)),
        "head_motion": (HeadMotion, HeadMotionSettings(rows_per_frame=1, planes=(2, 2), pooled=7, sound_hidden=5, features=5,
                                                       motion_hidden=5, reference=7)),
        "renderer": (RendererNetwork, renderer),
        "face_encoder": (FaceEncoder, FaceEncoderSettings(view="face", side_px=53, width=3, embedding=7))}
    for name, (make, settings) in loaded.items():
        save_weights(folder / f"{name}.safetensors", make(settings).state_dict(), config={name: config_dict(settings)})
    form = load_config(TrainSettings, stage="syncers", preset="tiny").syncer
    pyramid = SyncerPyramid([form] * 4)
    save_weights(folder / "syncers.safetensors", pyramid.state_dict(),
                 config={"family": "loss", "levels": [config_dict(form)] * 4})


def make_talks(folder: Path) -> None:
    """A corpus with sound, without pictures: three people to train on, two to validate on."""
    people = made_up_people(5, 101)
    write_corpus(folder, {"train": people[:3], "val": people[3:]})


def make_faces(folder: Path) -> None:
    """A corpus with pictures and meshes, without sound."""
    for name in ("clips", "landmarks", "mesh"):
        (folder / name).mkdir(parents=True)
    clips = []
    for number, split in enumerate(("train", "val")):
        name, frames = f"clip{number}", 26
        with VideoWriter(folder / "clips" / f"{name}.mp4", size=(256, 256), preset="ultrafast") as writer:
            for count in range(frames):
                writer.write(cv2.resize(picture(count % 3), (256, 256)))
        sequence(frames).save(folder / "landmarks" / f"{name}.npz")
        mesh = np.resize(canonical_face(), (frames, 468, 3)).astype(np.float16)
        np.save(folder / "mesh" / f"{name}.npy", mesh)
        clips.append(Clip(clip=name, identity=f"person{number}", split=split, frames=frames, source=name, start_s=0.0,
                          has_audio=False, av_offset=0, face_rate=1.0, face_height_px=128.0, rival=0.0, lip_audio_corr=0.0,
                          lip_audio_lag=0, audio_dbfs=-120.0, lip_range=0.1))
    write_table(folder / "manifest.csv", Clip, clips)
    pack_frames(open_corpus(folder), open_corpus(folder).clips, stride=3)
