"""A new voice over what else sounded in a video, as one file.

Shapes: n samples of a piece, 2 channels.
"""

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from headsync.media.audio import decode_audio
from headsync.media.containers import audio_stream, media_url, open_media, shown_name

MIX_RATE_HZ = 48000
PIECE = 4800
SIDE_DB = -30.0             # of the whole: a stereo sound whose sides are this loud has a background apart from the voice
_log = logging.getLogger(__name__)


def mixed_sound(voice: Path | str, video: Path | str, out: Path, *, bed_db: float, seconds: Fraction) -> Path:
    """Returns `out` (.flac), `seconds` long: the voice, and under it the video's own sound `bed_db` louder, from its start.

    Of stereo sound that has more than a middle, the middle, where voices are, is taken out; of other sound the
    old voice stays, and a note says so. Peaks are limited to full scale. ValueError for a video without sound.
    """
    with open_media(video) as container:
        stream = audio_stream(container)
        if stream is None:
            raise ValueError(f"{shown_name(video)}: there is no sound in this video; leave --keep-sound-bed out")
        stereo = stream.codec_context.channels >= 2
    sides = stereo and _side_db(video) > SIDE_DB
    if not sides:
        _log.warning("%s: its background cannot be told from its voice (%s); the old voice stays under the new one",
                     shown_name(video), "one middle" if stereo else "mono")
    total, gain = round(seconds * MIX_RATE_HZ), np.float32(10 ** (bed_db / 20))
    voices, beds = (_pieces(path, total) for path in (voice, video))
    with av.open(media_url(out), "w", format="flac") as output:
        target = output.add_stream("flac", rate=MIX_RATE_HZ, layout="stereo")
        for start, (new, old) in zip(range(0, total, PIECE), zip(voices, beds)):
            under = (old[:1] - old[1:]) / 2 * np.array([[1], [-1]], np.float32) if sides else old
            mixed = np.clip(new + gain * under, -1, 1)                                      # (2, n)
            samples = np.ascontiguousarray(np.rint(mixed * 32767).astype(np.int16).T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate, frame.time_base, frame.pts = MIX_RATE_HZ, Fraction(1, MIX_RATE_HZ), start
            output.mux(target.encode(frame))
        output.mux(target.encode(None))
    return out


def _pieces(path: Path | str, total: int) -> Iterator[np.ndarray]:
    """Pieces (2, n) of `PIECE` samples, silence after the end, `total` samples in all."""
    held, sent = np.zeros((2, 0), np.float32), 0
    for piece in decode_audio(path, rate_hz=MIX_RATE_HZ, layout="stereo"):
        held = np.concatenate([held, piece], axis=1)
        while held.shape[1] >= PIECE and sent < total:
            yield held[:, : min(PIECE, total - sent)]
            held, sent = held[:, PIECE:], sent + PIECE
        if sent >= total:
            return
    while sent < total:
        count = min(PIECE, total - sent)
        yield np.pad(held[:, :count], ((0, 0), (0, count - min(count, held.shape[1]))))
        held, sent = held[:, count:], sent + count


def _side_db(path: Path | str) -> float:
    """How loud the difference of two channels is against their sum, in dB."""
    power = np.full(2, 1e-12)
    for piece in decode_audio(path, rate_hz=16000, layout="stereo"):
        power += np.square([piece[0] - piece[1], piece[0] + piece[1]], dtype=np.float64).sum(1)
    return float(10 * np.log10(power[0] / power[1]))
