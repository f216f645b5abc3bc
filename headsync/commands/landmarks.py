"""A video or a picture -> the landmark sequence of its face, and an overlay video to look at."""

import argparse
from itertools import repeat
from typing import TYPE_CHECKING

from headsync.commands.checks import check_ending, check_inputs, reserved
from headsync.commands.motion_arguments import DETECTORS, add_sound_argument
from headsync.commands.parser import CommandParser

if TYPE_CHECKING:
    from headsync.landmarks import LandmarkSequence

EXAMPLE = "landmarks clip.mp4 --out motion.npz --preview overlay.mp4"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("source", help="a video or a picture")
    parser.add_argument("--out", required=True, metavar="S.npz", help="the landmark sequence")
    parser.add_argument("--preview", metavar="S.mp4", help="landmarks drawn on the frames, with the sound")
    parser.add_argument("--audio", help="sound of the preview (default: the video's own); holds a picture as long")
    add_sound_argument(parser)
    parser.add_argument("--detector", choices=DETECTORS, default="mediapipe")
    parser.add_argument("--face", default="largest", help="largest, centre or an index from the left (default largest)")


def run(options: argparse.Namespace) -> None:
    """Extract, save, draw."""
    check_inputs([options.audio], [options.source], of="the source")
    check_ending(options.out, ".npz")
    check_ending(options.preview, ".mp4")
    with reserved(options.out, options.preview, inputs=[options.source, options.audio]):
        extract_one(options)


def extract_one(options: argparse.Namespace) -> None:
    """The sequence of the source, and its preview if one is asked for."""
    from headsync import media
    from headsync.landmarks.detection import extract

    sequence = extract(options.source, detector=options.detector, face=options.face).sequence
    still = media.is_image(options.source)
    if still and options.audio:
        sequence = sequence.held(media.open_sound(options.audio, stream=options.audio_stream).frames)
    sequence.save(options.out)
    print(f"{options.out}: {len(sequence)} frames, face found in {sequence.visible.mean():.1%}")
    if options.preview:
        preview(options, sequence, still=still)


def preview(options: argparse.Namespace, sequence: "LandmarkSequence", *, still: bool) -> None:
    """The overlay video, with the given sound or the source's own."""
    from headsync import media
    from headsync.landmarks import overlay_frames
    from headsync.landmarks.detection import canvas_frames

    frames = canvas_frames(options.source, sequence)
    own = None if still or not media.video_info(options.source).has_audio else options.source
    shown = (repeat(next(frames), len(sequence)) if still else frames)
    with media.VideoWriter(options.preview, size=sequence.size, audio=options.audio or own,
                           audio_stream=options.audio_stream, synthetic=False) as writer:
        for frame in media.tracked(overlay_frames(shown, sequence), "drawing", total=len(sequence), unit="frame"):
            writer.write(frame)
    print(f"{options.preview}: written")

