"""Sound (and a face) -> head and lip motion as a landmark sequence, and a preview to look at."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from headsync.commands.checks import check_followed, check_inputs, reserved
from headsync.commands.command import named, run_each
from headsync.commands.motion_arguments import add_device_argument, add_generator_arguments, add_sound_argument
from headsync.commands.parser import CommandParser

EXAMPLE = "gen-landmarks --audio speech.wav --refs photo.jpg --out motion.npz --preview motion.mp4"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--audio", required=True, nargs="+", metavar="A", help="any file with sound; several share one model")
    face = parser.add_mutually_exclusive_group()
    face.add_argument("--refs", metavar="IMAGE_OR_VIDEO", help="whose first visible face to start from")
    face.add_argument("--start", metavar="SEQ.npz", help="or a sequence's (default: the canonical face)")
    parser.add_argument("--out", required=True, metavar="S.npz", help="the sequence; with several sounds a folder")
    parser.add_argument("--preview", metavar="S.mp4", help="the motion drawn, with the sound; with several sounds a folder")
    add_generator_arguments(parser, model="--model")
    add_sound_argument(parser)
    add_device_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Generate for each sound; 1 when some of several failed."""
    face = options.refs or options.start
    check_inputs(options.audio, [face])
    check_followed(options.lips_from, options.audio)
    outs, previews = named(options.out, options.audio, ".npz"), named(options.preview, options.audio, ".mp4")
    with reserved(*outs, *previews, inputs=[*options.audio, face, options.lips_from]):
        return generate_all(options, list(zip(options.audio, outs, previews, strict=True)))


def generate_all(options: argparse.Namespace, jobs: Sequence[tuple[str, Path, Path | None]]) -> int:
    """The exit code of all jobs: sound, sequence and preview each."""
    from headsync.media import open_sound, stage

    with stage("reading networks and faces"):
        from landmark_stage import (
            load_lips,
            load_speaker,
            motion_control,
            motion_from,
            start_face,
            write_motion,
            write_preview,
        )

        control, motion = motion_control(options), motion_from(options)
        lips = load_lips(options.lips, device=options.device) or options.lips
        speaker = load_speaker(options.generator, options.model, device=options.device)
        start = start_face(options.refs or options.start)

    def generate(audio, out, preview) -> None:
        audio = open_sound(audio, stream=options.audio_stream)
        frames = write_motion(audio, start, out, speaker=speaker, control=control, motion=motion, lips=lips,
                              lips_from=options.lips_from)
        print(f"{out}: {frames} frames")
        if preview:
            write_preview(out, preview, audio=audio)
            print(f"{preview}: written")

    return run_each(generate, jobs)
