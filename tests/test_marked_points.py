"""Shows that a face that no detector sees is where its points are marked, and that marks that make none are refused.

Shapes: n marks, L = 68 landmarks.
"""

import numpy as np
import pytest

from headsync.landmarks import canonical_face
from render_stage.marked_points import MORE, NEEDED, bent, read_marks
from render_stage.references import read_references
from tests.media_files import write_picture

SIZE = (300, 400)


def marks_of(points, names=NEEDED):
    """The named places of landmarks (L, 3)."""
    return {name: tuple(points[list({**NEEDED, **MORE}[name]), :2].mean(0)) for name in names}


def written(path, marks):
    path.write_text("# a cat\n" + "\n".join(f"{name} {x:.2f}, {y:.2f}" for name, (x, y) in marks.items()) + "\n")
    return path


def test_marks_of_the_canonical_face_give_it_back_moved_and_turned(tmp_path):
    face = canonical_face().astype(float) * 0.8
    turned = face[:, :2] @ np.array([[np.cos(0.2), np.sin(0.2)], [-np.sin(0.2), np.cos(0.2)]]) + [60, 5]
    found = read_marks(written(tmp_path / "a.txt", marks_of(np.column_stack([turned, face[:, 2]]))), SIZE)
    np.testing.assert_allclose(found, np.column_stack([turned, face[:, 2]]), atol=0.1)


@pytest.mark.parametrize("names", [NEEDED, {**NEEDED, **MORE}])
def test_a_face_of_other_proportions_has_its_marks_where_they_are(names):
    random = np.random.default_rng(3)
    marks = {name: tuple(np.array(place) + random.normal(0, 9, 2)) for name, place in marks_of(canonical_face(), names).items()}
    found = marks_of(bent(marks), names)
    np.testing.assert_allclose([found[name] for name in marks if len([*{**NEEDED, **MORE}[name]]) == 1],
                               [marks[name] for name in marks if len([*{**NEEDED, **MORE}[name]]) == 1], atol=1e-6)
    np.testing.assert_allclose([*found.values()], [*marks.values()], atol=5)


def test_all_68_can_be_marked(tmp_path):
    points = canonical_face()[:, :2] + 20
    (tmp_path / "a.txt").write_text("\n".join(f"{x} {y}" for x, y in points))
    np.testing.assert_allclose(read_marks(tmp_path / "a.txt", SIZE)[:, :2], points, atol=1e-4)


def test_a_drawing_becomes_a_reference(tmp_path, caplog):
    drawing = np.full((*SIZE, 3), 250, np.uint8)
    path = write_picture(tmp_path / "cat.png", drawing)
    with pytest.raises(ValueError, match="no face found in .*--points"):
        read_references(path, progress=False)
    marks = written(tmp_path / "cat.txt", marks_of(canonical_face() + [60, 20, 0]))
    references = read_references(path, points=marks, progress=False)
    np.testing.assert_allclose(references.points()[0][:, :2], canonical_face()[:, :2] + [60, 20], atol=0.1)
    assert references.start().points.shape == (1, 68, 3) and references.on_canvas()[0].mesh.shape == (468, 3)
    assert "its face is where its points are marked" in caplog.text
    with pytest.raises(ValueError, match="one picture"):
        read_references([path, path], points=marks, progress=False)


@pytest.mark.parametrize("content, match", [
    ("chin 3 4\n", "left_eye, right_eye, nose, mouth_left, mouth_right are missing"),
    ("ear 3 4\n", "the line `ear 3 4` is none"), ("chin 3\n", "the line `chin 3` is none"),
    ("chin a b\n", "cannot be read as marked points"), ("\0\xff", "is none|cannot be read")])
def test_what_marks_no_face_is_refused(tmp_path, content, match):
    (tmp_path / "a.txt").write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=match) as caught:
        read_marks(tmp_path / "a.txt", SIZE)
    assert "a.txt" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("moved, match", [(lambda x, y: (x / 99, y / 99), "do not span a face"),
                                          (lambda x, y: (x + 900, y), "outside of its picture of 400x300"),
                                          (lambda x, y: (x, 250 - y), "chin lies above the eyes"),
                                          (lambda x, y: (np.nan, y), "do not span|cannot be read|NaN")])
def test_marks_that_no_face_can_have_are_refused(tmp_path, moved, match):
    marks = {name: moved(*place) for name, place in marks_of(canonical_face()).items()}
    with pytest.raises(ValueError, match=match):
        read_marks(written(tmp_path / "a.txt", marks), SIZE)
    with pytest.raises(ValueError, match=r"none\.txt"):
        read_marks(tmp_path / "none.txt", SIZE)
