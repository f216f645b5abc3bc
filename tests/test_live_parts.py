"""What a live session is made of: waiting sound, the clock of frames, the head that nobody moves."""

import numpy as np
import pytest

from headsync import media
from headsync.live import FrameClock, SampleQueue
from landmark_stage.idle import PERIODS_S, IdleHead


def tone(rate, seconds, hz=220.0):
    return np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_sound_of_any_rate_waits_as_16_khz(rate):
    queue, wave = SampleQueue(rate), tone(rate, 1.0)
    for begin in range(0, len(wave), 331):
        queue.push(wave[begin : begin + 331])
    queue.end()
    taken = queue.take(10**6)
    assert abs(len(taken) - 16000) <= 32
    middle = slice(2000, 14000)
    wanted = tone(16000, 1.0)
    lag = int(np.argmax([np.dot(taken[2000 + k : 14000 + k], wanted[middle]) for k in range(-20, 21)])) - 20
    assert abs(lag) <= 1 and np.corrcoef(taken[2000 + lag : 14000 + lag], wanted[middle])[0, 1] > 0.999


def test_how_sound_is_cut_changes_nothing():
    wave, rng = tone(44100, 0.5), np.random.default_rng(3)
    whole, pieces = SampleQueue(44100), SampleQueue(44100)
    whole.push(wave)
    cuts = np.sort(rng.integers(0, len(wave), 17))
    for part in np.split(wave, cuts):
        pieces.push(part)
    whole.end()
    pieces.end()
    assert np.allclose(whole.take(10**6), pieces.take(10**6), atol=1e-4)


def test_integers_bytes_and_channels_are_understood():
    wave = (20000 * tone(16000, 0.1)).astype(np.int16)
    taken = []
    for given in (wave, wave.tobytes(), np.stack([wave, wave], 1), wave / 32768):
        queue = SampleQueue()
        assert queue.push(given) == pytest.approx(0.1)
        taken.append(queue.take(1600))
    assert all(np.allclose(one, taken[0], atol=1e-6) for one in taken)


@pytest.mark.parametrize("wrong, said", [(np.zeros((2, 2, 2)), "is"), (np.array([np.nan, 0.0]), "finite"),
                                         (b"abc", "two a sample"), (np.zeros(7, np.int64), "int16"),
                                         (np.array(["a"]), "float or int16")])
def test_wrong_sound_is_refused_and_nothing_is_taken(wrong, said):
    queue = SampleQueue()
    queue.push(np.zeros(160, np.float32))
    with pytest.raises(ValueError, match=said):
        queue.push(wrong)
    assert len(queue.take(10**6)) == 160


def test_a_full_queue_refuses_more():
    queue = SampleQueue(most_s=1.0)
    queue.push(np.zeros(15000, np.float32))
    with pytest.raises(ValueError, match="take frames"):
        queue.push(np.zeros(2000, np.float32))
    assert len(queue.take(10**6)) == 15000 and queue.push(np.zeros(2000, np.float32)) == pytest.approx(0.125)


@pytest.mark.parametrize("rate", [7999, 48001])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(ValueError, match="8000 to 48000"):
        SampleQueue(rate)


def test_cleared_sound_is_gone():
    queue = SampleQueue()
    queue.push(np.ones(8000, np.float32))
    assert queue.clear() == 0.5 and not len(queue.take(1))


class Simulated:
    """A clock whose time passes by waiting, and by work that a test adds."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


def test_frames_are_due_every_40_ms_for_an_hour_whatever_work_takes():
    simulated, rng = Simulated(), np.random.default_rng(5)
    clock = FrameClock(simulated.now, simulated.sleep)
    for number in range(25 * 3600):
        late = clock.wait(number)
        assert late == 0 or late < 0.05
        assert simulated.time == pytest.approx(1000 + number / media.FPS, abs=0.05)
        simulated.time += rng.uniform(0, 0.05)      # sometimes more than a frame's time
    assert simulated.time == pytest.approx(1000 + 3600, abs=0.1)


def test_lateness_is_told():
    simulated = Simulated()
    clock = FrameClock(simulated.now, simulated.sleep)
    clock.wait(0)
    simulated.time += 1.0
    assert clock.wait(1) == pytest.approx(0.96) and clock.due(30) == pytest.approx(0.2)


def test_an_idle_head_begins_at_the_start_and_goes_on_smoothly_for_hours():
    head = IdleHead(7)
    track = head.next(25 * 240)
    assert np.abs(track[0]).max() < 1e-12
    assert np.abs(np.diff(track[:, :3], axis=0)).max() < np.radians(0.25)
    assert np.abs(np.diff(track, n=2, axis=0)[:, :3]).max() < np.radians(0.06)
    deviation = np.degrees(track[:, :3].std(0))
    assert (deviation > 0.25).all() and (deviation < 2.5).all() and np.abs(track).max() < 6
    assert np.abs(track[: 25 * 120].mean(0) - track[25 * 120 :].mean(0)).max() < 0.5       # no drift


def test_idle_heads_do_not_depend_on_blocks_and_differ_by_seed():
    whole, parts = IdleHead(3).next(300), IdleHead(3)
    assert np.array_equal(whole, np.concatenate([parts.next(count) for count in (1, 0, 120, 179)]))
    assert not np.allclose(whole, IdleHead(4).next(300)) and len(PERIODS_S) == 2
