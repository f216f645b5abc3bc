"""Sound and a face -> a video of the face saying it, and the motion it was made from beside it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from headsync.commands.checks import check_followed, check_inputs, reserved
from headsync.commands.command import named, run_each
from headsync.commands.motion_arguments import add_generator_arguments, add_sound_argument
from headsync.commands.parser import CommandParser
from headsync.commands.render import add_picture_arguments, colour_of
from headsync.commands.renderers import check_renderer_options, chosen_renderer

EXAMPLE = "talk --audio speech.wav --refs photo.jpg --out talking.mp4"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--audio", required=True, nargs="+", metavar="A", help="any file with sound; several share the models")
    parser.add_argument("--out", required=True, metavar="V.mp4",
                        help="the video, V.npz beside it; with several sounds a folder")
    add_generator_arguments(parser, model="--motion-model")
    add_sound_argument(parser)
    add_picture_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Speak each sound; 1 when some of several failed."""
    check_renderer_options(options)
    check_inputs(options.audio, options.refs)
    check_followed(options.lips_from, options.audio)
    videos = named(options.out, options.audio, ".mp4")
    motions = [video.with_suffix(".npz") for video in videos]
    with reserved(*videos, *motions, inputs=[*options.audio, *options.refs, options.lips_from]):
        return speak_all(options, list(zip(options.audio, videos, strict=True)))


def speak_all(options: argparse.Namespace, jobs: Sequence[tuple[str, Path]]) -> int:
    """The exit code of all jobs: sound and video each."""
    import headsync
    from headsync.media import open_sound, stage

    with stage("reading networks and faces"):
        from landmark_stage import load_lips, load_speaker, motion_control, motion_from
        from render_stage import read_references

        control, choice = motion_control(options), motion_from(options)
        lips = load_lips(options.lips, device=options.device) or options.lips
        speaker = load_speaker(options.generator, options.motion_model, device=options.device)
        renderer = chosen_renderer(options)
        references = read_references(options.refs, count=options.references, face=options.face, size=options.size,
                                     background=colour_of(options.background), points=options.points)

    def speak(audio, video) -> None:
        sound = open_sound(audio, stream=options.audio_stream)
        made = headsync.talk(sound, references, video, speaker=speaker, renderer=renderer, control=control, motion=choice,
                             lips=lips, lips_from=options.lips_from, paste_back=options.paste_back, quality=options.quality)
        print(f"{made.landmarks}: {made.frames} frames")
        print(f"{made.video}: {made.video_frames} frames, {made.video_frames / max(made.wall_s, 1e-3):.1f} a second")

    return run_each(speak, jobs)
