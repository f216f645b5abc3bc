"""A video or a picture -> the landmark sequence of its face, and an overlay video to look at."""

import argparse
from itertools import repeat

from headsync import media
from headsync.experiment import run_command
from headsync.landmarks import LandmarkSequence, overlay_frames
from headsync.landmarks.detection import DETECTORS, canvas_frames, extract


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="headsync-landmarks", description=__doc__)
    parser.add_argument("source", help="a video or a picture")
    parser.add_argument("--out", required=True, metavar="S.npz", help="the landmark sequence")
    parser.add_argument("--preview", metavar="S.mp4", help="landmarks drawn on the frames, with the sound")
    parser.add_argument("--audio", help="sound of the preview (default: the video's own); holds a picture as long")
    parser.add_argument("--detector", choices=DETECTORS, default="mediapipe")
    parser.add_argument("--face", default="largest", help="largest, centre or an index from the left (default largest)")
    return parser


def run(argv: list[str]) -> None:
    """Extract, save, draw."""
    options = arguments().parse_args(argv)
    sequence = extract(options.source, detector=options.detector, face=options.face).sequence
    still = media.is_image(options.source)
    if still and options.audio:
        sequence = sequence.held(media.count_audio_frames(options.audio))
    sequence.save(options.out)
    print(f"{options.out}: {len(sequence)} frames, face found in {sequence.visible.mean():.1%}")
    if options.preview:
        preview(options, sequence, still=still)


def preview(options: argparse.Namespace, sequence: LandmarkSequence, *, still: bool) -> None:
    """The overlay video, with the given sound or the source's own."""
    frames = canvas_frames(options.source, sequence)
    own = None if still or not media.video_info(options.source).has_audio else options.source
    shown = (repeat(next(frames), len(sequence)) if still else frames)
    with media.VideoWriter(options.preview, size=sequence.size, audio=options.audio or own, synthetic=False) as writer:
        for frame in overlay_frames(shown, sequence):
            writer.write(frame)
    print(f"{options.preview}: written")


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-landmarks`."""
    return run_command(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
