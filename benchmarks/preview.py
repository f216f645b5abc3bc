"""README's two pictures, from nothing but the shipped example: the stages side by side, and them in motion.

    python benchmarks/preview.py                         # docs/stages.jpg and docs/preview.webp
    python benchmarks/preview.py --sheet out/sheet.png   # and every eighth frame on one sheet, to be looked at

Run it again whenever the shipped weights change.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from headsync.commands.program import main as program
from headsync.landmarks import LandmarkSequence, contact_sheet, plain_frames
from headsync.media import FPS, SAMPLE_RATE_HZ, read_audio
from render_stage import Drive, load_renderer, read_references

ROOT = Path(__file__).parents[1]
EVERY = 2                   # of 25 frames a second: 12.5 are shown
SIDE, SOUND_PX = 240, 48    # of a picture, of the strip of sound under them
SHOWN = 4                   # moments in the picture of the stages
INK, PAPER, GONE = (60, 130, 200), (250, 250, 250), (200, 205, 210)
MOST_BYTES = 2_000_000


def sound_strip(waveform: np.ndarray, width: int) -> np.ndarray:
    """The waveform's envelope as a picture (SOUND_PX, width, 3), not yet played."""
    pieces = np.array_split(np.abs(waveform), width)
    heights = np.array([piece.max(initial=0) for piece in pieces])
    half = np.maximum(1, heights / heights.max() * (SOUND_PX / 2 - 3)).astype(int)      # (width,)
    rows = np.abs(np.arange(SOUND_PX) - SOUND_PX // 2)
    return np.where((rows[:, None] <= half)[..., None], np.uint8(GONE), np.uint8(PAPER))


def played(strip: np.ndarray, share: float) -> np.ndarray:
    """The strip with what was played so far in ink."""
    told, upto = strip.copy(), round(share * strip.shape[1])
    told[:, :upto][(strip[:, :upto] == GONE).all(-1)] = INK
    return told


def generated(audio: Path, photo: Path, seed: str) -> LandmarkSequence:
    """What headsync gen-landmarks makes of the sound and the photo."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "motion.npz"
        if program(["gen-landmarks", "--audio", str(audio), "--refs", str(photo), "--out", str(out), "--seed", seed]):
            raise SystemExit("headsync: no motion was made")
        return LandmarkSequence.load(out)


def smaller(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Generate, render, draw and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="small", help="renderer: a shipped name or a weight file")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder for stages.jpg and preview.webp")
    parser.add_argument("--sheet", type=Path, help="a contact sheet of the preview")
    parser.add_argument("--seed", default="1", help="of the motion")
    parser.add_argument("--quality", type=int, default=70)
    options = parser.parse_args()
    audio, face = ROOT / "examples/speech.flac", ROOT / "examples/astronaut.jpg"
    references, renderer = read_references(face), load_renderer(options.model)
    motion = generated(audio, face, options.seed)
    canvas = references.on_canvas(motion.crop)
    kept = np.arange(0, len(motion), EVERY)
    faces = renderer.frames(renderer.prepare(canvas), Drive(motion.points[kept]))
    lines = list(plain_frames(motion))
    photo, waveform = smaller(canvas[0].picture), read_audio(audio)
    strip = sound_strip(waveform, 3 * SIDE)
    seconds = len(waveform) / SAMPLE_RATE_HZ
    frames = [np.concatenate([
        np.concatenate([photo, smaller(lines[frame]), smaller(face)], axis=1), played(strip, frame / FPS / seconds),
    ]) for frame, face in zip(kept, faces)]

    options.out.mkdir(parents=True, exist_ok=True)
    pictures = [Image.fromarray(frame) for frame in frames]
    preview = options.out / "preview.webp"
    pictures[0].save(preview, save_all=True, append_images=pictures[1:], duration=round(1000 * EVERY / FPS), loop=0,
                     quality=options.quality, method=4)
    size = preview.stat().st_size
    moments = np.linspace(0, len(kept) - 1, SHOWN + 2).astype(int)[1:-1]
    columns = [np.concatenate([smaller(lines[kept[one]]), smaller(faces[one])]) for one in moments]
    tile = np.full((SIDE, SIDE, 3), PAPER, np.uint8)
    tile[(SIDE - SOUND_PX) // 2 :][:SOUND_PX, 12:-12] = sound_strip(waveform, SIDE - 24)
    left = np.concatenate([photo, tile])
    Image.fromarray(np.concatenate([left, *columns], axis=1)).save(options.out / "stages.jpg", quality=85, optimize=True)
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(contact_sheet(frames[::8], columns=2)).save(options.sheet)
    print(f"{preview}: {len(frames)} frames, {size / 1e6:.2f} MB; {options.out / 'stages.jpg'}")
    if size > MOST_BYTES:
        raise SystemExit(f"headsync: the preview has {size} bytes, README's limit is {MOST_BYTES}; lower --quality")


if __name__ == "__main__":
    main()
