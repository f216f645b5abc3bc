"""Files and signals: sound, features, pictures and the clock that ties them together; knows nothing of faces."""

from headsync.media.arguments import check_fields, checked
from headsync.media.audio import count_audio_frames, read_audio, stream_audio
from headsync.media.blocks import recut
from headsync.media.clock import (
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
    in_step,
    pad_waveform,
    rows_for_frames,
    samples_for_frames,
    shown_frames,
)
from headsync.media.features import FEATURES, FeatureStream, Level, extract_features, measure_level, stream_features
from headsync.media.files import growing_file, partial_path, put_in_place, write_whole
from headsync.media.flac import quantised, write_flac
from headsync.media.jpeg import decode_jpeg, encode_jpeg
from headsync.media.left_behind import remove_left_behind
from headsync.media.mix import mixed_sound
from headsync.media.pictures import is_image, read_image
from headsync.media.pixels import WHITE, Colour
from headsync.media.progress import shown_progress, stage, tracked
from headsync.media.quality import QUALITIES
from headsync.media.sound import Sound, followed_sound, open_sound
from headsync.media.spool import Spool
from headsync.media.video import VideoInfo, read_frames, video_info
from headsync.media.writer import SYNTHETIC_COMMENT, VideoWriter

__all__ = [
    "check_fields", "checked",
    "count_audio_frames", "read_audio", "stream_audio", "recut", "FPS", "HOP_SAMPLES",
    "ROW_RATE_HZ", "ROWS_PER_FRAME", "SAMPLE_RATE_HZ", "SAMPLES_PER_FRAME", "WINDOW_SAMPLES", "FrameResampler",
    "frames_for_samples", "frames_for_seconds", "in_step", "pad_waveform", "rows_for_frames", "samples_for_frames",
    "shown_frames", "Sound", "Spool", "followed_sound", "open_sound",
    "FEATURES", "FeatureStream", "Level", "extract_features", "measure_level", "stream_features",
    "growing_file", "partial_path",
    "put_in_place", "write_whole", "remove_left_behind", "quantised", "write_flac", "decode_jpeg", "encode_jpeg", "is_image",
    "read_image", "WHITE",
    "Colour", "shown_progress", "stage", "tracked", "VideoInfo", "read_frames", "video_info", "SYNTHETIC_COMMENT",
    "VideoWriter", "QUALITIES", "mixed_sound",
]
