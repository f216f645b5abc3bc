"""Options that several commands share: how faces are found and how they are to move, and where networks compute."""

from headsync.commands.parser import CommandParser

DETECTORS = ("mediapipe", "face-alignment")     # those of headsync.landmarks.detection, which takes seconds to import


def add_device_argument(parser: CommandParser) -> None:
    """Where networks compute."""
    parser.add_argument("--device", default="auto", help="auto (default): a GPU where there is one; cpu, cuda or cuda:1")


def add_sound_argument(parser: CommandParser) -> None:
    """Which of a file's sounds."""
    parser.add_argument("--audio-stream", type=int, metavar="N", help="which of several sounds of a file, counted from 0 "
                        "(default: the file's default one, else the first that is audible)")


def add_generator_arguments(parser: CommandParser, *, model: str) -> None:
    """Who makes a motion, and how it is to be; `model` names the option that takes weights.

    `landmark_stage.motion_control` and `motion_from` read it back.
    """
    parser.add_argument("--generator", default="ms-sync", help="ms-sync (default), or expression: lips and face, head still")
    parser.add_argument(model, help="long (default), short, or a weight file of the generator")
    parser.add_argument("--lips", default="articulation", metavar="WHO",
                        help="who moves jaw and mouth: articulation (default), live: the same with 240 ms of look-ahead, a "
                             "weight file of either, or generator: the generator's own lips, which add to the start's")
    parser.add_argument("--lips-from", metavar="SOUND", help="what the face follows while --audio is played, say vocals alone")
    add_motion_arguments(parser, head=None)


def add_motion_arguments(parser: CommandParser, *, head: str | None = "landmarks", blink: str = "natural",
                         noise: bool = True) -> None:
    """How heads, lips and lids are to move; `landmark_stage.motion_from` reads it back.

    `head` and `blink` are those options' defaults; None: a learned head for MS-Sync's generator, a still one for the expression
    learner. `noise` says whether there is a generator that it is for.
    """
    parser.add_argument("--seed", type=int, default=0, help="another seed, another motion")
    if noise:
        parser.add_argument("--noise", type=float, default=1.0, help="how much seeds differ; 0: mean prediction (default 1)")
    usual = {"learned": " (default)" if head is None else "", "landmarks": " (default)" if head else ""}
    parser.add_argument("--head-motion", default=head, metavar="SOURCE",
                        help=f"learned{usual['learned']}: as the person of a clip moves, or somebody by the seed; "
                             f"landmarks{usual['landmarks']}: as generated; still; or a video or .npz to copy")
    parser.add_argument("--head-reference", metavar="VIDEO_OR_NPZ", help="whose head motion is learned (default: of --refs)")
    parser.add_argument("--head-motion-model", metavar="FILE", help="weights of a head-motion learner of your own")
    parser.add_argument("--head-scale", type=float, default=1.0, help="0: the head stands still (default 1)")
    parser.add_argument("--lip-scale", type=float, default=1.0, help="of the lips' motion (default 1)")
    parser.add_argument("--lip-closure", type=float, default=0.0, metavar="X",
                        help="how much more lips close than they are made to (default 0: as they are)")
    parser.add_argument("--blink", default=blink, metavar="HOW",
                        help=f"natural, off, video: as in the one of --head-motion, or blinks a minute (default {blink})")
