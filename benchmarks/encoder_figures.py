"""How well the face encoders distinguish people that they were not trained on, and how near they place landmarks.

    .venv/bin/python benchmarks/encoder_figures.py --data CORPUS [--encoder identity=second ...] [--frames 12]

An encoder is a shipped name or a weight file, `=` and the half of the train people that it was trained on. Printed for the val
people (most of whom have one clip: pairs are of frames at least a second apart) and for those of the other half who have
several clips (pairs of two clips): cosines of the same and of different people, ROC area, equal error rate, landmark error
in pixels of the 256 canvas and the error of the head's turn. For CSIM see identity_figures.py. Beside each
encoder stands one of the same form that has learned nothing: what lamps, walls and the crop alone tell.
"""

import argparse

import numpy as np
import torch

from headsync.corpus import Clip, Corpus, open_corpus
from headsync.metrics.verification import pair_cosines, verify
from render_stage.identity.data import read_faces, unseen_clips
from render_stage.identity.face_encoder import FaceEncoder, load_face_encoder
from render_stage.identity.training import encoder_answers

SHIPPED = ("perceptual=first",)
STRIDE = 3


def show(name: str, encoder: FaceEncoder, corpus: Corpus, clips: list[Clip], *, frames: int, two_clips: bool) -> None:
    """A line of the table."""
    faces = read_faces(corpus, clips, stride=STRIDE, most=frames)
    answers = encoder_answers(encoder, faces)
    pairs = pair_cosines(answers.embeddings, faces.person, faces.clip, faces.frame)
    genuine = pairs.other_clip if two_clips else pairs.genuine
    told = verify(genuine, pairs.impostor)
    print(f"| {name} | {faces.people} people, {len(clips)} clips, {len(faces.frame)} frames | "
          f"{told.genuine_mean:.3f} ± {told.genuine_std:.3f} ({len(genuine)}) | "
          f"{told.impostor_mean:.3f} ± {told.impostor_std:.3f} ({len(pairs.impostor)}) | {told.roc_area:.4f} | "
          f"{told.equal_error:.1%} | {np.mean(answers.landmark_px):.2f} | {np.mean(answers.turn_deg):.2f} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="CORPUS")
    parser.add_argument("--encoder", nargs="+", default=SHIPPED, metavar="NAME=HALF", help="half: first, second or all")
    parser.add_argument("--frames", type=int, default=12, help="of each clip, at most")
    options = parser.parse_args()
    corpus = open_corpus(options.data)
    print("| encoder, people | seen | same person | different people | ROC area | equal error | landmarks px | turn ° |")
    print("|---|---|---|---|---|---|---|---|")
    for named in options.encoder:
        name, _, half = named.rpartition("=")
        encoder = load_face_encoder(name)
        torch.manual_seed(0)
        untrained = FaceEncoder(encoder.settings).eval()
        val = list(corpus.select("val"))
        others = [clip for clip in unseen_clips(corpus, half) if clip.split != "val"]
        for title, one in ((name, encoder), (f"untrained {encoder.settings.view}", untrained)):
            show(f"{title}, val", one, corpus, val, frames=options.frames, two_clips=False)
            if others:
                show(f"{title}, the other half in two clips", one, corpus, others, frames=options.frames, two_clips=True)


if __name__ == "__main__":
    main()
