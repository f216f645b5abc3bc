"""A face that listens: sound is pushed as it comes, frames are pulled with the sound that belongs to them.

Shapes: P pixels a side, L = 68 landmarks, n samples.
Each frame carries its own 640 samples of 16 kHz, so picture and sound cannot drift apart: whoever plays them plays both.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from headsync import media
from headsync.landmarks.motion import natural_blinks
from headsync.landmarks.motion.blinks import blinked
from headsync.landmarks.motion.compose import anchored, head_track, reposed
from headsync.live.clock import FrameClock
from headsync.live.input import SampleQueue
from landmark_stage.articulation.generate import LipsOnMotion, lip_stream, load_lips
from landmark_stage.articulation.network import Articulation
from landmark_stage.idle import IdleHead
from render_stage import Drive, Renderer, load_renderer, read_references
from render_stage.references import Reference

LATE_FRAMES = 1.0           # by which a frame is late before its picture is left out
SPEECH_LOUDNESS = 0.75      # log10 mel energy where no level was measured: a guess; 50 corpus clips have .4 to 1.9
SILENT_PEAK = 1e-4          # samples below which nobody speaks


class LiveFrame(NamedTuple):
    """One frame, 40 ms: what is seen and what plays with it."""

    number: int
    time_s: float                   # since the session's first frame
    picture: np.ndarray | None      # (P, P, 3) uint8; None where it came too late to be drawn
    sound: np.ndarray               # (640,) float32 of 16 kHz: what plays while it is seen
    speaking: bool                  # whether any of that was pushed and is no silence


class _Drawn(NamedTuple):
    """A frame that waits to be taken."""

    picture: np.ndarray | None
    sound: np.ndarray       # (640,)
    pushed: int             # how many of its samples were


class LiveSession:
    """One face. `push` may be called by another thread than the one that takes frames."""

    def __init__(self, reference: Reference, *, renderer: Renderer, lips: Articulation, level: media.Level, rate_hz: int,
                 seed: int, most_s: float, block_frames: int):
        self.queue, self.renderer, self.lips, self.level = SampleQueue(rate_hz, most_s=most_s), renderer, lips, level
        if block_frames < 1:
            raise ValueError(f"a session draws at least 1 frame at a time, got block_frames={block_frames}")
        self._identity, self._block = renderer.prepare([reference]), block_frames
        self._start = np.asarray(reference.points, np.float32)
        self._mouth, self._rest = LipsOnMotion(self._start, lips), anchored(head_track(self._start[None]))
        self._head = IdleHead(seed)
        self._lids = chain.from_iterable(natural_blinks(torch.Generator().manual_seed(seed)))
        self._lock, self._number, self._dropped = threading.Lock(), 0, 0
        self._listen()

    @property
    def look_ahead_frames(self) -> int:
        """How many frames of sound come before a frame can be shown: the latency, computing aside."""
        return self.lips.look_ahead_frames + self._block - 1

    @property
    def dropped(self) -> int:
        """How many frames had no picture, since they came too late."""
        return self._dropped

    def push(self, samples: np.ndarray | bytes) -> float:
        """Seconds of sound that wait now, after samples more. ValueError as `SampleQueue.push`."""
        return self.queue.push(samples)

    def flush(self) -> None:
        """The sound pauses here: nothing of it is held back, silence follows until more is pushed."""
        self.queue.end()

    def interrupt(self) -> float:
        """Seconds of sound that are thrown away: what waits and what was taken ahead. The mouth is at rest within 200 ms."""
        with self._lock:
            ahead = sum(pushed for _, pushed in self._sounds) + sum(one.pushed for one in self._drawn)
            gone = self.queue.clear() + ahead / media.SAMPLE_RATE_HZ
            self._listen()
            return gone

    def next_frame(self, *, draw: bool = True) -> LiveFrame:
        """The next frame; where no sound waits, silence is taken. Without `draw` only time goes on."""
        with self._lock:
            if not self._drawn:
                self._draw(draw)
            picture, sound, pushed = self._drawn.popleft()
            number, self._number = self._number, self._number + 1
            self._dropped += picture is None
        return LiveFrame(number, number / media.FPS, picture, sound, bool(pushed and np.abs(sound).max() > SILENT_PEAK))

    def _draw(self, draw: bool) -> None:
        """The next frames, drawn side by side, or only their sound."""
        points, sounds = [], []
        for _ in range(self._block):
            while not self._offsets:
                self._take_sound()
            points.append(self._points(self._offsets.popleft()))
            sounds.append(self._sounds.popleft())
        drive = Drive(np.concatenate(points))
        pictures = self.renderer.frames(self._identity, drive) if draw else [None] * self._block
        self._drawn.extend(_Drawn(picture, *sound) for picture, sound in zip(pictures, sounds))

    def frames(self, clock: FrameClock | None = None) -> Iterator[LiveFrame]:
        """Frames without end, each when it is due; one that is late by more than a frame comes without its picture."""
        clock = clock or FrameClock()
        while True:
            late = clock.wait(self._number)
            yield self.next_frame(draw=late * media.FPS <= LATE_FRAMES)

    async def async_frames(self, clock: FrameClock | None = None) -> AsyncIterator[LiveFrame]:
        """`frames` for asyncio: waiting and drawing leave the event loop free."""
        clock = clock or FrameClock()
        while True:
            left = clock.due(self._number)
            if left > 0:
                await asyncio.sleep(left)
            yield await asyncio.to_thread(self.next_frame, draw=-left * media.FPS <= LATE_FRAMES)

    def _listen(self) -> None:
        """From here on another sound is taken; the mouth goes over into it."""
        self._stream = lip_stream(self.lips, level=self.level)
        self._offsets: deque[torch.Tensor] = deque()
        self._sounds: deque[tuple[np.ndarray, int]] = deque()       # samples, and how many of them were pushed
        self._drawn: deque[_Drawn] = deque()
        self._mouth.restart()

    def _take_sound(self) -> None:
        """Another frame of sound goes to the lips."""
        taken = self.queue.take(media.SAMPLES_PER_FRAME)
        sound = np.pad(taken, (0, media.SAMPLES_PER_FRAME - len(taken)))
        self._sounds.append((sound, len(taken)))
        self._offsets.extend(self._stream.push(sound))

    def _points(self, offsets: torch.Tensor) -> np.ndarray:
        """Landmarks (1, 68, 3) of the newest frame."""
        points = self._mouth.placed(self._start[None], offsets[None].numpy())
        points = blinked(points, np.array([next(self._lids)]))
        return reposed(points, self._start, self._rest + self._head.next(1))


@media.checked
def open_session(refs: str | Path | Reference, *, renderer: Renderer | None = None, lips: Articulation | str | Path = "live",
                 level: media.Level | None = None, rate_hz: int = media.SAMPLE_RATE_HZ, size: int = 256, seed: int = 0,
                 most_s: float = 30.0, block_frames: int = 2, device: str | torch.device = "auto") -> LiveSession:
    """A session for the face in a picture or clip, ready for sound of `rate_hz` samples a second (8000 to 48000).

    `level` is how loud the voice will be (`headsync.measure_level` of a few seconds of it; a usual voice by default). `most_s`
    seconds of sound may wait. `block_frames` are drawn side by side, one a core, and wait for each other's sound: one frame of
    latency for each but the first. Head and lids move by themselves, `seed` says how. ValueError, one line, for what cannot be
    read.

    >>> import headsync
    >>> session = headsync.open_session("photo.jpg")
    >>> session.push(headsync.read_audio("speech.wav")) > 0
    True
    >>> frame = session.next_frame()
    >>> frame.picture.shape, frame.sound.shape
    ((256, 256, 3), (640,))
    """
    renderer = renderer or load_renderer(device=device)
    reference = refs if isinstance(refs, Reference) else read_references(refs, count=1, size=size).on_canvas()[0]
    return LiveSession(reference, renderer=renderer, lips=load_lips(lips, device=device),
                       level=level or media.Level(0.0, 1.0, SPEECH_LOUDNESS), rate_hz=rate_hz, seed=seed, most_s=most_s,
                       block_frames=block_frames)
