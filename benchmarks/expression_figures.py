"""Figures of the expression learner: the tables of docs/results/lips.md on it.

    .venv/bin/python benchmarks/expression_figures.py --data CORPUS [--split val] [--weights FILE] [--frames 80]

Printed: the error of the mouth (mean distance of its 20 points, frontal, x and y, in canonical pixels) for every
talking clip's sound and its face at rest, beside a face held at rest, the mean face, each clip's own mean face (which knows the
answer's mean, so that the learner is also shown with that mean known to it) and the nearest neighbour in sound; and synchrony
at 200 ms by the metric syncers beside real faces, still ones and MS-Sync's generator, from each piece's first face.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from headsync.corpus import open_corpus
from headsync.landmarks.geometry import frontal
from landmark_stage import load_expression, load_generator, start_face
from landmark_stage.clip_sound import clip_sound
from landmark_stage.expression.data import ExpressionClip, read_expressions
from landmark_stage.expression.faces import face_at_rest, mouth_opening
from landmark_stage.expression.generate import ExpressionStream, own_face, spoken_faces
from landmark_stage.expression.network import Expression, padded
from landmark_stage.expression.train import mouth_error, predicted_faces
from landmark_stage.ms_sync.data import read_tracks
from landmark_stage.ms_sync.validate import Piece, generated, pieces_of, synchrony
from syncers import load_syncers, static

NEIGHBOURS, SEED = 20_000, 7        # windows of train people that are searched
CANVAS, REFERENCE = 256, 64


def nearest_faces(model: Expression, train: Sequence[ExpressionClip]) -> Callable[[ExpressionClip], Tensor]:
    """Faces (T, 204) with the expression of the train frame whose window of sound is nearest to each frame's."""
    chosen = np.random.default_rng(SEED).permutation(sum(len(one.faces) for one in train))[:NEIGHBOURS]
    windows = torch.cat([windows_of(model, one) for one in train])[chosen]                           # (N, 28 * 26)
    moved = torch.cat([one.faces - one.rest for one in train])[chosen]

    def find(clip: ExpressionClip) -> Tensor:
        return clip.rest + moved[torch.cdist(windows_of(model, clip), windows).argmin(1)]

    return find


def windows_of(model: Expression, clip: ExpressionClip) -> Tensor:
    """The windows (T, 28 * 26 or 14 * 384) that a clip's frames take; half precision saves memory."""
    sound = padded(model.standard_sound(clip.sound)[None], model)
    return sound.unfold(1, model.window_steps, model.per_frame)[0].flatten(1)


def measure_mouths(model: Expression, clips: Sequence[ExpressionClip], train: Sequence[ExpressionClip]) -> None:
    """The table of mouth errors: mean over clips, mean over frames, share of clips where the learner is better."""
    mean = torch.cat([one.faces - one.rest for one in train]).mean(0)
    methods = {"expression learner": lambda one: predicted_faces(model, one),
               "expression learner, the clip's mean face known": lambda one: levelled(predicted_faces(model, one), one.faces),
               "held at rest": lambda one: one.rest.expand_as(one.faces),
               "mean face": lambda one: (one.rest + mean).expand_as(one.faces),
               "the clip's own mean face": lambda one: one.faces.mean(0).expand_as(one.faces),
               "nearest neighbour in sound": nearest_faces(model, train)}
    frames = [len(one.faces) for one in clips]
    errors = {name: np.array([mouth_error(make(one), one.faces) for one in clips]) for name, make in methods.items()}
    print(f"| mouth error, {len(clips)} clips, {sum(frames)} frames | mean of clips, px | of frames, px | learner is better |")
    print("|---|---|---|---|")
    ours = errors["expression learner"]
    for name, found in errors.items():
        per_frame = np.average(found, weights=frames)
        print(f"| {name} | {found.mean():.2f} | {per_frame:.2f} | {(ours < found).mean():.0%} |", flush=True)
    measure_motion([predicted_faces(model, one) for one in clips], [one.faces for one in clips])


def levelled(made: Tensor, real: Tensor) -> Tensor:
    """Faces (T, 204) with the mean of the real ones: a prediction beside a mean that knows the answer's."""
    return made - made.mean(0) + real.mean(0)


def measure_motion(made: Sequence[Tensor], real: Sequence[Tensor]) -> None:
    """How large motion is beside the real one, and how mouths' openings go together."""
    openings = [(mouth_opening(one.numpy()), mouth_opening(other.numpy())) for one, other in zip(made, real)]
    opening = np.mean([one.std() for one, _ in openings]) / np.mean([other.std() for _, other in openings])
    whole = np.mean([float(one.std(0).mean() / other.std(0).mean()) for one, other in zip(made, real)])
    alike = np.mean([np.corrcoef(*pair)[0, 1] for pair in openings])
    print(f"\nshare of the real deviation: mouth opening {opening:.0%}, all points {whole:.0%}; correlation of openings "
          f"{alike:.2f}", flush=True)


