"""Landmark files by blocks: what one call writes or reads, many do; nothing half-written, nothing foreign, no memory."""

import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headsync.landmarks.sequence import FIELDS, LandmarkSequence, producer_json
from headsync.landmarks.stream import OpenSequence, SequenceWriter, read_header

HEADER = {"fps": 29.97, "size": (211, 199), "crop": (-3.5, 7.25, 101.0, 113.0), "layout": "ibug68",
          "producer": producer_json(program="test", audio="Grüße.wav")}
EVERY_FIELD = ("schema", *FIELDS)


def faces(frames: int, *, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((frames, 68, 3)) * 199).astype(np.float32)


def write(path: Path, points: np.ndarray, *, block: int, frames: int | None = None, visible=None, **changes) -> Path:
    with SequenceWriter(path, **HEADER | {"frames": len(points) if frames is None else frames} | changes) as writer:
        for start in range(0, len(points), block):
            seen = None if visible is None else visible[start : start + block]
            writer.write(points[start : start + block], seen)
    return path


def saved(path: Path, points: np.ndarray) -> Path:
    LandmarkSequence(points=points, visible=np.ones(len(points), bool), **HEADER).save(path)
    return path


def said(read, path: Path) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(ValueError, match=path.name) as caught:
        read(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    return str(caught.value)


def read_blocks(path: Path, *, block_frames: int = 7):
    return OpenSequence(path).blocks(block_frames)


def all_blocks(path: Path) -> np.ndarray:
    return np.concatenate(list(read_blocks(path, block_frames=3)))


@pytest.mark.parametrize("block", [1, 3, 7, 23])
def test_blocks_become_the_sequence_that_load_reads(tmp_path, block):
    points, visible = faces(23), np.random.default_rng(1).random(23) < 0.7
    found = LandmarkSequence.load(write(tmp_path / "a.npz", points, block=block, visible=visible))
    assert np.array_equal(found.points, points) and np.array_equal(found.visible, visible)
    assert (found.fps, found.size, found.crop, found.layout, found.producer) == tuple(HEADER.values())


def test_all_is_visible_unless_told_otherwise(tmp_path):
    with SequenceWriter(tmp_path / "a.npz", frames=5, **HEADER) as writer:
        writer.write(faces(2))
        writer.write(faces(3), np.array([True, False, True]))
        assert writer.frames == 5
    assert LandmarkSequence.load(tmp_path / "a.npz").visible.tolist() == [True, True, True, False, True]


def test_the_same_run_gives_the_same_bytes_at_any_time(tmp_path, monkeypatch):
    first = write(tmp_path / "a.npz", faces(23), block=7).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert write(tmp_path / "b.npz", faces(23), block=7).read_bytes() == first
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("came", [5, 11])
def test_a_broken_promise_leaves_nothing(tmp_path, came):
    before = saved(tmp_path / "a.npz", faces(3)).read_bytes()
    with pytest.raises(ValueError, match="7") as caught:
        write(tmp_path / "a.npz", faces(came), block=5, frames=7)
    assert "\n" not in str(caught.value) and "promised" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"] and (tmp_path / "a.npz").read_bytes() == before


def test_a_frame_too_many_is_refused_when_it_comes(tmp_path):
    with SequenceWriter(tmp_path / "a.npz", frames=7, **HEADER) as writer:
        writer.write(faces(7))
        with pytest.raises(ValueError, match="frames 7 to 7 do not fit"):
            writer.write(faces(1))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_job_leaves_nothing(tmp_path, error):
    with pytest.raises(error), SequenceWriter(tmp_path / "a.npz", frames=7, **HEADER) as writer:
        writer.write(faces(5))
        assert [path.name[:14] for path in tmp_path.iterdir()] == ["a.npz.partial-"]    # it grows beside its name
        raise error("enough")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["os.fsync", "os.replace", "zipfile.ZipFile.open", "numpy.lib.format.write_array"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, place):
    monkeypatch.setattr(place, lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "a.npz", faces(7), block=5)
    assert not list(tmp_path.iterdir())


def test_after_a_failed_block_no_other_hides_it(tmp_path):
    with pytest.raises(ValueError, match="no sequence"), SequenceWriter(tmp_path / "a.npz", frames=7, **HEADER) as writer:
        writer._points.write = lambda _: (_ for _ in ()).throw(OSError("disk full"))
        with pytest.raises(OSError, match="disk full"):
            writer.write(faces(7))
        with pytest.raises(ValueError, match="inside a"):
            writer.write(faces(7))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("block", "visible", "told"), [
    (np.zeros((3, 67, 3), np.float32), None, "points must be"), (np.zeros((3, 68, 3)), None, "float32"),
    (np.full((3, 68, 3), np.nan, np.float32), None, "finite"), (faces(3), np.ones(2, bool), "visible"),
    (faces(3), np.ones(3), "visible"),
])
def test_a_wrong_block_is_refused_and_a_right_one_may_follow(tmp_path, block, visible, told):
    with SequenceWriter(tmp_path / "a.npz", frames=3, **HEADER) as writer:
        with pytest.raises(ValueError, match=told):
            writer.write(block, visible)
        writer.write(faces(3))
    assert np.array_equal(all_blocks(tmp_path / "a.npz"), faces(3))


