"""Landmark sequences and reference pictures of a face -> videos of that face, with their sound."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from headsync.commands.checks import check_inputs, reserved
from headsync.commands.command import named, run_each
from headsync.commands.motion_arguments import add_device_argument, add_motion_arguments, add_sound_argument
from headsync.commands.parser import CommandParser
from headsync.commands.renderers import WORDS, add_renderer_arguments, check_renderer_options, chosen_renderer, posed_motion

EXAMPLE = "render --landmarks motion.npz --refs photo.jpg --audio speech.wav --out talking.mp4"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--landmarks", nargs="+", default=[], metavar="S.npz", help="sequences; several share a model")
    parser.add_argument("--pose", metavar="VIDEO_OR_WORD", help="instead of --landmarks, for pc-avs: a video whose head is "
                        "copied, looped to and fro; hold, as in the first reference; or frontal")
    parser.add_argument("--audio", nargs="+", metavar="A", help="the sound of each sequence (default: silent)")
    parser.add_argument("--out", required=True, metavar="V.mp4", help="the video; with several sequences a folder")
    add_motion_arguments(parser, blink="off", noise=False)
    add_sound_argument(parser)
    add_picture_arguments(parser)


def add_picture_arguments(parser: CommandParser) -> None:
    """Who is to be seen, and how."""
    parser.add_argument("--refs", required=True, nargs="+", metavar="IMAGE_OR_VIDEO", help="pictures and clips of one person")
    parser.add_argument("--references", type=int, default=8, metavar="K", help="frames used of each clip (default 8)")
    parser.add_argument("--face", default="largest", help="largest, centre or an index from the left (default largest)")
    parser.add_argument("--points", metavar="FILE", help="marked points of a face that is not found: a drawing, an animal")
    parser.add_argument("--size", type=int, default=256, help="side of the rendered square in pixels (default 256)")
    parser.add_argument("--paste-back", action="store_true", help="put the head back into the first reference in full size")
    parser.add_argument("--quality", choices=("small", "good", "visually-lossless", "lossless"),
                        help="of the video (default good; visually-lossless with --paste-back)")
    parser.add_argument("--background", default="white", metavar="COLOUR",
                        help="on which transparent references are laid: a name, #rrggbb, or r,g,b (default white)")
    add_renderer_arguments(parser)
    add_device_argument(parser)


def colour_of(name: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour's name, #rrggbb or r,g,b. ValueError for anything else."""
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(f"rgb({name})" if "," in name else name)[:3]
    except ValueError as error:
        raise ValueError(f"--background {name} is no colour; give a name such as green, #00ff00 or 0,255,0") from error


def run(options: argparse.Namespace) -> int:
    """Render each sequence, or with --pose each sound; 1 when some of several failed."""
    check_renderer_options(options, pose=options.pose)
    if (options.pose is None) == (not options.landmarks):
        raise ValueError("give --landmarks S.npz, or with --renderer pc-avs --pose VIDEO, hold or frontal; one of them")
    if options.pose is not None and not options.audio:
        raise ValueError("--pose moves the head only, the mouth comes from the sound; give --audio")
    sounds = options.audio or [None] * len(options.landmarks)
    sequences = options.landmarks or [None] * len(sounds)
    if len(sounds) != len(sequences):
        raise ValueError(f"{len(sequences)} sequences and {len(sounds)} sounds; give one sound each, in their order")
    check_inputs(sounds, options.refs)
    shown = [options.pose] if options.pose not in (None, *WORDS) else []
    check_inputs([], shown, of="--pose")
    outs = named(options.out, options.landmarks or sounds, ".mp4")
    with reserved(*outs, inputs=[*options.landmarks, *sounds, *options.refs, *shown]):
        return render_all(options, list(zip(sequences, sounds, outs, strict=True)))


def render_all(options: argparse.Namespace, jobs: Sequence[tuple[str | None, str | None, Path]]) -> int:
    """The exit code of all jobs: sequence (None: --pose), sound and video each."""
    from headsync.landmarks import read_header
    from headsync.media import open_sound, stage

    if len(jobs) == 1 and options.landmarks:
        read_header(jobs[0][0])     # refused before networks are read
    with stage("reading networks and faces"):
        from landmark_stage import motion_from, rewrite_motion
        from render_stage import read_references, render_video

        choice, renderer = motion_from(options), chosen_renderer(options, pose=options.pose)
        references = read_references(options.refs, count=options.references, face=options.face, size=options.size,
                                     background=colour_of(options.background), points=options.points)

    def render(landmarks, audio, out) -> None:
        audio = None if audio is None else open_sound(audio, stream=options.audio_stream)
        with TemporaryDirectory() as folder:
            shown, source = landmarks, None
            if landmarks is None:
                shown, source = posed_motion(options.pose, references, audio.frames)
            elif not choice.unchanged:
                shown = Path(folder) / "motion.npz"
                rewrite_motion(landmarks, shown, motion=choice, audio=audio)
            made = render_video(shown, references, out, audio=audio, renderer=renderer, paste_back=options.paste_back,
                                quality=options.quality, source=source)
        print(f"{out}: {made.frames} frames, {made.frames / max(made.wall_s, 1e-3):.1f} a second")

    return run_each(render, jobs)
