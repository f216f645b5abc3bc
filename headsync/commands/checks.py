"""What a command makes sure of before any work: that results can be written where they are to go, and that inputs are there
and hold what is asked for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

KINDS = {".mp4": "an MP4 video", ".npz": "a landmark sequence (.npz)"}
HAS = {"sound": "only sound", "pictures": "only pictures", "": "neither pictures nor sound"}


@contextmanager
def reserved(*results: Path | str | None, inputs: Sequence[Path | str | None] = ()) -> Iterator[None]:
    """Around the work that makes these files: they can be written, are none of the inputs, and no other run makes them.

    None stands for no file. ValueError or OSError, one line, which names the file.
    """
    from headsync.experiment import output_lock

    given = {Path(one).resolve() for one in inputs if one is not None}
    for result in results:
        if result is not None and Path(result).resolve() in given:
            raise ValueError(f"{result} is what is read; give the result another name")
    with output_lock(*results):
        yield


def check_ending(path: Path | str | None, ending: str) -> None:
    """ValueError, one line with a better name, unless the path, if there is one, ends as what will be in it."""
    if path is not None and Path(path).suffix.lower() != ending:
        other = Path(path).with_suffix(ending) if Path(path).suffix else Path(f"{path}{ending}")
        raise ValueError(f"{path}: what is written there is {KINDS[ending]}; name it {other}")


def check_inputs(sounds: Sequence[Path | str], pictures: Sequence[Path | str] = (), *, of: str = "--refs") -> None:
    """ValueError, one line, for a file that is not there, and for sounds or pictures that hold something else.

    `of` is the option that names the pictures. Of several sounds none is looked at: one that is bad must not keep the
    others. Sequences among the pictures are not looked at either.
    """
    sounds_given = [one for one in sounds if one is not None]
    sounds_given = sounds_given if len(sounds_given) == 1 else []
    seen = [one for one in pictures if one is not None and Path(one).suffix != ".npz"]
    held = {one: contents(one) for one in [*sounds_given, *seen]}
    soundless = [one for one in sounds_given if "sound" not in held[one]]
    blind = [one for one in seen if "pictures" not in held[one]]
    if soundless and "pictures" in held[soundless[0]] and any("sound" in held[one] for one in blind):
        raise ValueError(f"--audio {soundless[0]} holds only pictures and {of} {blind[0]} only sound; swap them")
    for path, option, wanted in [*((one, "--audio", "sound") for one in soundless), *((one, of, "pictures") for one in blind)]:
        raise ValueError(f"{option} {path} holds {HAS[''.join(sorted(held[path]))]}; give a file with {wanted}")


def check_followed(lips_from: Path | str | None, sounds: Sequence[Path | str]) -> None:
    """ValueError, one line, when what lips are to follow holds no sound, or several sounds are to be played with it."""
    if lips_from is None:
        return
    if len(sounds) > 1:
        raise ValueError(f"--lips-from {lips_from} goes with one --audio, got {len(sounds)}; run them apart")
    if "sound" not in (held := contents(lips_from)):
        raise ValueError(f"--lips-from {lips_from} holds {HAS[''.join(sorted(held))]}; give a file with sound")


def contents(path: Path | str) -> set[str]:
    """Which of `sound` and `pictures` a file holds. ValueError, one line, when it is not there or no media at all."""
    from headsync import media
    from headsync.media.animation import is_animation
    from headsync.media.containers import audio_stream, open_media, video_stream

    if media.is_image(path) or is_animation(path):
        return {"pictures"}
    with open_media(path) as container:
        found = {"sound": audio_stream(container), "pictures": video_stream(container)}
    return {name for name, stream in found.items() if stream is not None}
