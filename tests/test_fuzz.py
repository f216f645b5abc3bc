"""Damaged files given to every command and reader: refused in one line or used, never a crash, a hang or half a result.

`make fuzz` does the same with 10,000 files; HEADSYNC_FUZZ is their number. What it once found is made again below.
"""

import ast
import hashlib
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headsync import media
from headsync.corpus import open_corpus
from headsync.corpus.corpus import Clip, read_table
from headsync.experiment import load_config, load_weights
from headsync.landmarks import LandmarkSequence
from headsync.landmarks.detection import extract
from syncers.train import TrainSettings as SyncersSettings
from tests.fuzz_commands import COMMANDS, READ_SHARE, READER, SLOTS, WITHOUT_FILES, shares
from tests.fuzz_material import StillDetector, make_weights, sequence
from tests.fuzz_mutations import KINDS, mutated, npy, png_chunks, png_file
from tests.fuzz_run import Case, fault_of
from tests.media_files import noise, write_audio, write_picture
from tests.test_program import leaves

ROOT = Path(__file__).parents[1]
CASES = int(os.environ.get("HEADSYNC_FUZZ", "2000"))


def test_every_command_is_in_the_table():
    assert {slot.command for slot in COMMANDS} == set(leaves()) - set(WITHOUT_FILES)
    assert {kind for slot in SLOTS for kind in slot.kinds} >= set(KINDS)
    assert sum(shares()) == pytest.approx(1) and len(shares()) == len(SLOTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutation_is_known_by_its_number(kind, tmp_path):
    others = {"wav": bytes(range(256)) * 3, "png": b"\x89PNG" * 50}
    good = good_file(kind, tmp_path)
    made = [mutated(good, kind, np.random.default_rng((7, number)), others)[0] for number in range(40)]
    assert made == [mutated(good, kind, np.random.default_rng((7, number)), others)[0] for number in range(40)]
    assert sum(one != good for one in made) > 35 and len(set(made)) > 20


def good_file(kind: str, folder: Path) -> bytes:
    """A small good file of a kind."""
    path = folder / f"a.{kind}"
    if kind in ("wav", "mp3"):
        write_audio(path, noise(5000, seed=1), rate_hz=16000, codec={"wav": "pcm_s16le", "mp3": "mp3"}[kind],
                    sample_format={"wav": "s16", "mp3": "fltp"}[kind])
    elif kind == "png":
        write_picture(path, np.random.default_rng(1).integers(0, 255, (31, 43, 3)).astype(np.uint8))
    elif kind == "jpg":
        path.write_bytes(media.encode_jpeg(np.random.default_rng(1).integers(0, 255, (31, 43, 3)).astype(np.uint8), 90))
    elif kind == "mp4":
        with media.VideoWriter(path, size=(32, 48), preset="ultrafast") as writer:
            for _ in range(3):
                writer.write(np.zeros((32, 48, 3), np.uint8))
    elif kind == "npz":
        sequence().save(path)
    elif kind == "safetensors":
        make_weights(folder)
        path = folder / "expression.safetensors"
    else:
        path = ROOT / "configs" / "syncers" / "tiny.yaml"
    return path.read_bytes()


def test_what_is_wrong_is_seen(tmp_path):
    case, said = Case(0, COMMANDS[0], "wav", "flip", b""), "headsync: a.wav: it is damaged\n"
    assert fault_of(case, tmp_path, 2, said, "") == "" and fault_of(case, tmp_path, 1, said, "") == ""
    unexpected = "headsync: failed: a: unexpected KeyError: 3\n"
    for code, text, trace in ((2, "", ""), (2, said + said, ""), (2, said + "more\n", ""), (1, "", ""), (3, said, ""),
                              (None, said, "x"), (0, "a.py:3: RuntimeWarning: no\n", ""), (1, unexpected, ""), (0, "", "")):
        assert fault_of(case, tmp_path, code, text, trace), (code, text)
    (tmp_path / "o.npz").touch()
    assert fault_of(case, tmp_path, 2, said, "") and fault_of(case, tmp_path, 0, "", "") == ""
    (tmp_path / "o.npz.partial-1").touch()
    assert fault_of(case, tmp_path, 0, "", "")


def test_bad_files_end_in_one_line(tmp_path):
    report = tmp_path / "cases.jsonl"
    run = subprocess.run([sys.executable, "-m", "tests.fuzz_run", str(CASES), "--report", str(report)], cwd=ROOT, text=True,
                         capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert run.returncode == 0, (run.stdout + run.stderr)[-9000:]
    cases = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(cases) == CASES
    commands, kinds, codes = (set(told) for told in zip(*((case[1], case[2], case[4]) for case in cases)))
    assert codes >= {0, 2} and kinds >= set(KINDS)
    assert CASES < 1000 or commands >= {slot.command for slot in COMMANDS}
    asked = sum(not command.startswith(READER) for command in (case[1] for case in cases)) / CASES
    assert CASES < 1000 or abs(asked - (1 - READ_SHARE)) < 0.05


# What was found, each made again by the bytes that matter.

MANIFEST = ",".join(Clip._fields)
ROW = "c,anna,train,9,a.mp4,0.0,True,0,1.0,99.0,0.0,0.0,0,-20.0,0.1,unchecked"


@pytest.mark.parametrize("row", [
    f"{ROW},more", "c,anna", ROW.replace("9", "x", 1), f'{ROW}\0"\n"', "x" * 200_000 + ROW, f"{ROW}\n\xff", f"../../{ROW}",
    f"/{ROW}", ROW[1:]])
def test_a_manifest_of_other_rows(row, tmp_path):
    """TypeError and csv.Error; and names that lead out of the folder."""
    (tmp_path / "manifest.csv").write_text(f"{MANIFEST}\n{row}\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"manifest\.csv") as caught:
        open_corpus(tmp_path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    (tmp_path / "manifest.csv").write_text(f"{MANIFEST}\n{ROW}\n")
    assert read_table(tmp_path / "manifest.csv", Clip)[0].frames == 9


@pytest.mark.parametrize("content", [
    b"", b"\x93NUMPY", npy("(4611686018427387904, 26)", "<f4", b""), npy("(2, 26)", "|O", b"x" * 16),
    npy("(2, 26", "<f4", b""), npy("(2, 13)", "<f4", bytes(104)), npy("(2, 26)", "<f8", bytes(416)),
    npy("(3, 26)", "<f4", bytes(208)), b"PK\3\4" + bytes(60)], ids=range(9))
def test_features_that_are_none(content, tmp_path):
    """EOFError, tokenize.TokenError, an archive, and a RuntimeWarning about the size."""
    (tmp_path / "manifest.csv").write_text(f"{MANIFEST}\n{ROW}\n")
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "c.npy").write_bytes(content)
    corpus = open_corpus(tmp_path)
    with pytest.raises(ValueError, match=r"c\.npy is no float32 array") as caught:
        corpus.features(corpus.clips[0])
    assert "\n" not in str(caught.value)
    (tmp_path / "features" / "c.npy").write_bytes(npy("(2, 26)", "<f4", bytes(208)))
    assert corpus.features(corpus.clips[0]).shape == (2, 26)


@pytest.mark.parametrize("config", ["1e308", "[]", "null", "7"])
def test_weights_whose_configuration_is_no_table(config, tmp_path):
    """TypeError: set() of a number."""
    data, told = bytes(8), {"schema": "weights/1", "config": config, "half": "false"}
    tensors = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    text = json.dumps({**tensors, "__metadata__": told}, sort_keys=True)
    told["sha256"] = hashlib.sha256(text.encode() + b"\n" + data).hexdigest()
    header = json.dumps({**tensors, "__metadata__": told}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    with pytest.raises(ValueError, match="is damaged: its configuration is"):
        load_weights(path)


@pytest.mark.parametrize("rate_hz", [1, 999, 2_000_000, 0xFFFFFFFE])
def test_a_sound_of_absurd_rate(rate_hz, tmp_path):
    """One sample a second made hours of sound, thousands of millions gigabytes of silence."""
    path = write_audio(tmp_path / "a.wav", noise(5000, seed=1), rate_hz=16000, codec="pcm_s16le", sample_format="s16")
    content = path.read_bytes()
    path.write_bytes(content[:24] + struct.pack("<I", rate_hz) + content[28:])
    with pytest.raises(ValueError, match=r"a\.wav"):
        media.count_audio_frames(path)


@pytest.mark.parametrize("channels", [0x7FFF, 0xFFFF])
def test_a_sound_of_absurdly_many_channels(channels, tmp_path):
    """A hang: its decoder cannot be opened, and was asked for ever to hand out what it held."""
    path = write_audio(tmp_path / "a.wav", noise(5000, seed=1), rate_hz=16000, codec="pcm_s16le", sample_format="s16")
    content = path.read_bytes()
    path.write_bytes(content[:22] + struct.pack("<H", channels) + content[24:])
    with pytest.raises(ValueError, match=r"a\.wav: the sound holds no samples"):
        media.count_audio_frames(path)


@pytest.mark.parametrize("size", [(1, 5000), (5000, 1)])
def test_a_picture_that_is_a_line(size, tmp_path):
    """cv2.error: it cannot be reduced to less than a pixel."""
    path = write_picture(tmp_path / "line.png", np.zeros((*size, 3), np.uint8))
    with pytest.raises(ValueError, match="no face found in"):
        extract(path, detector=StillDetector())


def test_a_picture_that_says_it_is_larger(tmp_path):
    path = write_picture(tmp_path / "a.png", np.zeros((31, 43, 3), np.uint8))
    chunks = png_chunks(path.read_bytes())
    for width, height in ((16384, 16384), (2**31 - 1, 1), (65535, 65535), (0, 7)):
        path.write_bytes(png_file([(b"IHDR", struct.pack(">II", width, height) + chunks[0][1][8:]), *chunks[1:]]))
        with pytest.raises(ValueError, match=r"a\.png: the picture cannot be read"):
            media.read_image(path)


@pytest.mark.parametrize("shape", ["(1000000000, 68, 3)", "(2**40, 68, 3)", "(-1, 68, 3)", "(8.0, 68, 3)"])
def test_a_sequence_that_says_it_is_longer(shape, tmp_path):
    sequence().save(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    size = struct.unpack("<H", entries["points.npy"][8:10])[0]
    assert ast.literal_eval(entries["points.npy"][10 : 10 + size].decode().strip())["shape"] == (8, 68, 3)
    entries["points.npy"] = npy(shape, "<f4", entries["points.npy"][10 + size :])
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match="is not a landmarks/1 file"):
        LandmarkSequence.load(tmp_path / "b.npz")


@pytest.mark.parametrize("override", ["run.batch=-4", "run.lr=.inf", "material.noise=-0.1", "run.steps=3000000000",
                                      "lag_weight=.nan", "run.seed=99999999999999999999"])
def test_numbers_that_no_setting_can_be(override):
    """RuntimeErrors of torch, in the middle of a training."""
    with pytest.raises(ValueError, match=override.partition("=")[0].split(".")[-1]) as caught:
        load_config(SyncersSettings, stage="syncers", preset="tiny", overrides=[override])
    assert "\n" not in str(caught.value)
    settings = load_config(SyncersSettings, stage="syncers", preset="tiny", overrides=["run.seed=-3", "lag_weight=0"])
    assert settings.run.seed == -3
