"""The sound of a written video: the original packets where mp4 takes them, AAC 48 kHz where it does not.

Sound is handed out up to a moment of the video, so that both streams interleave and memory stays constant.
"""

import io
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.container import InputContainer, OutputContainer

from headsync.media.audio import decode_audio
from headsync.media.containers import (
    decoded,
    first_frame_time,
    frame_time,
    open_media,
    reason,
    shown_name,
)
from headsync.media.sounds import numbered_sound, sound_number

_log = logging.getLogger(__name__)
COPIED_CODECS = ("aac", "mp3")     # mp4 may hold more (FLAC, Opus, AC-3, ALAC), but not every player knows them there
AAC_RATE_HZ = 48000
AAC_BITS_PER_CHANNEL = 96000
_TRIAL_PACKETS = 20
_PREROLL_S = Fraction(1, 5)    # sound before the first picture that decoders may need to get going


class Soundtrack(Protocol):
    """Sound that goes into an mp4 beside its pictures."""

    def feed(self, until: Fraction) -> None:
        """Writes all sound that ends before `until` seconds of the video."""

    def finish(self, end: Fraction) -> None:
        """Writes the rest, cut at `end` seconds of the video."""

    def close(self) -> None:
        """Releases the source, whether or not all was written."""


def add_soundtrack(output: OutputContainer, path: Path | str, *, stream: int | None = None) -> Soundtrack:
    """Returns the soundtrack made of the sound in `path`, its stream added to `output`; ValueError without one.

    `stream` is which of several, as for `read_audio`.

    Time 0 is the first picture of `path`, or its first sample when it holds no pictures.
    """
    number = sound_number(path, stream)
    return _Copy(output, path, number) if copies_sound(path, number) else _Encoding(output, path, number)


def copies_sound(path: Path | str, number: int = 0) -> bool:
    """Returns whether a sound in `path` goes into an mp4 as it is and plays anywhere; tries a few packets."""
    with open_media(path) as container:
        stream = numbered_sound(container, number)
        if stream.codec_context.codec.canonical_name not in COPIED_CODECS:
            return False
        written, latest = 0, None
        try:
            with av.open(io.BytesIO(), "w", format="mp4") as trial:
                target = trial.add_stream_from_template(stream)
                for packet in container.demux(stream):
                    if packet.size == 0 or written == _TRIAL_PACKETS:
                        break
                    if not _follows(packet, latest):
                        return False
                    latest = packet.dts
                    packet.stream = target
                    trial.mux(packet)
                    written += 1
        except (av.FFmpegError, ValueError):
            return False
    return written > 0


class _Copy:
    """Packets of the source, bit for bit, shifted onto the time line of the video."""

    def __init__(self, output: OutputContainer, path: Path | str, number: int):
        self._output = output
        self._origin = first_frame_time(path)
        if self._origin is None:
            self._origin = _first_sound_time(path, number)
        self._opened = open_media(path)
        container = self._opened.__enter__()
        self._source = numbered_sound(container, number)
        self._target = output.add_stream_from_template(self._source)
        self._packets = _usable_packets(container, self._source, path)
        self._next: av.Packet | None = next(self._packets, None)
        self._shift = round(self._origin / self._source.time_base)   # in ticks of the source

    def feed(self, until: Fraction) -> None:
        while self._next is not None and self._times()[1] <= until:
            self._write(self._next)

    def finish(self, end: Fraction) -> None:
        while self._next is not None:
            starts, ends = self._times()
            if starts >= end:
                break
            if ends > end:
                self._next.duration = max(1, round((end - starts) / self._source.time_base))
            self._write(self._next)

    def close(self) -> None:
        self._packets.close()
        self._opened.__exit__(None, None, None)

    def _times(self) -> tuple[Fraction, Fraction]:
        """When the next packet starts and ends, in seconds of the video."""
        start = (self._next.pts - self._shift) * self._source.time_base
        return start, start + (self._next.duration or 0) * self._source.time_base

    def _write(self, packet: av.Packet) -> None:
        if self._times()[1] > -_PREROLL_S:
            packet.pts -= self._shift
            packet.dts -= self._shift
            packet.stream = self._target
            self._output.mux(packet)
        self._next = next(self._packets, None)


class _Encoding:
    """Decoded sound as AAC at 48 kHz."""

    def __init__(self, output: OutputContainer, path: Path | str, number: int):
        self._output = output
        with open_media(path) as container:
            context = numbered_sound(container, number).codec_context
        self._layout = "mono" if context.channels == 1 else "5.1" if context.layout.name == "5.1" else "stereo"
        self._pieces = decode_audio(path, rate_hz=AAC_RATE_HZ, layout=self._layout, stream=number)
        self._piece = next(self._pieces, None)
        self._stream = output.add_stream("aac", rate=AAC_RATE_HZ, layout=self._layout)
        self._stream.bit_rate = AAC_BITS_PER_CHANNEL * self._stream.codec_context.channels
        self._written = 0

    def feed(self, until: Fraction) -> None:
        while self._piece is not None and self._written + self._piece.shape[1] <= until * AAC_RATE_HZ:
            self._encode(self._piece.shape[1])

    def finish(self, end: Fraction) -> None:
        self.feed(end)
        left = round(end * AAC_RATE_HZ) - self._written
        if self._piece is not None and left > 0:
            self._encode(left)
        self._output.mux(self._stream.encode(None))

    def close(self) -> None:
        self._pieces.close()

    def _encode(self, samples: int) -> None:
        piece = self._piece[:, :samples].copy()   # (C, samples)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=self._layout)
        frame.sample_rate, frame.time_base, frame.pts = AAC_RATE_HZ, Fraction(1, AAC_RATE_HZ), self._written
        self._output.mux(self._stream.encode(frame))
        self._written += samples
        self._piece = next(self._pieces, None)


def _usable_packets(container: InputContainer, stream: av.AudioStream, path: Path | str) -> Iterator[av.Packet]:
    """Packets with rising time stamps; what follows a break in the source is left out."""
    latest = None
    try:
        for packet in container.demux(stream):
            if packet.size and _follows(packet, latest):
                latest = packet.dts
                yield packet
    except av.FFmpegError as error:
        _log.warning("%s: the sound breaks off (%s); copying what can be read", shown_name(path), reason(error))


def _follows(packet: av.Packet, latest: int | None) -> bool:
    return packet.pts is not None and packet.dts is not None and (latest is None or packet.dts > latest)


def _first_sound_time(path: Path | str, number: int) -> Fraction:
    """When the first sample plays, in seconds on the container's time line: after what the codec has to skip."""
    with open_media(path) as container:
        stream = numbered_sound(container, number)
        frame = next((frame for frame in decoded(container, stream, path) if frame.samples), None)
        if frame is None:
            raise ValueError(f"{shown_name(path)}: the sound holds no samples; give a file with audible sound")
        return frame_time(frame) or Fraction(0)
