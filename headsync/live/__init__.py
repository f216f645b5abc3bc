"""Live sessions: samples in as they come, frames with their sound out, with a declared latency."""

from headsync.live.clock import FrameClock
from headsync.live.input import SampleQueue
from headsync.live.session import LiveFrame, LiveSession, open_session

__all__ = ["FrameClock", "SampleQueue", "LiveFrame", "LiveSession", "open_session"]
