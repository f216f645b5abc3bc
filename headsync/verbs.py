"""Whole jobs, one function each: a face that speaks, a report on videos, a corpus from videos, the settings of a training."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from headsync.corpus import BuildReport, PreprocessSettings, build_corpus, find_sources
from headsync.evaluation import Evaluation, EvaluationSettings, evaluate_videos, load_published
from headsync.evaluation.report import write_report
from headsync.experiment import load_config
from headsync.media import WHITE, Colour, Sound, checked, open_sound, shown_progress
from landmark_stage import Generator, MotionChoice, MotionControl, load_generator, write_motion
from landmark_stage.articulation.network import Articulation
from landmark_stage.control import person_in
from landmark_stage.expression.network import Expression
from render_stage import Renderer, load_embedder, load_renderer, read_references, render_video
from render_stage.references import ReferenceSet
from syncers import SyncerPyramid, load_syncers

SETTINGS = {"syncers": ("syncers.train", "TrainSettings"), "landmarks": ("landmark_stage.ms_sync.train", "TrainSettings"),
            "articulation": ("landmark_stage.articulation.train", "ArticulationTrainSettings"),
            "expression": ("landmark_stage.expression.train", "ExpressionTrainSettings"),
            "head-motion": ("landmark_stage.head_motion.train", "HeadTrainSettings"),
            "renderer": ("render_stage.rhythmic_head.train", "RendererSettings"),
            "close-up": ("render_stage.close_up.train", "CloseUpTrainSettings"),
            "pc-avs": ("render_stage.pc_avs.train", "PcAvsTrainSettings"),
            "g4g": ("render_stage.g4g.train", "G4GTrainSettings"),
            "encoder": ("render_stage.identity.training", "EncoderTrainSettings")}


class TalkReport(NamedTuple):
    """What `talk` has written."""

    video: Path
    landmarks: Path     # the motion that the video was made from
    frames: int         # at 25 a second
    wall_s: float       # rendering and encoding
    video_frames: int   # as many, or more or fewer where a head was put back into a video of another rate


@checked
def talk(audio: str | Path | Sound, references: ReferenceSet | str | Path | Sequence[str | Path], out: str | Path, *,
         speaker: Generator | Expression | None = None, renderer: Renderer | None = None,
         control: MotionControl | None = None, motion: MotionChoice | None = None,
         lips: Articulation | str | Path = "articulation", lips_from: str | Path | np.ndarray | Sound | None = None,
         size: int = 256, paste_back: bool = False, count: int = 8, face: str = "largest", quality: str | None = None,
         background: Colour = WHITE, device: str | torch.device = "auto", progress: bool = False) -> TalkReport:
    """The video `out` (.mp4) in which the face of the references says `audio`, and beside it its motion (.npz).

    `audio` is any file with sound; `references` are pictures and clips of one person, of which `size`, `count` and `face`
    are told to `read_references`, or what that has read. `speaker` and `renderer` are the shipped `long` and `small` ones on
    `device` by default; `control` has the motion's seed and noise, `motion` what head and lids do (default, as the command:
    natural blinks and a learned head, the person's own where `references` names a clip of two seconds), `lips` who moves
    jaw and mouth, and `lips_from` the sound that the face follows while `audio` is played (say a song's vocals), as in
    `generate_landmarks`, `paste_back`, `quality` and `background` as in `render_video`. Memory does not grow with length; the
    same arguments give the same motion. ValueError, one line, for input that cannot be used; no file is then left
    half-written under its final name.

    >>> import headsync
    >>> made = headsync.talk("speech.wav", "photo.jpg", "talk.mp4")
    >>> made.frames, made.landmarks.name
    (10, 'talk.npz')
    """
    out = Path(out)
    if out.suffix.lower() != ".mp4":
        raise ValueError(f"a talk is written as .mp4, got {out}; name it {out.with_suffix('.mp4').name}")
    speaker = speaker or load_generator(device=device)
    renderer = load_renderer(device=device) if renderer is None else renderer
    given = references
    if not isinstance(references, ReferenceSet):
        references = read_references(references, count=count, face=face, size=size, background=background,
                                     progress=progress)
    audio = open_sound(audio)       # decoded once, for motion, head and video
    motion = motion or _usual_motion(given, face=face, still=isinstance(speaker, Expression))
    landmarks = out.with_suffix(".npz")
    with shown_progress(progress):
        frames = write_motion(audio, references.start(), landmarks, speaker=speaker, control=control or MotionControl(),
                              motion=motion, lips=lips, lips_from=lips_from)
    made = render_video(landmarks, references, out, audio=audio, renderer=renderer, paste_back=paste_back, quality=quality,
                        progress=progress)
    return TalkReport(out, landmarks, frames, made.wall_s, made.frames)


def _usual_motion(references: ReferenceSet | str | Path | Sequence[str | Path], *, face: str, still: bool) -> MotionChoice:
    """Blinks, and a learned head: of the person in the references' first clip, where files are given and there is one."""
    if still:
        return MotionChoice(blink="natural")
    files = [] if isinstance(references, ReferenceSet) else [references] if isinstance(references, str | Path) else references
    return MotionChoice(head="learned", blink="natural", reference=person_in(files, face=face))


@checked
def evaluate(generated: str | Path | Mapping[str, str | Path], reference: str | Path | None = None, *,
             report: str | Path | None = None, audio: str | Path | None = None, split: str | None = None,
             settings: EvaluationSettings | None = None, syncers: SyncerPyramid | str | Path = "metric",
             identity: str | Path | None = "mobilefacenet", published: str | Path | None = None,
             device: str | torch.device = "auto", progress: bool = False) -> Evaluation:
    """Every figure of generated videos or landmark files against real ones, and with `report` a folder that shows them.

    `generated` and `reference` are files, or folders whose files are named alike; several methods are compared as `{name:
    place}`. `syncers` evaluate synchrony, the face encoder `identity` likeness (None: no CSIM-S); `published` is a folder of
    published networks' weight files; `device` is auto (a GPU where there is one), cpu, cuda or cuda:N; `settings` is a
    `headsync.evaluation.EvaluationSettings`. `report` is filled with metrics.json, metrics.csv and report.html.
    A clip that cannot be evaluated is named in the result's `problems` and does not stop the others. ValueError, one line, when
    there is nothing to evaluate.

    >>> import headsync
    >>> found = headsync.evaluate("talk.mp4", "real.mp4", report="report", identity=None)
    >>> found.methods, sorted(path.name for path in Path("report").iterdir())
    (('generated',), ['metrics.csv', 'metrics.json', 'report.html'])
    """
    methods = generated if isinstance(generated, Mapping) else {"generated": generated}
    embed = None if identity is None else load_embedder(identity, device=device)
    found = evaluate_videos({name: Path(place) for name, place in methods.items()}, _path(reference), audio=_path(audio),
                            split=split, settings=settings, embed=embed, progress=progress,
                            pyramid=load_syncers(syncers, device=device) if isinstance(syncers, str | Path) else syncers,
                            published=None if published is None else load_published(Path(published)))
    if report is not None:
        write_report(report, found)
    return found


def _path(place: str | Path | None) -> Path | None:
    return None if place is None else Path(place)


@checked
def preprocess(videos: str | Path | Sequence[str | Path], out: str | Path, *, settings: PreprocessSettings | None = None,
               jobs: int = 1) -> BuildReport:
    """The corpus in `out`: clips of talking people found in folders of `videos`, with landmarks, sound and features.

    Folders are people (`videos/PERSON/x.mp4`). Run again it goes on, or adds what is new. What was left out, and why, is
    in the result's `rejections` and in `rejected.csv`. ValueError, one line, for folders without videos.

    >>> import headsync
    >>> built = headsync.preprocess("videos", "corpus")
    >>> [(clip.identity, clip.frames) for clip in built.corpus.clips]
    [('ada', 83)]
    """
    places = [videos] if isinstance(videos, str | Path) else videos
    return build_corpus(find_sources(places), out, settings=settings, jobs=jobs)


@checked
def load_settings(training: str, preset: str | Path = "base", *overrides: str) -> Any:
    """The settings of a training: `syncers`, `landmarks`, `articulation`, `expression`, `head-motion`, `renderer`,
    `close-up`, `pc-avs`, `g4g` or `encoder`.

    `preset` is `tiny`, `small`, `base`, `paper`, or a .yaml file; an override is `key=value`, as on the command line. What
    comes back is the frozen dataclass that `headsync.train_syncers` and the like take. ValueError, one line, that names
    the key or the preset that there is not.

    >>> import headsync
    >>> headsync.load_settings("syncers", "tiny", "run.steps=7").run.steps
    7
    """
    if training not in SETTINGS:
        raise ValueError(f"there is no training {training!r}; choose one of {', '.join(SETTINGS)}")
    module, name = SETTINGS[training]
    settings = getattr(import_module(module), name)     # what renders needs no training
    return load_config(settings, stage=training.replace("-", "_"), preset=preset, overrides=overrides)