def spoken(model: Expression, piece: Piece, sound: Tensor) -> Tensor:
    """The motion (T, 204), canvas shares, of a piece's first face that says its sound, as the model takes it."""
    points = CANVAS * piece.real.flat[:1].unflatten(1, (68, 3)).numpy()
    start = start_face().replace(points=points)
    stream = ExpressionStream(model, torch.from_numpy(frontal(points)).flatten())
    made = np.concatenate(list(spoken_faces([stream.push(sound), stream.finish()], start)))
    return torch.from_numpy(made / CANVAS).flatten(1)


def measure_with_reference(model: Expression, clips: Sequence[ExpressionClip], train: Sequence[ExpressionClip]) -> None:
    """The same after a reference of 64 frames with its sound, on what comes after it; 32 frames and more."""
    mean, per_frame = torch.cat([one.faces - one.rest for one in train]).mean(0), model.per_frame
    long = [one for one in clips if len(one.faces) >= REFERENCE + 32]
    nearest = nearest_faces(model, train)
    errors: dict[str, list[float]] = {}
    for one in long:
        person = own_face(model, one.faces[:REFERENCE], one.sound[: per_frame * REFERENCE])
        rest = torch.from_numpy(face_at_rest(one.faces[:REFERENCE].numpy()))
        known = one._replace(rest=rest)
        real = one.faces[REFERENCE:]
        ours = person - rest + predicted_faces(model, known)[REFERENCE:]
        made = {"expression learner": ours, "expression learner, the mean of the predicted frames known": levelled(ours, real),
                "mean face": (rest + mean)[None],
                "the reference's mean face": one.faces[:REFERENCE].mean(0, keepdim=True),
                "the clip's own mean face (after the reference)": real.mean(0, keepdim=True),
                "nearest neighbour in sound": nearest(known)[REFERENCE:]}
        for name, faces in made.items():
            errors.setdefault(name, []).append(mouth_error(faces.expand_as(real), real))
    print(f"\n| mouth error after a reference of {REFERENCE} frames, {len(long)} clips | mean, px | learner is better |")
    print("|---|---|---|")
    ours = np.array(errors["expression learner"])
    for name, found in errors.items():
        print(f"| {name} | {np.mean(found):.2f} | {(ours < np.array(found)).mean():.0%} |", flush=True)


def measure_synchrony(model: Expression, data: Path, split: str, frames: int) -> None:
    """Offset and confidence at 200 ms."""
    corpus, syncers = open_corpus(data), load_syncers("metric")
    tracks = read_tracks(corpus, split, features=syncers.features)
    clips, steps = {clip.clip: clip for clip in corpus.clips}, model.per_frame
    pieces = pieces_of(tracks, frames)
    sounds = [clip_sound(corpus, clips[one.name], model.settings.sound, len(one.flat)) for one in tracks]
    sounds = [sound[steps * at : steps * (at + frames)] for one, sound in zip(tracks, sounds)
             for at in range(0, len(one.flat) - frames + 1, frames)]      # as `pieces_of` cuts
    samples = [piece.real for piece in pieces]
    made = {"real": samples, "still face": [static(sample) for sample in samples],
            "expression learner, head still": [
                one._replace(flat=spoken(model, *pair)) for one, pair in zip(samples, zip(pieces, sounds))]}
    for name in ("long", "short"):
        motions = generated(load_generator(name), pieces, seed=1)
        made[f"MS-Sync, {name}"] = [sample._replace(flat=motion) for sample, motion in zip(samples, motions)]
    print(f"\n| 200 ms, {len(pieces)} pieces of {frames} frames | mean abs. AV-Off, frames | AV-Conf |\n|---|---|---|")
    for name, shown in made.items():
        found = synchrony(syncers, shown)
        print(f"| {name} | {found.offset[0]:.2f} | {found.confidence[0]:.2f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--weights", default="expression")
    parser.add_argument("--frames", type=int, default=80)
    options = parser.parse_args()
    corpus, model = open_corpus(options.data), load_expression(options.weights)
    clips, train = (read_expressions(corpus, split, sound=model.settings.sound) for split in (options.split, "train"))
    measure_mouths(model, clips, train)
    measure_with_reference(model, clips, train)
    measure_synchrony(model, options.data, options.split, options.frames)


if __name__ == "__main__":
    main()
