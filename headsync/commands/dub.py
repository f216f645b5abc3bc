"""A video and a sound -> the video with that sound, in which one face's mouth says it; nothing else is touched."""

import argparse

from headsync.commands.checks import check_ending, check_inputs, reserved
from headsync.commands.motion_arguments import add_device_argument
from headsync.commands.parser import CommandParser

EXAMPLE = "dub --video clip.mp4 --audio speech.wav --out dubbed.mp4"


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("--video", required=True, metavar="V", help="the video; its size, rate and colours are kept")
    parser.add_argument("--audio", required=True, metavar="A", help="what is to be said: any file with sound")
    parser.add_argument("--out", required=True, metavar="O.mp4", help="the dubbed video")
    parser.add_argument("--face", default="largest", help="largest (default), centre, an index from the left or x,y")
    parser.add_argument("--landmarks", metavar="S.npz", help="take the lips from this sequence (default: made from the sound)")
    parser.add_argument("--lips", default="articulation", help="articulation (default) or a weight file of the learner")
    parser.add_argument("--lip-scale", type=float, default=1.0, metavar="X", help="how far lips and jaw move (default 1)")
    parser.add_argument("--renderer", default="rhythmic-head", help="rhythmic-head (default) or a renderer's weight file")
    parser.add_argument("--longer", choices=("cut", "bounce", "loop", "hold"), default="bounce",
                        help="under a longer sound: it is cut, the video runs to and fro (default), runs again, or its last "
                        "frame is held")
    parser.add_argument("--shorter", choices=("cut", "silence"), default="silence",
                        help="after a shorter sound: the video is cut, or goes on with lips at rest (default)")
    add_quality_arguments(parser)
    parser.add_argument("--keep-sound-bed", type=float, metavar="DB", help="mix the video's own sound in, so many decibels "
                        "louder than the new one, for example -12")
    parser.add_argument("--references", type=int, default=8, metavar="K", help="frames of each shot that mouths are drawn from")
    parser.add_argument("--size", type=int, help="side of the drawn square in pixels (default: by the face's size, 256 to 512)")
    add_device_argument(parser)


def add_quality_arguments(parser: CommandParser) -> None:
    """How well the result is encoded."""
    parser.add_argument("--quality", choices=("small", "good", "visually-lossless", "lossless"), default="visually-lossless",
                        help="of the encoding (default visually-lossless)")
    parser.add_argument("--lossless", dest="quality", action="store_const", const="lossless", help="as --quality lossless")


def run(options: argparse.Namespace) -> int:
    """Dub it; frames that went through as they are are listed."""
    check_inputs([options.audio], [options.video], of="--video")
    check_ending(options.out, ".mp4")
    with reserved(options.out, inputs=[options.video, options.audio, options.landmarks]):
        from headsync.dubbing import dub, passed_lines

        renderer = options.renderer.replace("rhythmic-head", "rhythmic_head")
        made = dub(options.video, options.audio, options.out, renderer=renderer, landmarks=options.landmarks, lips=options.lips,
                   lip_scale=options.lip_scale, face=options.face,
                   longer=options.longer, shorter=options.shorter, quality=options.quality,
                   keep_sound_bed=options.keep_sound_bed, references=options.references, size=options.size,
                   device=options.device)
    for line in passed_lines(made.passed):
        print(line)
    height, width = made.size
    print(f"{made.video}: {made.frames} frames of {width}x{height} at {float(made.rate):.6g} a second, {made.dubbed} dubbed, "
          f"{made.frames / max(made.wall_s, 1e-3):.1f} a second")
    return 0