@pytest.mark.parametrize(("changes", "told"), [
    ({"frames": 0}, "got 0"), ({"frames": 10**7}, "got 10000000"), ({"fps": 0}, "fps"), ({"size": (0, 5)}, "size"),
    ({"crop": (0, 0, 0, 1)}, "crop"), ({"layout": "wflw98"}, "wflw98"), ({"producer": "me"}, "JSON"),
    ({"producer": f'{{"a": "{"x" * (1 << 20)}"}}'}, "characters"),
])
def test_a_wrong_header_is_refused_before_work_starts(tmp_path, changes, told):
    with pytest.raises(ValueError, match=told):
        SequenceWriter(tmp_path / "a.npz", **HEADER | {"frames": 5} | changes)
    assert not list(tmp_path.iterdir())


def test_places_that_are_no_files_are_refused_before_work_starts(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "a.npz"):
        with pytest.raises(ValueError, match="cannot be written"):
            SequenceWriter(path, frames=5, **HEADER).__enter__()
    with pytest.raises(ValueError, match="inside a"):
        SequenceWriter(tmp_path / "a.npz", frames=5, **HEADER).write(faces(5))


@pytest.mark.parametrize("block", [1, 5, 23, 29])
def test_what_save_wrote_is_read_in_blocks(tmp_path, block):
    points = faces(23)
    blocks = list(read_blocks(saved(tmp_path / "a.npz", points), block_frames=block))
    assert [len(part) for part in blocks[:-1]] == [block] * (22 // block) and 0 < len(blocks[-1]) <= block
    assert np.array_equal(np.concatenate(blocks), points) and blocks[0].dtype == np.float32
    blocks[0] += 1      # a block is the reader's own


def test_the_header_tells_everything_but_the_points(tmp_path):
    found = read_header(write(tmp_path / "a.npz", faces(23), block=7))
    assert found == (23, *HEADER.values()) and type(found.frames) is int and type(found.size[0]) is int


def damaged(path: Path, **changes: np.ndarray | None) -> Path:
    """A file of 5 frames with some arrays changed, or left out where None."""
    arrays = {"schema": np.array("landmarks/1"), "points": faces(5), "visible": np.ones(5, bool),
              "fps": np.float64(25), "size": np.array([211, 199]), "crop": np.array([0.0, 0, 1, 1]),
              "layout": np.array("ibug68"), "producer": np.array("{}")} | changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize(("name", "value"), [
    *((name, None) for name in EVERY_FIELD), ("extra", np.zeros(3)), ("schema", np.array("landmarks/2")),
    ("points", np.zeros((5, 67, 3), np.float32)), ("points", np.zeros((5, 68, 3))), ("points", faces(0)),
    ("points", np.zeros((5, 204), np.float32)), ("visible", np.ones(3, bool)), ("visible", np.ones(5)),
    ("fps", np.float64("nan")), ("size", np.array([0, 5])), ("crop", np.zeros(4)), ("layout", np.array("wflw98")),
    ("producer", np.array("me")), ("producer", np.array([{}], object)),
])
def test_what_load_refuses_is_refused_in_its_words(tmp_path, name, value):
    path = damaged(tmp_path / "a.npz", **{name: value})
    told = said(LandmarkSequence.load, path).replace("(5, 67", "(1, 67")    # the shape is evaluated by one frame here
    assert said(read_blocks, path) == said(read_header, path) == told


@pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"\0" * 997])
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    assert said(read_blocks, tmp_path / "a.npz") == said(LandmarkSequence.load, tmp_path / "a.npz")
    for missing in (tmp_path / "none.npz", tmp_path):
        assert said(read_blocks, missing) == said(LandmarkSequence.load, missing)


