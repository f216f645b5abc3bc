"""Makes small odd media files for tests: sound and pictures whose right reading is known.

Shapes: C channels, N samples, T frames, H W pixels.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from headsync.media import VideoWriter

ODD_NAMES = ("with space", "quo'te\"d", "ha#sh", "ünïcödé 声", "-leading", "100%d of", "a:b", "file.with.dots")


def noise(samples: int, *, seed: int, channels: int = 1, loudness: float = 0.3) -> np.ndarray:
    """Returns (C, N) float32 noise under `loudness`."""
    random = np.random.default_rng(seed)
    return (random.uniform(-loudness, loudness, (channels, samples))).astype(np.float32)


def tone(samples: int, *, rate_hz: int, hz: float = 313.0, loudness: float = 0.5) -> np.ndarray:
    """Returns (1, N) float32 of one sine."""
    return (loudness * np.sin(2 * np.pi * hz * np.arange(samples) / rate_hz)).astype(np.float32)[None]


def clicks(seconds: float, *, rate_hz: int, at_s: Sequence[float]) -> np.ndarray:
    """Returns (1, N) float32 silence with a 1 ms burst centred on each moment."""
    samples = np.zeros((1, round(seconds * rate_hz)), np.float32)
    for moment in at_s:
        centre, half = round(moment * rate_hz), round(rate_hz / 2000)
        samples[0, centre - half:centre + half + 1] = 0.8
    return samples


def click_times(waveform: np.ndarray, *, rate_hz: int = 16000, apart_s: float = 0.2) -> list[float]:
    """Returns where bursts are, in seconds: the centre of energy around each loudest sample."""
    left, found = np.square(waveform.astype(np.float64)), []
    reach = round(apart_s / 4 * rate_hz)
    while left.size and left.max() > 0.05:
        peak = int(left.argmax())
        start, stop = max(0, peak - reach), peak + reach
        near = left[start:stop]
        found.append((start + float((near * np.arange(len(near))).sum() / near.sum())) / rate_hz)
        left[start:stop] = 0
    return sorted(found)


def write_audio(path: Path, samples: np.ndarray, *, rate_hz: int, codec: str, sample_format: str = "fltp",
                layout: str = "mono", start_s: Fraction = Fraction(0), container: str | None = None) -> Path:
    """Returns `path`, now a sound file of `samples` (C, N) float32, converted to the codec's sample format."""
    with av.open(f"file:{path}", "w", format=container) as output:
        stream = add_audio(output, codec, rate_hz=rate_hz, layout=layout, sample_format=sample_format)
        encode_audio(output, stream, samples, start_s=start_s)
    return path


def add_audio(output, codec: str, *, rate_hz: int, layout: str, sample_format: str | None = None):
    """Returns a new audio stream of an output container."""
    stream = output.add_stream(codec, rate=rate_hz, layout=layout)
    if sample_format is not None:
        stream.codec_context.format = sample_format
    return stream


def encode_audio(output, stream, samples: np.ndarray, *, start_s: Fraction = Fraction(0)) -> None:
    """Encodes (C, N) float32 samples into a stream whose first sample is at `start_s`."""
    context = stream.codec_context
    rate_hz, layout = context.sample_rate, context.layout.name
    resampler = av.AudioResampler(format=context.format.name, layout=layout, rate=rate_hz)
    step, offset = 1024, round(start_s * rate_hz)
    for start in range(0, samples.shape[1], step):
        piece = samples[:, start:start + step].T.reshape(1, -1)   # (1, n * C): PyAV cannot fill eight planes
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="flt", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = rate_hz, Fraction(1, rate_hz), offset + start
        for converted in resampler.resample(frame):
            converted.pts, converted.time_base = offset + start, Fraction(1, rate_hz)
            output.mux(stream.encode(converted))
    output.mux(stream.encode(None))


def numbered_frame(number: int, *, size: tuple[int, int]) -> np.ndarray:
    """Returns a uint8 (H, W, 3) picture whose gray level tells its number, modulo 8, through any codec."""
    return np.full((*size, 3), 16 + 32 * (number % 8), np.uint8)


def frame_number(frame: np.ndarray) -> int:
    """Returns the number, modulo 8, that `numbered_frame` put in."""
    return round((float(frame.mean()) - 16) / 32) % 8


