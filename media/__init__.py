"""Files and signals: sound, features, pictures and the clock that ties them together; knows nothing of faces."""

from media.audio import AudioInfo, audio_info, count_audio_frames, read_audio, stream_audio
from media.blocks import recut
from media.clock import (
    FPS,
    HOP_SAMPLES,
    ROW_RATE_HZ,
    ROWS_PER_FRAME,
    SAMPLE_RATE_HZ,
    SAMPLES_PER_FRAME,
    WINDOW_SAMPLES,
    FrameResampler,
    frames_for_samples,
    frames_for_seconds,
    pad_waveform,
    rows_for_frames,
    samples_for_frames,
    shown_frames,
)
from media.features import FEATURES, Level, extract_features, measure_level, stream_features
from media.files import partial_path, put_in_place, write_whole
from media.flac import quantised, write_flac
from media.jpeg import decode_jpeg, encode_jpeg
from media.pictures import is_image, read_image
from media.video import VideoInfo, read_frames, video_info
from media.writer import SYNTHETIC_COMMENT, VideoWriter

__all__ = [
    "FEATURES", "FPS", "HOP_SAMPLES", "ROWS_PER_FRAME", "ROW_RATE_HZ", "SAMPLES_PER_FRAME", "SAMPLE_RATE_HZ",
    "SYNTHETIC_COMMENT", "WINDOW_SAMPLES", "AudioInfo", "FrameResampler", "Level", "VideoInfo", "VideoWriter",
    "audio_info", "count_audio_frames", "decode_jpeg", "encode_jpeg", "extract_features",
    "frames_for_samples", "frames_for_seconds", "is_image",
    "measure_level", "pad_waveform", "partial_path", "put_in_place", "quantised", "read_audio", "read_frames", "read_image",
    "recut", "rows_for_frames", "samples_for_frames", "shown_frames", "stream_audio", "stream_features", "video_info",
    "write_flac", "write_whole",
]
