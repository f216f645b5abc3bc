"""By how much sound and face slip in each stretch of a clip: a slow drift, or a place where it jumps.

Shapes: T frames, n windows of a level. Positive: the sound is late.
"""

from typing import NamedTuple

from headsync.media import FPS
from syncers.measure import PROFILES, SyncSample, level_embeddings
from syncers.model import SyncerPyramid

STRETCH_FRAMES, STEP_FRAMES = 100, 25       # four seconds, one second on
MILLISECONDS = 1000 // FPS                  # of a frame


class StretchOffset(NamedTuple):
    """What one stretch of a clip says."""

    start: int              # its first frame
    frames: int             # its length
    offset: float           # frames by which the sound is late (negative: early), below a frame
    confidence: float       # AV-Conf
    margin: float           # of the smallest distance against those more than two steps away

    @property
    def ms(self) -> float:
        """The offset in milliseconds."""
        return MILLISECONDS * self.offset


def offsets_over_time(pyramid: SyncerPyramid, sample: SyncSample, *, frames: int = STRETCH_FRAMES, step: int = STEP_FRAMES,
                      level: int = 1) -> list[StretchOffset]:
    """The offset of each stretch of `frames` frames, every `step` frames, at one level; one stretch for a shorter clip.

    The clip is embedded once. The last stretch ends with the clip. ValueError when the clip, or a stretch, is too short for
    the level, or the step is no frame.

    >>> import headsync
    >>> from syncers import as_sync_sample, offsets_over_time
    >>> found = offsets_over_time(headsync.load_syncers(), as_sync_sample("clip.mp4", "clip.npz"))
    >>> found[0].start
    0
    """
    scale = 2 ** (level - 1)
    window = pyramid.levels[level - 1].settings.channels.window
    least = scale * (window + 2)            # three windows, the least that can be shifted against each other
    frames = min(frames, len(sample.flat))
    if frames < least or step < 1:
        raise ValueError(f"stretches of {frames} frames every {step} cannot be measured at level {level}; give {least} "
                         "frames or more, every one or more")
    motion, audio = level_embeddings(pyramid, sample)[level - 1]
    last = len(sample.flat) - frames
    found = []
    for start in [*range(0, last, step), last]:
        first, count = start // scale, frames // scale - window + 1
        first = min(first, len(motion) - count)
        profile = PROFILES["valid"](motion[first : first + count], audio[first : first + count])
        found.append(StretchOffset(start, frames, scale * profile.fine_offset, profile.confidence, profile.margin))
    return found
