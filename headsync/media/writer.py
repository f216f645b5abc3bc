"""Writes frames and the original sound into an mp4 that plays anywhere, says it is synthetic and is whole or not there.

Shapes: H W pixels.
"""

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from headsync.media.clock import FPS
from headsync.media.containers import media_url, reason, shown_name
from headsync.media.files import partial_path, put_in_place
from headsync.media.quality import QUALITIES, encoder_options
from headsync.media.soundtrack import Soundtrack, add_soundtrack

SYNTHETIC_COMMENT = "synthetic media: made by headsync"
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_BT709 = 1                  # FFmpeg's number for the colours of HDTV, in matrix, primaries and transfer
_LIMITED_RANGE = 1
_MP4_OPTIONS = {"movflags": "+faststart", "movie_timescale": "48000"}   # plays while it loads; cuts sound to the sample
_MOST_TICKS = 10**6         # in a frame rate's numerator and denominator: far above any camera's


class VideoWriter:
    """Writes uint8 RGB frames of one size as H.264, with the sound of another file; use it in a `with` block.

    The file appears under its name when the block ends well, and not at all otherwise. Memory does not grow with
    length. ValueError, in one line, for a frame of another size, a source without sound or a place that cannot be
    written.
    """

    def __init__(self, path: Path | str, *, size: tuple[int, int], rate: Fraction | int = Fraction(FPS),
                 audio: Path | str | None = None, audio_stream: int | None = None, synthetic: bool = True, comment: str = "",
                 preset: str = "medium", quality: str = "good"):
        """`size` is (height, width); an odd side is made even by repeating its last line.

        `audio` is any file with sound: its sound (number `audio_stream`, as for `read_audio`) is copied where mp4 allows,
        else becomes AAC 48 kHz, and is cut where the frames end. `synthetic` puts SYNTHETIC_COMMENT before `comment`.
        """
        self.path, self.size, self.rate = Path(path), (int(size[0]), int(size[1])), Fraction(rate)
        self.frames = 0   # written so far
        self._audio, self._audio_stream, self._preset, self._quality = audio, audio_stream, preset, quality
        self._comment = "; ".join(part for part in (SYNTHETIC_COMMENT * synthetic, comment) if part)
        self._partial = partial_path(self.path)
        self._output: av.container.OutputContainer | None = None
        self._soundtrack: Soundtrack | None = None
        self._scaler = VideoReformatter()   # kept between frames, as it is costly to set up
        if min(self.size) < 1:
            raise ValueError(f"{shown_name(path)}: a frame needs at least 1 x 1 pixels, got {self.size}")
        if self.rate <= 0 or max(self.rate.as_integer_ratio()) > _MOST_TICKS:
            raise ValueError(f"{shown_name(path)}: a frame rate must be a ratio such as 25 or 30000/1001, got {rate}")
        if preset not in PRESETS:
            raise ValueError(f"{shown_name(path)}: there is no preset {preset!r}; choose one of {', '.join(PRESETS)}")
        if quality not in QUALITIES:
            raise ValueError(f"{shown_name(path)}: there is no quality {quality!r}; choose one of {', '.join(QUALITIES)}")

    def __enter__(self) -> "VideoWriter":
        if self.path.is_dir() or not self.path.absolute().parent.is_dir():
            raise ValueError(f"{shown_name(self.path)}: cannot be written: its folder is missing or it is one itself")
        try:
            self._open()
        except BaseException as error:
            self._abandon()
            raise self._one_line(error) from error
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            self._finish()
        except BaseException as failure:
            self._abandon()
            raise self._one_line(failure) from failure

    def write(self, frame: np.ndarray) -> None:
        """Adds one uint8 RGB frame (H, W, 3); ValueError when it has another shape or type."""
        if self._output is None:
            raise ValueError(f"{shown_name(self.path)}: frames are written inside a `with VideoWriter(...)` block only")
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise ValueError(f"{shown_name(self.path)}: frame {self.frames} must be uint8 {(*self.size, 3)}, "
                             f"got {frame.dtype} {frame.shape}")
        height, width = self.size
        if height % 2 or width % 2:
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")   # (even H, even W, 3)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = self._scaler.reformat(picture, format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG",
                                        threads=1)
        picture.pts, picture.time_base = self.frames, 1 / self.rate
        try:
            self._output.mux(self._stream.encode(picture))
            self.frames += 1
            if self._soundtrack is not None:
                self._soundtrack.feed(self.frames / self.rate)
        except av.FFmpegError as error:
            raise self._one_line(error) from error

    def _open(self) -> None:
        self._output = av.open(media_url(self._partial), "w", format="mp4", options=_MP4_OPTIONS)
        if self._comment:
            self._output.metadata["comment"] = self._comment
        self._stream = self._output.add_stream("libx264", rate=self.rate)
        self._stream.height, self._stream.width = (side + side % 2 for side in self.size)
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.options = encoder_options("libx264", self._quality, self._preset)
        context.time_base = 1 / self.rate
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        if self._audio is not None:
            self._soundtrack = add_soundtrack(self._output, self._audio, stream=self._audio_stream)

    def _finish(self) -> None:
        if not self.frames:
            raise ValueError(f"{shown_name(self.path)}: no frame was written, so there is no video")
        self._output.mux(self._stream.encode(None))
        if self._soundtrack is not None:
            self._soundtrack.finish(self.frames / self.rate)
            self._soundtrack.close()
        self._output.close()
        self._output = None
        put_in_place(self._partial, self.path)

    def _abandon(self) -> None:
        """Leaves nothing behind, whatever state the file is in."""
        with contextlib.suppress(Exception):
            if self._soundtrack is not None:
                self._soundtrack.close()
        with contextlib.suppress(Exception):
            if self._output is not None:
                self._output.close()
        self._output = None
        with contextlib.suppress(OSError):
            self._partial.unlink(missing_ok=True)

    def _one_line(self, error: BaseException) -> BaseException:
        """The error as a ValueError in one line when it is about the file; itself otherwise."""
        if isinstance(error, (av.FFmpegError, OSError)):
            return ValueError(f"{shown_name(self.path)}: cannot be written ({reason(error)}); "
                              "check the folder and its space")
        return error
