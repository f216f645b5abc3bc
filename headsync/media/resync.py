"""A video whose sound is moved in time: every packet of pictures and sound as it was, only the sound's time stamps differ."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from headsync.media.containers import first_frame_time, media_url, open_media, reason, shown_name, video_stream
from headsync.media.files import growing_file

_MOST_S = 10                # by which a sound is moved
_PREROLL_S = Fraction(1, 5)     # sound before the first picture that decoders may need to get going
_OPTIONS = {"movflags": "+faststart", "movie_timescale": "48000"}


def move_sound(path: Path | str, out: Path | str, later_s: Fraction | float) -> Path:
    """Returns `out`, the video `path` with all its sounds `later_s` seconds later (earlier when negative), nothing coded anew.

    Sound that would come before the first picture is left out. The container is that of `out`'s name. ValueError, one line,
    for a file without pictures or sound, and for what that container cannot hold; nothing is then written.
    """
    later_s = Fraction(later_s).limit_denominator(10**6)
    if abs(later_s) > _MOST_S:
        raise ValueError(f"a sound is moved by {_MOST_S} seconds at most, got {float(later_s):g}")
    origin = first_frame_time(path)
    with open_media(path) as source:
        if origin is None or video_stream(source) is None:
            raise ValueError(f"{shown_name(path)}: there are no pictures in this file, beside which its sound could move")
        if not source.streams.audio:
            raise ValueError(f"{shown_name(path)}: there is no sound in this file to be moved")
        name = av.format.ContainerFormat(_form_of(out), "w").name
        with growing_file(out) as partial:
            try:
                with av.open(media_url(partial), "w", format=name, options=_OPTIONS if name == "mp4" else {}) as output:
                    _copy(source, output, later_s, origin)
            except (av.FFmpegError, ValueError) as error:
                raise ValueError(f"{shown_name(out)}: cannot be written ({reason(error)}); a name ending like "
                                 f"{Path(path).suffix or '.mkv'} keeps the kind of file") from error
    return Path(out)


def _form_of(out: Path | str) -> str:
    """FFmpeg's name of the container that a file's name asks for."""
    known = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".avi": "avi", ".ts": "mpegts",
             ".mxf": "mxf", ".mpg": "mpeg"}
    suffix = Path(out).suffix.lower()
    if suffix not in known:
        raise ValueError(f"{shown_name(out)}: what is written there is a video; name it {', '.join(known)}")
    return known[suffix]


def _copy(source: InputContainer, output: OutputContainer, later_s: Fraction, origin: Fraction) -> None:
    """All packets of pictures and sound."""
    output.metadata.update(source.metadata)
    copied = {stream.index: output.add_stream_from_template(stream) for stream in source.streams
              if stream.type in ("video", "audio") and stream.codec_context is not None}
    latest: dict[int, int] = {}
    for packet in _packets(source, copied):
        stream = packet.stream
        moved = (later_s if stream.type == "audio" else 0) - origin         # the first picture comes to stand at 0
        ticks = round(moved / stream.time_base)
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        if stream.type == "audio" and (packet.pts + (packet.duration or 0)) * stream.time_base <= -_PREROLL_S:
            continue
        if packet.dts <= latest.get(stream.index, packet.dts - 1):
            continue        # a break in the source
        latest[stream.index] = packet.dts
        packet.stream = copied[stream.index]
        output.mux(packet)


def _packets(source: InputContainer, copied: dict[int, av.stream.Stream]) -> Iterator[av.Packet]:
    for packet in source.demux([stream for stream in source.streams if stream.index in copied]):
        if packet.size and packet.dts is not None:
            packet.pts = packet.dts if packet.pts is None else packet.pts       # AVI has no more
            yield packet
