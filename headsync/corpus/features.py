"""Audio features of a corpus's clips, of any kind: made when a training first asks for them, or by preprocessing.

Shapes: T video frames, R rows of a kind, F features.
"""

from collections.abc import Sequence

import numpy as np

from headsync.corpus.corpus import Clip, Corpus, save_array
from headsync.media import measure_level, read_audio, remove_left_behind, tracked
from headsync.media.kinds import FeatureName, feature_kind


def add_features(corpus: Corpus, clips: Sequence[Clip], kind: FeatureName) -> int:
    """Write the features that these clips of a corpus lack, (R, F) each, and say how many; a stopped run goes on.

    Clips without sound are passed over. ValueError for an unknown kind.
    """
    form = feature_kind(kind)
    waiting = [clip for clip in clips if clip.has_audio and not corpus.feature_path(clip, kind).is_file()]
    if not waiting:
        return 0
    folder = corpus.feature_path(waiting[0], kind).parent
    folder.mkdir(exist_ok=True)
    remove_left_behind([folder])
    listen = form.listener()
    for clip in tracked(waiting, f"{kind} features", unit="clip"):
        waveform = read_audio(corpus.audio_path(clip))
        stream = listen(measure_level(waveform))
        rows = np.concatenate([stream.push(waveform), stream.finish()])     # (R, F)
        save_array(corpus.feature_path(clip, kind), rows.astype(corpus.feature_type(kind)))
    return len(waiting)
