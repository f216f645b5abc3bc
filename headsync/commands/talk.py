"""Sound and a face -> a video of the face saying it, and the motion it was made from beside it."""

import argparse

from headsync.commands.render import add_picture_arguments
from headsync.experiment import named, run_command, run_each
from landmark_stage import add_generator_arguments, load_speaker, motion_control, motion_from, write_motion
from render_stage import load_renderer, read_references, render_video


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="headsync-talk", description=__doc__)
    parser.add_argument("--audio", required=True, nargs="+", metavar="A", help="any file with sound; several share the models")
    parser.add_argument("--out", required=True, metavar="V.mp4",
                        help="the video, V.npz beside it; with several sounds a folder")
    add_generator_arguments(parser, model="--motion-model")
    add_picture_arguments(parser)
    return parser


def run(argv: list[str]) -> int:
    """Speak each sound; 1 when some of several failed."""
    options = arguments().parse_args(argv)
    control, choice = motion_control(options), motion_from(options)
    speaker, renderer = load_speaker(options.generator, options.motion_model), load_renderer(options.model)
    references = read_references(options.refs, count=options.references, face=options.face, size=options.size)
    start = references.start()

    def speak(audio, out) -> None:
        motion = out.with_suffix(".npz")
        print(f"{motion}: {write_motion(audio, start, motion, speaker=speaker, control=control, motion=choice)} frames")
        made = render_video(motion, references, out, audio=audio, renderer=renderer, paste_back=options.paste_back)
        print(f"{out}: {made.frames} frames, {made.frames / max(made.wall_s, 1e-3):.1f} a second")

    return run_each(speak, list(zip(options.audio, named(options.out, options.audio, ".mp4"), strict=True)))


def main(argv: list[str] | None = None) -> int:
    """Entry point of `headsync-talk`."""
    return run_command(run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
