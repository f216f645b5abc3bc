"""The .npz between the stages: it survives a round trip, and nothing else is taken for one."""

import io
import json
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from headsync.landmarks.sequence import FIELDS, SCHEMA, LandmarkSequence, points_from_flat, producer_json


def sequence(frames: int = 5, *, seed: int = 0, **fields) -> LandmarkSequence:
    random = np.random.default_rng(seed)
    values = {"points": (random.random((frames, 68, 3)) * 199).astype(np.float32),
              "visible": random.random(frames) < 0.7, "fps": 29.97, "size": (211, 199),
              "crop": (-3.5, 7.25, 101.0, 113.0), "producer": producer_json(program="test", seed=seed)}
    return LandmarkSequence(**values | fields)


def arrays_of(given: LandmarkSequence) -> dict[str, np.ndarray]:
    """What the file holds, for tests to damage."""
    return {"schema": np.array(SCHEMA), "points": given.points, "visible": given.visible, "fps": np.float64(given.fps),
            "size": np.array(given.size, np.int64), "crop": np.array(given.crop), "layout": np.array(given.layout),
            "producer": np.array(given.producer)}


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_entries(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def header(descr: str, shape: tuple[int, ...]) -> bytes:
    """The start of a .npy that claims to be this array."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def refusal(path: Path) -> str:
    """The one line that refuses a file."""
    with pytest.raises(ValueError, match=f"{path.name}") as caught:
        LandmarkSequence.load(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    return str(caught.value)


def test_a_round_trip_loses_nothing(tmp_path):
    given = sequence(7, producer=producer_json(audio="Grüße 你好.wav", seed=3))
    given.save(tmp_path / "a.npz")
    found = LandmarkSequence.load(tmp_path / "a.npz")
    for name in FIELDS:
        assert np.array_equal(getattr(found, name), getattr(given, name)), name
    assert found.points.dtype == np.float32 and found.visible.dtype == bool
    assert [type(found.fps), type(found.size[0]), type(found.crop[0])] == [float, int, float]


def test_numpy_alone_reads_it(tmp_path):
    sequence().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert set(file.files) == {"schema", *FIELDS} and str(file["schema"]) == "landmarks/1"
        assert file["size"].dtype == np.int64 and file["crop"].dtype == file["fps"].dtype == np.float64


def test_equal_sequences_give_equal_bytes(tmp_path):
    given = sequence()
    given.save(tmp_path / "a.npz")
    turned = given.replace(points=np.asfortranarray(given.points), visible=given.visible.copy())
    turned.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_saving_is_all_or_nothing(tmp_path, monkeypatch):
    sequence(seed=1).save(tmp_path / "a.npz")
    before = (tmp_path / "a.npz").read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        sequence(seed=2).save(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_reader_keeps_what_it_opened(tmp_path):
    sequence(seed=1).save(tmp_path / "a.npz")
    before = (tmp_path / "a.npz").read_bytes()
    with open(tmp_path / "a.npz", "rb") as reader:
        sequence(seed=2).save(tmp_path / "a.npz")
        assert reader.read() == before != (tmp_path / "a.npz").read_bytes()


def test_truncated_at_any_byte_it_is_refused(tmp_path):
    sequence(1, points=points(1, 68, 3, value=7)).save(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        refusal(cut)


def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path):
    given = sequence(1, points=points(1, 68, 3, value=7))
    given.save(tmp_path / "a.npz")
    whole, harmless = (tmp_path / "a.npz").read_bytes(), 0
    for place in range(len(whole)):
        (tmp_path / "b.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :])
        try:
            found = LandmarkSequence.load(tmp_path / "b.npz")
        except ValueError as error:
            assert "b.npz" in str(error) and "\n" not in str(error)
        else:
            harmless += 1       # dates and flags of the archive itself
            assert all(np.array_equal(getattr(found, name), getattr(given, name)) for name in FIELDS)
    assert harmless < len(whole) / 2


@pytest.mark.parametrize("name", ("schema", *FIELDS))
def test_a_damaged_header_is_refused_in_one_line(tmp_path, name):
    sequence(1).save(tmp_path / "a.npz")
    entries = entries_of(tmp_path / "a.npz")
    content = entries[f"{name}.npy"]
    for place in range(70):     # magic, lengths and the words of the header
        for change in (0x01, 0x20, 0x80):
            damaged = content[:place] + bytes([content[place] ^ change]) + content[place + 1 :]
            path = write_entries(tmp_path / "b.npz", entries | {f"{name}.npy": damaged})
            try:
                LandmarkSequence.load(path)
            except ValueError as error:
                assert "b.npz" in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("name", ("schema", *FIELDS))
def test_a_missing_key_is_refused(tmp_path, name):
    arrays = arrays_of(sequence())
    del arrays[name]
    np.savez(tmp_path / "a.npz", **arrays)
    assert "its keys are" in refusal(tmp_path / "a.npz")


def test_an_added_key_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays_of(sequence()), extra=np.zeros(3))
    assert "'extra'" in refusal(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_key_twice_is_refused(tmp_path):
    sequence().save(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("fps.npy", header("<f8", ()) + np.float64(3).tobytes())
    assert "its keys are" in refusal(tmp_path / "a.npz")


def points(*shape: int, value: float = 0, kind: str = "<f4") -> np.ndarray:
    return np.full(shape, value, kind)


@pytest.mark.parametrize(("name", "value", "told"), [
    ("points", points(5, 67, 3), "points must be"), ("points", points(5, 68, 2), "points is"),
    ("points", points(5, 68), "points is"), ("points", points(0, 68, 3), "points is"),
    ("points", points(5, 68, 3, kind="<f8"), "points is float64"),
    ("points", points(5, 68, 3, kind=">f4"), "points is"),
    ("points", points(5, 68, 3, value=np.nan), "finite"), ("points", points(5, 68, 3, value=np.inf), "finite"),
    ("visible", np.ones(3, bool), "visible must be"), ("visible", np.ones(5, np.uint8), "visible is uint8"),
    ("visible", np.ones((5, 1), bool), "visible is"), ("fps", np.zeros(1), "fps is"),
    ("fps", np.float64("nan"), "fps must be"), ("fps", np.float64(0), "fps must be"),
    ("fps", np.float64(-25), "fps must be"), ("fps", np.float32(25), "fps is float32"),
    ("size", np.array([256, 256, 3]), "size is"), ("size", np.array([0, 256]), "size must be"),
    ("size", np.ones(2), "size is"), ("crop", np.zeros(4), "crop must be"), ("crop", np.ones(3), "crop is"),
    ("crop", np.array([0, 0, np.inf, 1]), "crop must be"), ("layout", np.array("wflw98"), "'wflw98'"),
    ("layout", np.array(["ibug68"]), "layout is"), ("layout", np.int64(3), "layout is"),
    ("producer", np.array("extract"), "producer must be JSON"), ("producer", np.array("[1]"), "JSON object"),
    ("producer", np.array("[" * 20000), "not a landmarks"), ("producer", np.array(b"{}"), "producer is"),
    ("schema", np.array("landmarks/2"), "'landmarks/2'"), ("schema", np.int64(1), "schema is int64"),
])
def test_a_wrong_value_is_refused(tmp_path, name, value, told):
    np.savez(tmp_path / "a.npz", **arrays_of(sequence()) | {name: value})
    assert told in refusal(tmp_path / "a.npz")


class Trap:
    """Unpickling this would raise something that is no ValueError."""

    def __reduce__(self):
        return (exec, ("raise KeyboardInterrupt",))


def test_a_pickle_is_refused_unread(tmp_path):
    np.savez(tmp_path / "a.npz", **arrays_of(sequence()) | {"producer": np.array([Trap()], object)})
    assert "producer is object" in refusal(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Trap()))
    refusal(tmp_path / "b.npz")


@pytest.mark.parametrize(("descr", "shape"), [
    ("<f4", (1_000_000_000, 68, 3)), ("<f4", (1_000_000, 68, 3)), ("<f4", (5, 1_000_000_000, 3)), ("<f4", (-1, 68, 3)),
    ("<f4", (2**62, 68, 3)), ("|b1", (1_000_000_000,)), ("<U300000000", ()), ("<U1000000", ()),
])
def test_a_boasting_header_is_refused_without_allocating(tmp_path, descr, shape):
    sequence().save(tmp_path / "a.npz")
    name = {"f": "points", "b": "visible", "U": "producer"}[descr[1]]
    path = write_entries(tmp_path / "b.npz", entries_of(tmp_path / "a.npz") | {f"{name}.npy": header(descr, shape)})
    tracemalloc.start()
    try:
        told = refusal(path)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert name in told and peak_bytes < 1 << 20


def test_more_than_the_header_says_is_refused(tmp_path):
    sequence().save(tmp_path / "a.npz")
    entries = entries_of(tmp_path / "a.npz")
    path = write_entries(tmp_path / "b.npz", entries | {"fps.npy": entries["fps.npy"] + b"\0"})
    assert "fps is said to be" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"PK", b"hello", b"\x93NUMPY\x01\x00", b"\0" * 997])
def test_foreign_files_are_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    refusal(tmp_path / "a.npz")


def test_missing_files_and_folders_are_named(tmp_path):
    assert "no such file" in refusal(tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    refusal(tmp_path / "folder.npz")


def test_a_sequence_cannot_be_made_wrong():
    with pytest.raises(ValueError, match="points must be"):
        sequence(points=np.zeros((5, 67, 3), np.float32))
    with pytest.raises(ValueError, match="at least one frame"):
        sequence().slice(3, 3)


def test_unit_points_are_shares_of_width_height_and_width():
    given = sequence(3)
    assert np.allclose(given.in_unit() * [199, 211, 199], given.points, atol=1e-4)
    assert given.in_unit().dtype == np.float32


def test_the_flat_form_is_point_by_point():
    given = sequence(3)
    for dims in (2, 3):
        flat = given.flat(dims)
        assert flat.shape == (3, 68 * dims)
        assert np.array_equal(flat[:, dims * 41 : dims * 42], given.in_unit()[:, 41, :dims])
    with pytest.raises(ValueError, match="dims=4"):
        given.flat(4)


def test_the_flat_form_turns_back():
    given = sequence(3)
    assert np.allclose(points_from_flat(given.flat(3), given.size, dims=3), given.points, rtol=1e-6)
    shallow = points_from_flat(given.flat(), given.size)
    assert np.allclose(shallow[..., :2], given.points[..., :2], rtol=1e-6) and not shallow[..., 2].any()
    deep = points_from_flat(given.flat(), given.size, depth=given.points[0, :, 2])
    assert np.array_equal(deep[2, :, 2], given.points[0, :, 2]) and deep.dtype == np.float32


def test_slices_and_stills_share_all_but_time():
    given = sequence(7)
    part, still = given.slice(2, 5), given.held(11)
    assert len(part) == 3 and np.array_equal(part.points, given.points[2:5])
    assert np.array_equal(part.visible, given.visible[2:5])
    assert len(still) == 11 and (still.points == given.points[0]).all()
    assert part.crop == still.crop == given.crop and part.producer == given.producer


def test_the_producer_is_json_that_does_not_depend_on_order():
    assert producer_json(b=1, a="é") == producer_json(a="é", b=1)
    assert json.loads(producer_json(b=1, a="é")) == {"a": "é", "b": 1}
