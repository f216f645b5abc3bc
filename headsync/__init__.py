"""Makes a still face speak: sound in, synced head and lip motion as landmarks, then video out.

Every public verb is here and is loaded when it is first used, so that `import headsync` itself costs nothing:

    import headsync
    headsync.talk("speech.mp3", "photo.jpg", "talk.mp4")

`dir(headsync)` lists them, `help(headsync.talk)` shows an example. The stages and their parts are packages of their own:
`landmark_stage`, `render_stage`, `syncers`, `headsync.media`, `headsync.landmarks`, `headsync.corpus`, `headsync.metrics`,
`headsync.evaluation`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headsync.corpus import Corpus, open_corpus
    from headsync.dubbing import Dubbed, dub
    from headsync.landmarks import LandmarkSequence
    from headsync.landmarks.detection import Extraction, extract
    from headsync.live import LiveSession, open_session
    from headsync.media import Level, measure_level, read_audio
    from headsync.verbs import TalkReport, evaluate, load_settings, preprocess, talk
    from landmark_stage import (
        MotionChoice,
        MotionControl,
        generate_landmarks,
        live_face,
        load_generator,
        start_face,
        stream_landmarks,
        write_landmarks,
    )
    from landmark_stage.articulation.train import train_articulation
    from landmark_stage.expression.train import train_expression
    from landmark_stage.head_motion.train import train_head_motion
    from landmark_stage.ms_sync.train import train_landmarks
    from render_stage import Drive, Renderer, RenderReport, load_renderer, read_references, render_video
    from render_stage.close_up.train import train_close_up
    from render_stage.identity.training import train_encoder
    from render_stage.pc_avs.train import train_pc_avs
    from render_stage.rhythmic_head.train import train_renderer
    from syncers import SyncOffset, load_syncers, sync_offset
    from syncers.train import train_syncers

    __version__: str

_MODULES = {
    "headsync.verbs": ("talk", "evaluate", "preprocess", "load_settings", "TalkReport"),
    "headsync.dubbing": ("dub", "Dubbed"),
    "landmark_stage": ("generate_landmarks", "stream_landmarks", "write_landmarks", "start_face", "load_generator", "live_face",
                       "MotionChoice", "MotionControl"),
    "render_stage": ("render_video", "read_references", "load_renderer", "Renderer", "Drive", "RenderReport"),
    "landmark_stage.ms_sync.train": ("train_landmarks",),
    "landmark_stage.articulation.train": ("train_articulation",),
    "landmark_stage.expression.train": ("train_expression",),
    "landmark_stage.head_motion.train": ("train_head_motion",),
    "render_stage.rhythmic_head.train": ("train_renderer",),
    "render_stage.close_up.train": ("train_close_up",),
    "render_stage.identity.training": ("train_encoder",),
    "render_stage.pc_avs.train": ("train_pc_avs",),
    "headsync.live": ("open_session", "LiveSession"),
    "syncers": ("sync_offset", "load_syncers", "SyncOffset"),
    "syncers.train": ("train_syncers",),
    "headsync.landmarks": ("LandmarkSequence",),
    "headsync.landmarks.detection": ("extract", "Extraction"),
    "headsync.media": ("measure_level", "read_audio", "Level"),
    "headsync.corpus": ("open_corpus", "Corpus"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("importlib.metadata").version("headsync")
    elif name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
    else:
        raise AttributeError(f"headsync has no {name!r}; it has {', '.join(sorted(_WHERE))}")
    globals()[name] = value     # found without this function from now on
    return value


def __dir__() -> list[str]:
    return list(__all__)
