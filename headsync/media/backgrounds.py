"""Sounds in which nobody speaks, made of random numbers: music, noise, breath, laughter, beeps and knocks.

Learners are given them at rest and behind speech. Shapes: N samples at 16 kHz.
"""

from collections.abc import Callable

import numpy as np

from headsync.media.clock import SAMPLE_RATE_HZ

PEAK = 0.3
_CYCLE = 2048       # samples of a tone's one cycle, looked up
_SCALE = (0, 2, 4, 5, 7, 9, 11)
Random = np.random.Generator


def background(kind: str, samples: int, random: Random) -> np.ndarray:
    """A waveform (N,) float32 of a kind of `KINDS`, its largest sample at 0.3. ValueError for another kind."""
    if kind not in KINDS:
        raise ValueError(f"there is no background {kind!r}; choose one of {', '.join(KINDS)}")
    made = KINDS[kind](samples, random)
    return (PEAK * made / max(np.abs(made).max(), 1e-9)).astype(np.float32)


def band(sound: np.ndarray, low_hz: float, high_hz: float, slope: float = 0.0) -> np.ndarray:
    """A sound (N,) within soft band edges, its amplitudes times frequency to the power of -`slope`."""
    spectrum, hz = np.fft.rfft(sound), np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE_HZ)
    hz = np.maximum(hz, 1.0)
    shape = 1 / (1 + (low_hz / hz) ** 4) / (1 + (hz / high_hz) ** 4) * (hz / 1000) ** -slope
    return np.fft.irfft(spectrum * shape, len(sound))


def _place(track: np.ndarray, sound: np.ndarray, begin: int) -> None:
    """Add a sound (n,) to a track (N,) from a sample on, cut at its end."""
    count = min(len(sound), len(track) - begin)
    if count > 0:
        track[begin : begin + count] += sound[:count]


def _note(hz: float, samples: int, random: Random, decay_s: float) -> np.ndarray:
    """A tone with harmonics that fade: plucked where `decay_s` is small, held where it is large."""
    at = np.arange(samples) / SAMPLE_RATE_HZ
    loud = np.minimum(at / random.uniform(0.003, 0.05), 1) * np.exp(-at / decay_s)
    steep, shake = random.uniform(0.6, 2.0), random.uniform(0, 0.004)
    phase = hz * (at + shake * np.sin(2 * np.pi * 5.5 * at) / (2 * np.pi * 5.5))
    order = np.arange(1, max(2, min(16, int(7000 / hz))))
    strength = order ** -steep * random.uniform(0.3, 1, len(order))
    cycle = strength @ np.sin(2 * np.pi * order[:, None] * np.arange(_CYCLE) / _CYCLE)
    return loud * cycle[(phase * _CYCLE).astype(int) % _CYCLE]