def test_points_that_are_no_numbers_are_refused_before_the_first_block(tmp_path):
    points = faces(11)
    points[7, 3, 1] = np.inf
    path = damaged(tmp_path / "a.npz", points=points, visible=np.ones(11, bool))
    assert read_header(path).frames == 11 and "finite" in said(read_blocks, path)


def test_points_that_lie_about_their_length_are_refused(tmp_path):
    whole = write(tmp_path / "a.npz", faces(5), block=5)
    with zipfile.ZipFile(whole) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    for changed in (entries["points.npy"][:-4], entries["points.npy"] + b"\0" * 4):
        with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
            for name, content in (entries | {"points.npy": changed}).items():
                archive.writestr(name, content)
        assert said(read_blocks, tmp_path / "b.npz") == said(LandmarkSequence.load, tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content[:-4] if name == "points.npy" else content)
        archive.getinfo("points.npy").file_size += 4        # the archive lies too: the stream ends before its time
    said(LandmarkSequence.load, tmp_path / "c.npz")
    assert "points end within frames 0 to 4" in said(read_blocks, tmp_path / "c.npz")


def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path):
    points = np.full((2, 68, 3), 7, np.float32)
    whole, harmless = write(tmp_path / "a.npz", points, block=1).read_bytes(), 0
    for place in range(0, len(whole), 5):
        (tmp_path / "b.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        try:
            assert np.array_equal(all_blocks(tmp_path / "b.npz"), points)
            harmless += 1       # dates and flags of the archive itself
        except ValueError as error:
            assert "b.npz" in str(error) and "\n" not in str(error)
    assert harmless < len(whole) / 10
    (tmp_path / "b.npz").write_bytes(whole[:-100])
    said(read_blocks, tmp_path / "b.npz")


def test_points_by_columns_are_refused(tmp_path):
    path = damaged(tmp_path / "a.npz", points=np.asfortranarray(faces(5)))
    assert "time axis last" in said(read_blocks, path)


def peak_bytes(job) -> int:
    tracemalloc.start()
    try:
        job()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_length(tmp_path):
    peaks, block = [], faces(250)
    for frames in (2_000, 20_000):
        path = tmp_path / f"{frames}.npz"

        def job(path=path, frames=frames):
            with SequenceWriter(path, frames=frames, **HEADER) as writer:
                for _ in range(frames // 250):
                    writer.write(block)

        def reading(path=path):
            assert sum(len(part) for part in read_blocks(path)) == read_header(path).frames

        peaks.append((peak_bytes(job), peak_bytes(reading)))
    short, long = np.array(peaks) / 2**20
    assert (long < short + 0.5).all() and long.max() < 4, f"{short} MiB, then {long}; all points are {16.3 * 0.95:.0f}"
