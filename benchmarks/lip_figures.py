"""Figures of generated lips, beside real ones: the tables of docs/results/lips.md.

    .venv/bin/python benchmarks/lip_figures.py --data CORPUS [--split val] [--lips NAME_OR_FILE ...] [--closures X ...]
        [--syncers metric]

Every clip of the split is generated anew from its first frame and its own audio, by the shipped landmark generator with each
of the lips (default: articulation, live and generator), closed by each of `--closures`. Printed for all clips and those whose
first frame is shut: share of frames closed and crossed, correlation over clips of the mean opening with the first frame's,
correlations over time with the real lips, closures, deviation and 95th percentile as shares of the real ones; then |AV-Off|
and AV-Conf by the syncers (default metric) at four time scales.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headsync.corpus import Clip, Corpus, open_corpus
from headsync.landmarks import LandmarkSequence
from headsync.landmarks.geometry import frontal
from headsync.landmarks.lips import CLOSED, LipShapes, lip_shapes
from headsync.landmarks.motion import compose_motion
from headsync.media import SAMPLES_PER_FRAME, in_step, read_audio
from headsync.metrics.lips import lip_agreement, lip_levels
from landmark_stage import generate_landmarks, load_generator, load_lips
from landmark_stage.ms_sync.validate import synchrony
from syncers import as_sync_sample, load_syncers

LEAST_FRAMES = 40


def material(corpus: Corpus, clip: Clip) -> tuple[LandmarkSequence, np.ndarray]:
    """A clip's landmarks and waveform, in sync, equally long."""
    sequence, sound = corpus.landmarks(clip), read_audio(corpus.audio_path(clip))
    shown, spoken = in_step(len(sequence), len(sound) // SAMPLES_PER_FRAME, clip.av_offset)
    return sequence.slice(shown.start, shown.stop), sound[spoken.start * SAMPLES_PER_FRAME : spoken.stop * SAMPLES_PER_FRAME]


def closed(made: LandmarkSequence, closure: float) -> LandmarkSequence:
    """What `--lip-closure` makes of a motion."""
    return made.replace(points=np.concatenate(list(compose_motion([made.points], made.points[0], lip_closure=closure))))


def line(name: str, made: Sequence[LipShapes], real: Sequence[LipShapes]) -> str:
    """A row of the table on lips."""
    found, levels = lip_agreement(made, real), lip_levels([one.opening for one in made], [one.opening for one in real])
    cells = [f"{levels.closed:.2f}", f"{levels.crossed:.3f}", f"{levels.first_r:.2f}",
             f"{found.opening_r:.2f} / {found.width_r:.2f} / {found.thickness_r:.2f}",
             f"{found.closure_recall:.2f} ({found.recall_chance:.2f})",
             f"{found.closure_precision:.2f} ({found.precision_chance:.2f})", f"{levels.deviation:.2f} / {levels.p95:.2f}"]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--lips", nargs="+", default=["articulation", "live", "generator"])
    parser.add_argument("--syncers", default="metric")
    parser.add_argument("--closures", type=float, nargs="+", default=[0.0], help="values of --lip-closure, a row each")
    options = parser.parse_args()
    corpus, generator, syncers = open_corpus(options.data), load_generator(), load_syncers(options.syncers)
    clips = [clip for clip in corpus.select(options.split, talking=True)
             if clip.sync != "unsure" and clip.frames >= LEAST_FRAMES]
    pairs = [material(corpus, clip) for clip in clips]
    real = [lip_shapes(frontal(sequence.points)) for sequence, _ in pairs]
    motions = {"real": [sequence for sequence, _ in pairs]}
    for lips in options.lips:
        learner = load_lips(lips) or lips
        made = [generate_landmarks(sound, sequence.slice(0, 1), generator=generator, lips=learner) for sequence, sound in pairs]
        for closure in options.closures:
            motions[f"{lips}, closure {closure:g}" if closure else lips] = [closed(one, closure) for one in made]
    shapes = {name: [lip_shapes(frontal(one.points)) for one in made] for name, made in motions.items()}
    shut = [number for number, one in enumerate(real) if one.opening[0] < CLOSED]
    for title, chosen in ((f"all {len(clips)} clips", range(len(clips))), (f"{len(shut)} clips with a shut start", shut)):
        print(f"\n| {title} | closed | crossed | r of mean with first | r of opening / width / thickness | "
              "closures: recall (chance) | precision (chance) | deviation / 95th percentile |")
        for name, made in shapes.items():
            print(line(name, [made[number] for number in chosen], [real[number] for number in chosen]))
    print("\n| | 200 ms: off / conf | 400 ms | 800 ms | 1600 ms |")
    for name, made in motions.items():
        samples = [as_sync_sample(sound, one, features=syncers.features) for one, (_, sound) in zip(made, pairs)]
        found = synchrony(syncers, samples)
        cells = [f"{off:.2f} / {conf:.2f}" for off, conf in zip(found.offset, found.confidence)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