def _music(samples: int, random: Random) -> np.ndarray:
    """Chords, a bass, mostly a melody and drums."""
    track, beat = np.zeros(samples), int(SAMPLE_RATE_HZ * 60 / random.uniform(70, 150))
    root, decay_s = 110 * 2 ** (random.integers(0, 12) / 12), random.choice([0.15, 0.4, 1.0, 4.0])
    melody, drums = random.random() < 0.7, random.random() < 0.75

    def hz(step: int) -> float:
        return root * 2 ** ((_SCALE[step % 7] + 12 * (step // 7)) / 12)

    for number, begin in enumerate(range(0, samples, beat)):
        if number % 4 == 0:
            chord = int(random.integers(0, 7))
            for step in (0, 2, 4):
                _place(track, 0.5 * _note(2 * hz(chord + step), 4 * beat, random, max(decay_s, 0.3)), begin)
        _place(track, 0.8 * _note(hz(chord) / 2, beat, random, 0.3), begin)
        if melody:
            for half in (0, beat // 2):
                if random.random() < 0.7:
                    _place(track, 0.7 * _note(4 * hz(int(random.integers(0, 9))), beat // 2, random, decay_s), begin + half)
        if drums:
            _drums(track, begin, beat, number, random)
    return track


def _drums(track: np.ndarray, begin: int, beat: int, number: int, random: Random) -> None:
    """A kick or a snare on the beat, and a hat between."""
    at = np.arange(4000) / SAMPLE_RATE_HZ
    if number % 2 == 0:
        _place(track, 2 * np.sin(2 * np.pi * (50 * at + 6 * (1 - np.exp(-at / 0.03)))) * np.exp(-at / 0.1), begin)
    else:
        _place(track, 1.2 * band(random.standard_normal(4000), 300, 6000) * np.exp(-at / 0.06), begin)
    for half in (0, beat // 2):
        _place(track, 0.6 * band(random.standard_normal(2000), 5000, 8000) * np.exp(-at[:2000] / 0.02), begin + half)


def _noise(samples: int, random: Random) -> np.ndarray:
    """White to brown noise, in a band or not, now and then swelling."""
    low, high = (20, 8000) if random.random() < 0.6 else (random.uniform(50, 800), random.uniform(1000, 6000))
    made = band(random.standard_normal(samples), low, high, random.uniform(0, 1.5))
    swell = random.uniform(0, 0.8) * np.sin(2 * np.pi * random.uniform(0.1, 3) * np.arange(samples) / SAMPLE_RATE_HZ)
    return made * (1 + swell)


def _breath(samples: int, random: Random) -> np.ndarray:
    """Air in and out: bands of noise that swell and fade, with pauses."""
    track, begin = 0.01 * random.standard_normal(samples), int(random.uniform(0, 0.5) * SAMPLE_RATE_HZ)
    while begin < samples:
        length = int(random.uniform(0.25, 1.6) * SAMPLE_RATE_HZ)
        air = band(random.standard_normal(length), random.uniform(200, 1200), random.uniform(2000, 7000), random.uniform(0, 1))
        air = air * np.abs(np.sin(np.pi * np.linspace(0, 1, length))) ** random.uniform(0.5, 2)
        _place(track, random.uniform(0.4, 1) * air, begin)
        begin += length + int(random.uniform(0.1, 1.2) * SAMPLE_RATE_HZ)
    return track


def _laughter(samples: int, random: Random) -> np.ndarray:
    """Runs of short voiced bursts, four to six a second, each with breath before it."""
    track, begin = 0.003 * random.standard_normal(samples), int(random.uniform(0, 0.4) * SAMPLE_RATE_HZ)
    while begin < samples:
        pitch, rate = random.uniform(150, 420), random.uniform(3.8, 6.5)
        formants = [random.uniform(500, 900), random.uniform(1100, 1800), random.uniform(2300, 3000)]
        for number in range(int(random.integers(3, 10))):
            _place(track, 0.93 ** number * _burst(pitch * 0.97 ** number, formants, rate, random), begin)
            begin += int(SAMPLE_RATE_HZ / rate * random.uniform(0.9, 1.1))
        begin += int(random.uniform(0.2, 1.0) * SAMPLE_RATE_HZ)
    return track


def _burst(pitch_hz: float, formants: list[float], rate: float, random: Random) -> np.ndarray:
    """One burst of laughter: aspiration, then a vowel."""
    length = int(0.75 * SAMPLE_RATE_HZ / rate)
    at = np.arange(length) / SAMPLE_RATE_HZ
    phase = np.cumsum(pitch_hz * (1 + 0.15 * np.sin(np.pi * at / at[-1]))) / SAMPLE_RATE_HZ
    voice = (np.floor(phase) != np.floor(np.roll(phase, 1))) * (at / at[-1] > 0.3)
    source = 6 * voice + 0.25 * random.standard_normal(length)
    spoken = sum(band(source, one * 0.85, one * 1.15) / (1 + number) for number, one in enumerate(formants))
    return spoken * np.abs(np.sin(np.pi * at / at[-1])) ** 0.7


def _beeps(samples: int, random: Random) -> np.ndarray:
    """Hum, beeps, sweeps and knocks."""
    at = np.arange(samples) / SAMPLE_RATE_HZ
    track = random.uniform(0, 0.1) * sum(np.sin(2 * np.pi * one * random.choice([50, 60]) * at) / one for one in (1, 2, 3, 5))
    begin = 0
    while begin < samples:
        length = int(random.uniform(0.03, 0.6) * SAMPLE_RATE_HZ)
        inside, low, high = np.arange(length) / SAMPLE_RATE_HZ, random.uniform(200, 3000), random.uniform(-2000, 2000)
        if random.random() < 0.5:
            sound = np.sin(2 * np.pi * (low * inside + max(high, -low) / 2 * inside ** 2))
        else:
            sound = 2 * band(random.standard_normal(length), 80, low) * np.exp(-inside / random.uniform(0.01, 0.15))
        _place(track, sound, begin)
        begin += length + int(random.uniform(0.02, 1.0) * SAMPLE_RATE_HZ)
    return track


KINDS: dict[str, Callable[[int, Random], np.ndarray]] = {
    "music": _music, "noise": _noise, "breath": _breath, "laughter": _laughter, "beeps": _beeps}
