"""The train people whose manner of moving their heads is kept in the weights, for whoever gives no clip.

Shapes: B stretches, T frames, C = 6 numbers of a head, Q numbers of a code.
"""

from collections.abc import Sequence

import torch

from headsync.experiment.precision import in_float32
from landmark_stage.head_motion.data import HeadClip, audio_of, references_of
from landmark_stage.head_motion.manner import TRIALS, WINDOW_FRAMES, head_size, size_gain, windows_of
from landmark_stage.head_motion.network import TAU, HeadMotion

STILL_SHARE, WILD_SHARE = 0.2, 0.04     # of people, by size, who are not kept: whoever asks for motion sees some


@torch.no_grad()
@in_float32
def keep_people(model: HeadMotion, clips: Sequence[HeadClip]) -> HeadMotion:
    """The same model with the codes and gains of its `people`: those of `clips` who are seen talking for four seconds and more.

    Not the fifth who move least, nor those who move farther than 24 in 25 do: mostly cameras that move and detectors that
    fail. Where there are too few, people are kept several times over; without any, the typical code.
    """
    count = model.settings.people
    by_person: dict[str, list[HeadClip]] = {}
    for clip in clips:
        if clip.sound is not None and len(clip.head) >= WINDOW_FRAMES:
            by_person.setdefault(clip.identity, []).append(clip)
    found = []
    for own in by_person.values():
        device = model.motion_scale.device
        windows = torch.cat([windows_of(one.head.to(device) / model.motion_scale) for one in own])
        sounds = torch.cat([windows_of(audio_of(model, one, 0, len(one.head))[0]) for one in own])
        code, size = model.encode(references_of(own, model, frames=TAU)).mean(0), head_size(windows)
        found.append((float(size.log().mean()), code, size_gain(model, code[None], size, sounds[:TRIALS])))
    found.sort(key=lambda one: one[0])
    found = found[round(STILL_SHARE * len(found)) : round((1 - WILD_SHARE) * len(found))] or found
    for number in range(count if found else 0):
        _, code, gain = found[number * len(found) // count if count < len(found) else number % len(found)]
        model.people[number].copy_(code)
        model.people_gain[number].copy_(gain)
    return model