def quadrants(size: tuple[int, int]) -> np.ndarray:
    """Returns a uint8 (H, W, 3) picture: red, green above; blue, white below."""
    height, width = size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:height // 2, :width // 2] = (220, 20, 20)
    picture[:height // 2, width // 2:] = (20, 220, 20)
    picture[height // 2:, :width // 2] = (20, 20, 220)
    picture[height // 2:, width // 2:] = (220, 220, 220)
    return picture


def write_video(path: Path, frames: Iterable[np.ndarray], *, rate: Fraction | int = 25, codec: str = "libx264",
                pixel_format: str = "yuv420p", times: Sequence[Fraction] | None = None, rotation_degrees: int = 0,
                audio: np.ndarray | None = None, audio_codec: str = "aac", audio_rate_hz: int = 48000,
                audio_start_s: Fraction = Fraction(0), faststart: bool = False, sar: Fraction | None = None) -> Path:
    """Returns `path`, now a video of RGB frames at `rate`, or at the given `times` in seconds, with (C, N) sound."""
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(f"file:{path}", "w", options=options) as output:
        stream, sound = None, None
        tick = 1 / Fraction(rate) if times is None else Fraction(1, 90000)
        for number, frame in enumerate(frames):
            if stream is None:
                stream = _add_video(output, codec, rate, frame.shape[:2], pixel_format)
                stream.codec_context.time_base = tick
                if sar is not None:
                    stream.codec_context.sample_aspect_ratio = sar
                if rotation_degrees:
                    stream.set_display_rotation(rotation_degrees)
                if audio is not None:
                    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(audio)]
                    sound = add_audio(output, audio_codec, rate_hz=audio_rate_hz, layout=layout)
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixel_format)
            picture.time_base = tick
            picture.pts = number if times is None else round(times[number] / tick)
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
        if sound is not None:
            encode_audio(output, sound, audio, start_s=audio_start_s)
    return path


def _add_video(output, codec: str, rate, size: tuple[int, int], pixel_format: str):
    stream = output.add_stream(codec, rate=rate)
    stream.height, stream.width = size
    stream.pix_fmt = pixel_format
    if codec == "libx264":
        stream.codec_context.options = {"preset": "ultrafast", "crf": "12"}
    return stream


def truncate(path: Path, *, share: float) -> Path:
    """Returns `path`, cut off after a share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[:int(len(data) * share)])
    return path


def packets(path: Path, kind: str) -> list[bytes]:
    """Returns the coded packets of the first stream of a kind ("audio", "video")."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.get(**{kind: 0})[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def seconds(path: Path, kind: str) -> float:
    """Returns how long the first stream of a kind lasts, from its own declaration."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.get(**{kind: 0})[0]
        return float((stream.duration or 0) * stream.time_base)


def write_picture(path: Path, picture: np.ndarray, *, codec: str = "png", pixel_format: str = "rgb24") -> Path:
    """Returns `path`, now a still picture (H, W, 3 or 4) in the format of a codec, whatever the name says."""
    context = av.CodecContext.create(codec, "w")
    source = {3: "rgb24", 4: "rgba"}[picture.shape[2]]
    frame = av.VideoFrame.from_ndarray(picture, format=source).reformat(format=pixel_format)
    context.height, context.width, context.pix_fmt = *picture.shape[:2], pixel_format
    context.time_base = Fraction(1, 25)
    frame.pts = 0
    path.write_bytes(b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]))
    return path


def noise_frame(number: int) -> np.ndarray:
    """Returns a uint8 (32, 48, 3) picture of noise, which no codec makes small."""
    return np.random.default_rng(number).integers(0, 256, (32, 48, 3), np.uint8)


def near(picture: np.ndarray, expected: np.ndarray, tolerance: int = 12) -> bool:
    """Returns whether two pictures agree away from edges, where codecs blur."""
    assert picture.shape == expected.shape
    return np.median(np.abs(picture.astype(int) - expected), axis=(0, 1)).max() <= tolerance


def assert_refused(path: Path, match: str, readers: Iterable) -> None:
    """Checks that every reader refuses `path` with one line that names it and matches."""
    for read in readers:
        with pytest.raises(ValueError, match=match) as caught:
            read(path)
        assert Path(path).name in str(caught.value) and "\n" not in str(caught.value)


def written(path: Path, count: int, *, size: tuple[int, int] = (31, 47), **wishes) -> Path:
    """Returns `path`, now a video of numbered frames written by the VideoWriter."""
    with VideoWriter(path, size=size, preset="ultrafast", **wishes) as writer:
        for number in range(count):
            writer.write(numbered_frame(number, size=size))
    return path


def stream_ends(path: Path) -> dict[str, float]:
    """The second at which each stream's last packet ends."""
    ends = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                end_s = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                ends[packet.stream.type] = max(end_s, ends.get(packet.stream.type, 0.0))
    return ends
