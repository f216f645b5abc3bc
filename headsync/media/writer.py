"""Writes frames and the original sound into an mp4 that plays anywhere, says it is synthetic and is whole or not there.

Shapes: H W pixels.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from headsync.media.clock import FPS
from headsync.media.containers import media_url, shown_name
from headsync.media.quality import QUALITIES, encoder_options
from headsync.media.soundtrack import add_soundtrack
from headsync.media.whole_video import MP4_OPTIONS, WholeVideo

SYNTHETIC_COMMENT = "synthetic media: made by headsync"
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
_BT709 = 1                  # FFmpeg's number for the colours of HDTV, in matrix, primaries and transfer
_LIMITED_RANGE = 1
_MOST_TICKS = 10**6         # in a frame rate's numerator and denominator: far above any camera's


class VideoWriter(WholeVideo):
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
        super().__init__(path)
        self.size, self.rate = (int(size[0]), int(size[1])), Fraction(rate)
        self._audio, self._audio_stream, self._preset, self._quality = audio, audio_stream, preset, quality
        self._comment = "; ".join(part for part in (SYNTHETIC_COMMENT * synthetic, comment) if part)
        self._scaler = VideoReformatter()   # kept between frames, as it is costly to set up
        if min(self.size) < 1:
            raise ValueError(f"{shown_name(path)}: a frame needs at least 1 x 1 pixels, got {self.size}")
        if self.rate <= 0 or max(self.rate.as_integer_ratio()) > _MOST_TICKS:
            raise ValueError(f"{shown_name(path)}: a frame rate must be a ratio such as 25 or 30000/1001, got {rate}")
        if preset not in PRESETS:
            raise ValueError(f"{shown_name(path)}: there is no preset {preset!r}; choose one of {', '.join(PRESETS)}")
        if quality not in QUALITIES:
            raise ValueError(f"{shown_name(path)}: there is no quality {quality!r}; choose one of {', '.join(QUALITIES)}")

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
            self.frames, self._end = self.frames + 1, (self.frames + 1) / self.rate
            if self._soundtrack is not None:
                self._soundtrack.feed(self._end)
        except av.FFmpegError as error:
            raise self._one_line(error) from error

    def _open(self) -> None:
        self._output = av.open(media_url(self._partial), "w", format="mp4", options=MP4_OPTIONS)
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

    def _flush(self) -> None:
        self._output.mux(self._stream.encode(None))
