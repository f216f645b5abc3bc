"""Live sessions: every frame has its own sound, lips rest when told to, what is late loses its picture and nothing else."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from headsync.landmarks import canonical_face, lip_shapes
from headsync.landmarks.motion.lower_face import LOWER_FACE
from headsync.live import FrameClock, open_session
from headsync.live import session as live
from render_stage.references import Reference

AHEAD = 6
CHIN, LIPS = LOWER_FACE.index(8), [LOWER_FACE.index(one) for one in (55, 56, 57, 58, 59, 65, 66, 67)]


class LoudnessLips:
    """A stream in place of the learner's: lips are open as far as the sound is loud, six frames later."""

    def __init__(self):
        self._held, self._waiting = np.zeros(0), []

    def push(self, samples):
        self._waiting.append(float(np.abs(samples).max()))
        ready = self._waiting[:-AHEAD] if len(self._waiting) > AHEAD else []
        self._waiting = self._waiting[len(ready):]
        made = torch.zeros(len(ready), len(LOWER_FACE), 3)
        for number, loud in enumerate(ready):
            made[number, [CHIN, *LIPS], 1] = 20 * loud
        return made


class Drawn:
    """A renderer that remembers the landmarks it was given."""

    def __init__(self):
        self.points = []

    def prepare(self, references):
        return references

    def frames(self, identity, drive):
        self.points += [*drive.points]
        return np.zeros((len(drive.points), 8, 8, 3), np.uint8)


@pytest.fixture
def session(monkeypatch):
    face = canonical_face().astype(np.float32)
    face[[61, 62, 63, 65, 66, 67], 1] = face[[61, 62, 63, 65, 66, 67], 1].mean() + np.repeat([-0.5, 0.5], 3)
    neutral = torch.from_numpy(face[list(LOWER_FACE)])
    lips = SimpleNamespace(neutral=lambda face: neutral, basis=torch.zeros(1), look_ahead_frames=AHEAD)
    monkeypatch.setattr(live, "lip_stream", lambda lips, level: LoudnessLips())
    monkeypatch.setattr(live, "load_lips", lambda name, device: lips)
    reference = Reference(np.zeros((8, 8, 3), np.uint8), face, np.zeros((468, 3), np.float32))
    return open_session(reference, renderer=Drawn(), seed=3, block_frames=1)


def openings(session):
    return lip_shapes(np.array(session.renderer.points)).opening


def loud(frames, level=0.5):
    return level * np.ones(640 * frames, np.float32)


def test_every_frame_carries_its_own_sound(session):
    sound = np.random.default_rng(2).uniform(-0.5, 0.5, 640 * 31).astype(np.float32)
    for part in np.split(sound, [100, 7000, 7001, 15000]):
        session.push(part)
    frames = [session.next_frame() for _ in range(31)]
    assert np.array_equal(np.concatenate([one.sound for one in frames]), sound)
    assert [one.number for one in frames] == [*range(31)] and all(one.speaking for one in frames)
    assert frames[30].time_s == pytest.approx(30 / 25) and session.look_ahead_frames == AHEAD


def test_silence_follows_where_nothing_is_pushed_and_sound_is_not_lost(session):
    assert not any(session.next_frame().speaking for _ in range(9))
    session.push(loud(3))
    frames = [session.next_frame() for _ in range(20)]
    speaking = [one.number for one in frames if one.speaking]
    assert speaking == [9 + AHEAD + k for k in range(3)]        # behind the silence that was taken ahead
    assert sum(np.abs(one.sound).sum() for one in frames) == pytest.approx(3 * 640 * 0.5)


def test_lips_open_with_their_sound_and_rest_without(session):
    for _ in range(10):
        session.next_frame()
    session.push(loud(15))
    for _ in range(60):
        session.next_frame()
    seen = openings(session)
    assert seen[:10].max() < 0.05 and seen[10 + AHEAD : 10 + AHEAD + 15].min() > 0.1 and seen[40:].max() < 0.05


