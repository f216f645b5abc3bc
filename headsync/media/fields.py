"""Interlaced video shown as whole pictures: of frames flagged as two fields, FFmpeg's bwdif makes one picture each."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.filter import Graph
from av.video.frame import VideoFrame

_DEFAULT_TICK = Fraction(1, 90000)


def progressive(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Returns an iterator over as many frames with the same time stamps, those that are flagged as interlaced made whole.

    Frames before the first flagged one pass as they are. Two frames are held at a time.
    """
    filters: _Deinterlacer | None = None
    for frame in frames:
        if filters is None and not frame.interlaced_frame:
            yield frame
            continue
        if filters is None or not filters.fits(frame):
            yield from filters.rest() if filters else ()
            filters = _Deinterlacer(frame)
        yield from filters.push(frame)
    yield from filters.rest() if filters else ()


class _Deinterlacer:
    """A graph for frames of one format and size."""

    def __init__(self, frame: VideoFrame):
        self._form = self._form_of(frame)
        self._waiting: list[VideoFrame] = []    # what went in and has not come out: its time stamps and tags
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(width=frame.width, height=frame.height, format=frame.format,
                                        time_base=frame.time_base or _DEFAULT_TICK)
        self._graph.link_nodes(source, self._graph.add("bwdif", "mode=send_frame:deint=interlaced"),
                               self._graph.add("buffersink")).configure()

    @staticmethod
    def _form_of(frame: VideoFrame) -> tuple:
        return frame.width, frame.height, frame.format.name, frame.time_base

    def fits(self, frame: VideoFrame) -> bool:
        """Whether a frame can go through this graph."""
        return self._form_of(frame) == self._form

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """The frames that are finished now."""
        self._waiting.append(frame)
        self._graph.push(frame)
        yield from self._pulled()

    def rest(self) -> Iterator[VideoFrame]:
        """What is held; a frame that the filter lost is given as it came."""
        self._graph.push(None)
        yield from self._pulled()
        yield from self._waiting
        self._waiting = []

    def _pulled(self) -> Iterator[VideoFrame]:
        while self._waiting:
            try:
                whole = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            came = self._waiting.pop(0)
            whole.pts, whole.time_base = came.pts, came.time_base
            whole.colorspace, whole.color_range = came.colorspace, came.color_range
            whole.color_trc, whole.color_primaries = came.color_trc, came.color_primaries
            yield whole
