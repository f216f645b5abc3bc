"""Made-up people who talk in perfect sync: landmarks and feature rows that hang together, for the syncers' tests."""

import numpy as np
import torch

from headsync.corpus import Clip, Corpus, open_corpus
from headsync.corpus.corpus import write_table
from headsync.landmarks import LandmarkSequence, canonical_face, smooth
from syncers import SyncSample
from syncers.data import NamedSample


def made_up_sample(frames: int, *, seed: int) -> SyncSample:
    """A face of its own shape whose mouth and head follow a random curve that is also the sound's loudness."""
    numbers = np.random.default_rng(seed)
    curve = smooth(numbers.standard_normal((4 * frames + 400, 1)), 9)[200:-200, 0] * 3            # (4T,)
    slow = smooth(numbers.standard_normal((4 * frames + 400, 1)), 101)[200:-200, 0] * 10
    opening, nod = curve.reshape(frames, 4).mean(1), (slow + 0.5 * curve).reshape(frames, 4).mean(1)
    face = canonical_face() / 256 + 0.004 * numbers.standard_normal((68, 3)).astype(np.float32)
    points = np.repeat(face[None], frames, 0)                                                   # (T, L, 3)
    points[:, [*range(55, 60), *range(64, 68)], 1] += 0.012 * opening[:, None]
    points[:, 6:11, 1] += 0.008 * opening[:, None]
    points[..., 1] += 0.01 * nod[:, None]
    points += 0.0006 * numbers.standard_normal(points.shape)
    tilt = np.linspace(1, 0, 26)[None] * curve[:, None] * 2 + np.linspace(0, 1, 26)[None] * slow[:, None]
    rows = -10 + tilt + 0.3 * numbers.standard_normal((4 * frames, 26))
    return SyncSample(torch.from_numpy(points.reshape(frames, -1).astype(np.float32)),
                      torch.from_numpy(rows.astype(np.float32)))


def made_up_people(count: int, frames: int, *, seed: int = 0) -> list[NamedSample]:
    """`count` people with a clip each."""
    return [NamedSample(f"clip{number}", f"person{number}", made_up_sample(frames, seed=1000 * seed + number))
            for number in range(count)]


def write_corpus(folder, samples_by_split: dict[str, list[NamedSample]]) -> Corpus:
    """A corpus folder (landmarks, features, manifest; no pictures) that holds the made-up people."""
    clips = []
    for name in ("landmarks", "features"):
        (folder / name).mkdir(parents=True)
    for split, samples in samples_by_split.items():
        for one in samples:
            points = 256 * one.sample.flat.reshape(-1, 68, 3).numpy()
            T = len(points)
            LandmarkSequence(points=points, visible=np.ones(T, bool), fps=25.0, size=(256, 256),
                             crop=(0, 0, 256, 256)).save(folder / "landmarks" / f"{one.name}.npz")
            np.save(folder / "features" / f"{one.name}.npy", one.sample.rows.numpy())
            clips.append(Clip(clip=one.name, identity=one.identity, split=split, frames=T, source=one.name, start_s=0.0,
                              has_audio=True, av_offset=0, face_rate=1.0, face_height_px=128.0, rival=0.0,
                              lip_audio_corr=0.0, lip_audio_lag=0, audio_dbfs=-20.0, lip_range=0.1))
    write_table(folder / "manifest.csv", Clip, clips)
    return open_corpus(folder)
