"""Sound (and a face) -> head and lip motion as a landmark sequence, and a preview to look at."""

import argparse

from experiment import report_failures, run_command
from landmark_stage import MotionControl, load_generator, named, start_face, write_landmarks, write_preview


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="headsync-gen-landmarks", description=__doc__)
    parser.add_argument("--audio", required=True, nargs="+", metavar="A", help="any file with sound; several share one model")
    face = parser.add_mutually_exclusive_group()
    face.add_argument("--refs", metavar="IMAGE_OR_VIDEO", help="whose first visible face to start from")
    face.add_argument("--start", metavar="SEQ.npz", help="or a sequence's (default: the canonical face)")
    parser.add_argument("--out", required=True, metavar="S.npz", help="the sequence; with several sounds a folder")
    parser.add_argument("--preview", metavar="S.mp4", help="the motion drawn, with the sound; with several sounds a folder")
    parser.add_argument("--model", default="long", help="long (default), short, or a weight file")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another motion")
    parser.add_argument("--noise", type=float, default=1.0, help="how different seeds are; 0: the mean path (default 1)")
    parser.add_argument("--head-scale", type=float, default=1.0, help="0: the head stands still (default 1)")
    parser.add_argument("--lip-scale", type=float, default=1.0, help="of the lips' motion (default 1)")
    return parser


def run(argv: list[str]) -> int:
    """Generate for each sound; 1 when some of several failed."""
    options = arguments().parse_args(argv)
    control = MotionControl(options.seed, options.noise, options.head_scale, options.lip_scale)
    generator, start = load_generator(options.model), start_face(options.refs or options.start)
    places = zip(options.audio, named(options.out, options.audio, ".npz"), named(options.preview, options.audio, ".mp4"))
    failures = []
    for audio, out, preview in places:
        try:
            print(f"{out}: {write_landmarks(audio, start, out, generator=generator, control=control)} frames")
            if preview:
                write_preview(out, preview, audio=audio)
                print(f"{preview}: written")
        except (ValueError, OSError) as error:
            if len(options.audio) == 1:
                raise
            failures.append(f"{audio}: {error}")
    return report_failures(failures)


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-gen-landmarks`."""
    return run_command(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
