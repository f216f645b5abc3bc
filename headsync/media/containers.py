"""Opens a media file of any kind and hands out its decoded frames; every failure is one line that names the file."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.frame import Frame
from av.stream import Disposition, Stream

from headsync.media.pixels import MOST_PIXELS

_log = logging.getLogger(__name__)
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_NOT_MEDIA = ("tty", "concat", "hls", "dash", "sdp", "rtsp", "imf")   # text drawn as a picture, or lists of other files


def shown_name(path: Path | str) -> str:
    """Returns the path as it is put into one line of text, whatever characters it holds."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def media_url(path: Path | str) -> str:
    """Returns the name under which FFmpeg takes the path literally: no protocol, option or pattern is read into it."""
    return f"file:{Path(path).absolute()}"


def checked_file(path: Path | str) -> Path:
    """Returns the path of a file that exists and holds something; ValueError with one line otherwise."""
    path = Path(path)
    try:
        if not path.exists():
            raise ValueError(f"{shown_name(path)}: no such file; check the name")
        if not path.is_file():
            raise ValueError(f"{shown_name(path)}: not a file but a folder or a device; name one media file")
        if path.stat().st_size == 0:
            raise ValueError(f"{shown_name(path)}: the file is empty (0 bytes); copy or record it again")
    except OSError as error:
        raise ValueError(f"{shown_name(path)}: cannot be opened ({reason(error)}); check the name") from error
    return path


def reason(error: Exception) -> str:
    """Returns the cause of an error without file names and in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())


@contextmanager
def open_media(path: Path | str) -> Iterator[InputContainer]:
    """Gives the opened container of a media file; ValueError when it is none or breaks beyond use.

    No decoder takes memory for more than MOST_PIXELS, whatever a header says.
    """
    path = checked_file(path)
    lenient = {"metadata_errors": "ignore"} if int(av.__version__.split(".")[0]) < 19 else {}   # 19 is so by itself
    try:
        options = {"protocol_whitelist": "file", "max_pixels": str(MOST_PIXELS)}    # the latter for what is tried on opening
        with av.open(media_url(path), options=options, **lenient) as container:
            for stream in container.streams.video:
                if stream.codec_context is not None:
                    stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
            if set(container.format.name.split(",")) & set(_NOT_MEDIA):
                raise ValueError(f"{shown_name(path)}: not sound or video but {container.format.long_name}; "
                                 "give a media file")
            yield container
    except (av.FFmpegError, UnicodeError) as error:
        raise ValueError(f"{shown_name(path)}: cannot be read as media ({reason(error)}); it is damaged, cut off or of "
                         "another kind") from error


def video_stream(container: InputContainer) -> Stream | None:
    """Returns the first moving picture of a container, never the cover of a song; None when there is none.

    An animated AVIF also holds a still, before its frames.
    """
    moving = [stream for stream in container.streams.video
              if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic]
    if container.metadata.get("major_brand") == "avis":
        return max(moving, key=lambda stream: stream.frames, default=None)
    return next(iter(moving), None)


def required_video_stream(container: InputContainer, path: Path | str) -> Stream:
    """Returns the first moving picture of a container, to be decoded by several threads; ValueError when there is none."""
    stream = video_stream(container)
    if stream is None:
        raise ValueError(f"{shown_name(path)}: there are no pictures in this file; give a video")
    stream.thread_type = "AUTO"
    return stream


def audio_stream(container: InputContainer) -> Stream | None:
    """Returns the first sound of a container; None when there is none."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def decoded(container: InputContainer, stream: Stream, path: Path | str) -> Iterator[Frame]:
    """Returns an iterator over the frames of a stream in order of display; damage is skipped and logged once."""
    damaged, ended, decoder = 0, False, _decoder_with_alpha(stream) or stream
    packets = container.demux(stream)   # ends with an empty packet, which makes the decoder hand out what it holds
    while not ended:
        try:
            packet = next(packets, None)
            ended = packet is None      # also where draining fails: a decoder that cannot be opened never can
            frames = decoder.decode(packet) if packet is not None else _drained(decoder)
        except (av.FFmpegError, ValueError) as error:     # PyAV 19 raises the plain one for codecs that it does not know
            damaged += 1
            if damaged == 1:
                _log.warning("%s: damaged or cut off (%s); reading what can be read", shown_name(path), reason(error))
            continue
        yield from frames


def _decoder_with_alpha(stream: Stream) -> av.CodecContext | None:
    """A decoder that reads the transparency beside VP8 and VP9, which FFmpeg's own leave out; None where there is none."""
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    told = {key.lower(): value for key, value in stream.metadata.items()} if name else {}
    if told.get("alpha_mode") != "1":
        return None
    try:
        return av.CodecContext.create(name, "r")
    except (av.FFmpegError, ValueError):    # an FFmpeg that was built without libvpx
        return None


def _drained(decoder: Stream | av.CodecContext) -> list[Frame]:
    """What the decoder still holds; nothing when it was asked before."""
    try:
        return decoder.decode(None)
    except av.EOFError:
        return []


def frame_time(frame: Frame) -> Fraction | None:
    """Returns the time stamp of a decoded frame in seconds on its container's time line; None when it has none."""
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * Fraction(frame.time_base)


def first_frame_time(path: Path | str) -> Fraction | None:
    """Returns when the first picture is shown, in seconds on the container's time line; None without a video stream."""
    with open_media(path) as container:
        stream = video_stream(container)
        if stream is None:
            return None
        return next((frame_time(frame) for frame in decoded(container, stream, path)), None)


def stream_seconds(container: InputContainer, stream: Stream) -> float:
    """Returns how long a stream lasts, as declared or, when the file does not say, by walking through its packets."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    start, end = None, 0
    for packet in container.demux(stream):
        if packet.pts is not None:
            start = packet.pts if start is None else min(start, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
    return float((end - (start or 0)) * stream.time_base)
