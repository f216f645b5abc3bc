"""Writes frames as they are stored elsewhere: same size, format, colour tags and time stamps, with another sound, as mp4."""

from pathlib import Path

import av
from av.video.frame import VideoFrame

from headsync.media.containers import media_url
from headsync.media.planes import plane
from headsync.media.quality import encoder_options
from headsync.media.soundtrack import add_soundtrack
from headsync.media.stored import StoredForm
from headsync.media.whole_video import MP4_OPTIONS, WholeVideo
from headsync.media.writer import SYNTHETIC_COMMENT

PRESETS = {"libx264": "veryfast", "libx265": "superfast"}


class StoredWriter(WholeVideo):
    """Writes planar frames of a form; use it in a `with` block. The file appears when the block ends well, or not at all.

    8 bits become H.264, more become HEVC. An odd side is made even by repeating its last line, as both codecs ask for.
    """

    def __init__(self, path: Path | str, form: StoredForm, *, audio: Path | str | None, quality: str = "visually-lossless",
                 comment: str = ""):
        """`audio` is the sound that is copied or becomes AAC, `quality` a name of `media.QUALITIES`. ValueError else."""
        super().__init__(path)
        self.form, self._audio = form, audio
        self.codec = "libx264" if form.bits == 8 else "libx265"
        self._options = encoder_options(self.codec, quality, PRESETS[self.codec])
        self._comment = "; ".join(part for part in (SYNTHETIC_COMMENT, comment) if part)

    def write(self, frame: VideoFrame, pts: int, duration: int) -> None:
        """Adds one planar frame at `pts` of the form's time base, counted from the first frame's 0, lasting `duration`."""
        if frame.width % 2 or frame.height % 2:
            frame = even(frame)
        frame.pts, frame.time_base, frame.duration = pts, self.form.time_base, duration
        frame.pict_type = 0         # decoded frames carry their old type, which encoders would take for an order
        try:
            self._mux(frame)
            self.frames, self._end = self.frames + 1, (pts + duration) * self.form.time_base
            if self._soundtrack is not None:
                self._soundtrack.feed(self._end)
        except av.FFmpegError as error:
            raise self._one_line(error) from error

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._output.mux(packet)

    def _flush(self) -> None:
        self._mux(None)

    def _open(self) -> None:
        form = self.form
        self._output = av.open(media_url(self._partial), "w", format="mp4", options=MP4_OPTIONS)
        self._output.metadata["comment"] = self._comment
        self._stream = self._output.add_stream(self.codec, rate=form.rate.limit_denominator(100000), options=self._options)
        self._stream.width, self._stream.height = form.width + form.width % 2, form.height + form.height % 2
        self._stream.pix_fmt, self._stream.time_base = form.format, form.time_base
        context = self._stream.codec_context
        context.time_base = form.time_base
        if self.codec == "libx265":
            context.codec_tag = "hvc1"      # what players of one maker insist on
        if form.pixel != 1:
            context.sample_aspect_ratio = form.pixel
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = form.tags
        if form.orientation != (False, False, False):
            self._stream.set_display_matrix(display_matrix(form))
        if self._audio is not None:
            self._soundtrack = add_soundtrack(self._output, self._audio)

def even(frame: VideoFrame) -> VideoFrame:
    """Returns a frame whose odd sides have their last line once more; chroma of halved sides is there already."""
    made = VideoFrame(frame.width + frame.width % 2, frame.height + frame.height % 2, frame.format.name)
    for number in range(len(frame.planes)):
        old, new = plane(frame, number), plane(made, number)
        new[: old.shape[0], : old.shape[1]] = old
        new[old.shape[0] :, : old.shape[1]] = old[-1:]
        new[:, old.shape[1] :] = new[:, old.shape[1] - 1 : old.shape[1]]
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    made.color_primaries, made.color_trc = frame.color_primaries, frame.color_trc
    return made


def display_matrix(form: StoredForm) -> list[int]:
    """Returns the nine numbers that say how a stored frame is to be shown, as FFmpeg has them."""
    turned = form.orientation
    across, down = (-1 if flipped else 1 for flipped in (turned.flipped_x, turned.flipped_y))
    a, b, c, d = (0, down, across, 0) if turned.transposed else (across, 0, 0, down)
    return [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
