"""The readers behind the commands, each called as a command would: most bad files need no more to be found out."""

from collections.abc import Callable
from pathlib import Path

from headsync import media
from headsync.commands.command import run_command
from headsync.corpus import find_sources, open_corpus
from headsync.evaluation.items import find_items
from headsync.experiment import load_config, load_weights
from headsync.landmarks import LandmarkSequence, OpenSequence, read_header
from headsync.landmarks.detection import extract
from landmark_stage import load_expression, load_generator, load_head_motion
from landmark_stage.articulation.train import ArticulationTrainSettings
from landmark_stage.expression.train import ExpressionTrainSettings
from landmark_stage.head_motion.train import HeadTrainSettings
from landmark_stage.ms_sync.train import TrainSettings as LandmarksSettings
from render_stage import load_renderer
from render_stage.close_up.train import CloseUpTrainSettings
from render_stage.g4g.train import G4GTrainSettings
from render_stage.identity.face_encoder import load_face_encoder
from render_stage.identity.training import EncoderTrainSettings
from render_stage.pc_avs.train import PcAvsTrainSettings
from render_stage.rhythmic_head.train import RendererSettings
from syncers import load_syncers
from syncers.correction import CorrectionSettings
from syncers.train import TrainSettings as SyncersSettings
from tests.fuzz_material import StillDetector

SETTINGS = {"articulation": ArticulationTrainSettings, "correction": CorrectionSettings, "encoder": EncoderTrainSettings,
            "close_up": CloseUpTrainSettings, "expression": ExpressionTrainSettings, "g4g": G4GTrainSettings,
            "pc_avs": PcAvsTrainSettings,
            "head_motion": HeadTrainSettings, "landmarks": LandmarksSettings, "renderer": RendererSettings,
            "syncers": SyncersSettings}
LOADERS = {"generator": load_generator, "expression": load_expression, "head_motion": load_head_motion,
           "renderer": load_renderer, "face_encoder": load_face_encoder, "syncers": load_syncers}


def read_sound(path: Path) -> None:
    """What is asked of a sound before anything is made of it."""
    media.count_audio_frames(path)


def read_pictures(path: Path) -> None:
    """A face's picture or video, found with the stand-in detector."""
    media.is_image(path)
    extract(path, detector=StillDetector())


def read_video(path: Path) -> None:
    media.video_info(path)
    for _ in media.read_frames(path, max_side=64):
        pass


def read_sequence(path: Path) -> None:
    """By all three readers, whose answers must agree."""
    header, blocks = read_header(path), sum(map(len, OpenSequence(path).blocks()))
    assert len(LandmarkSequence.load(path)) == header.frames == blocks


def read_sources(path: Path) -> None:
    find_sources([path.parent / "videos"], manifests=[path])


def read_corpus(path: Path) -> None:
    """Every array of a corpus one of whose files is `path`."""
    folder = path.parent if path.name == "manifest.csv" else path.parent.parent
    corpus = open_corpus(folder)
    for clip in corpus.clips:
        corpus.landmarks(clip)
        corpus.features(clip)


READERS: dict[str, Callable[[Path], object]] = {
    "sound": read_sound, "pictures": read_pictures, "video": read_video, "sequence": read_sequence, "weights": load_weights,
    "sources": read_sources, "corpus": read_corpus, "pairs": lambda path: find_items({"one": path}, None),
    **{f"{stage} settings": lambda path, stage=stage, form=form: load_config(form, stage=stage, preset=path)
       for stage, form in SETTINGS.items()},
    **{f"{name} weights": loader for name, loader in LOADERS.items()}}


def main_of(name: str) -> Callable[[list[str]], int]:
    """A reader as a command that takes one path."""
    def run(argv: list[str]) -> None:
        READERS[name](Path(argv[0]))

    return lambda argv: run_command(run, argv)