def test_an_interruption_brings_the_mouth_to_rest_within_200_ms_without_a_jump(session):
    session.push(loud(100))
    for _ in range(20):
        session.next_frame()
    assert session.interrupt() == pytest.approx(80 * 0.04)
    frames = [session.next_frame() for _ in range(12)]
    seen = openings(session)[19:]
    assert seen[0] > 0.1 and seen[5:].max() < 0.05 and np.abs(np.diff(seen)).max() < 0.6 * seen[0]
    assert not any(one.speaking for one in frames)
    session.push(loud(20))
    for _ in range(AHEAD + 15):
        session.next_frame()
    assert openings(session)[-1] > 0.1


def test_idle_faces_blink_and_drift_without_a_jump_when_speech_begins(session):
    for _ in range(300):
        session.next_frame()
    session.push(loud(20, 0.2))
    for _ in range(100):
        session.next_frame()
    points = np.array(session.renderer.points)
    nose = points[:, 30, :2]
    assert 0.3 < nose.std(0).max() < 6 and np.abs(np.diff(nose, axis=0)).max() < 0.6
    lids = points[:, 41, 1] - points[:, 37, 1]
    assert lids.min() < 0.3 * np.median(lids)


def test_late_frames_lose_their_picture_and_keep_their_sound(session):
    time = [0.0]
    clock = FrameClock(lambda: time[0], lambda seconds: time.__setitem__(0, time[0] + seconds))
    session.push(np.arange(640 * 20, dtype=np.float32) / 20000)
    frames = session.frames(clock)
    taken = [next(frames)]
    time[0] += 0.5
    taken += [next(frames) for _ in range(19)]
    missing = [one.number for one in taken if one.picture is None]
    assert missing == [*range(1, 12)] and session.dropped == 11
    assert np.array_equal(np.concatenate([one.sound for one in taken]), np.arange(640 * 20, dtype=np.float32) / 20000)


def test_asyncio_gets_the_same_frames(session):
    async def some():
        found = []
        session.push(loud(4))
        async for frame in session.async_frames():
            found.append(frame)
            if len(found) == 5:
                return found

    frames = asyncio.run(some())
    assert [one.number for one in frames] == [0, 1, 2, 3, 4] and [one.speaking for one in frames] == [True] * 4 + [False]


def test_a_flush_gives_what_the_resampler_holds(session):
    session.queue.__init__(44100)
    session.push(loud(10)[: 441 * 10])
    session.flush()
    assert abs(len(session.queue.take(10**6)) - 1600) < 32


def test_more_sound_than_may_wait_is_refused_and_the_session_lives(session):
    with pytest.raises(ValueError, match="take frames"):
        session.push(loud(25 * 31))
    session.push(loud(2))
    assert session.next_frame().speaking


def test_frames_that_are_drawn_side_by_side_are_the_same_one_frame_later(session, monkeypatch):
    face = session._start
    reference = Reference(np.zeros((8, 8, 3), np.uint8), face, np.zeros((468, 3), np.float32))
    pairs = open_session(reference, renderer=Drawn(), seed=3, block_frames=2)
    assert pairs.look_ahead_frames == session.look_ahead_frames + 1
    for one in (session, pairs):
        one.push(loud(12))
        frames = [one.next_frame() for _ in range(20)]
        assert [frame.speaking for frame in frames] == [True] * 12 + [False] * 8
        assert [frame.number for frame in frames] == [*range(20)]
    assert np.array_equal(session.renderer.points, pairs.renderer.points)
    pairs.push(loud(9))
    pairs.next_frame()
    assert pairs.interrupt() == pytest.approx(9 * 0.04) and pairs.next_frame().number == 21
    with pytest.raises(ValueError, match="at least 1"):
        open_session(reference, renderer=Drawn(), block_frames=0)
