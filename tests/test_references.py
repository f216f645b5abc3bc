"""Pictures and clips become references on one canvas; what cannot be one is refused in one line."""

import cv2
import numpy as np
import pytest

from headsync import media
from headsync.landmarks import canonical_face, crop_picture, pose_points
from headsync.landmarks.detection import extract, make_detector
from headsync.landmarks.detection.detectors import Face
from headsync.landmarks.geometry import HeadPose
from headsync.landmarks.lips import lip_opening
from render_stage.geometry.topology import LANDMARKS
from render_stage.picking import OPEN_MOUTH, pick_faces
from render_stage.references import read_references
from tests.face_files import blank, portrait, shaking, write_tone, write_video
from tests.media_files import write_picture


@pytest.fixture(scope="module")
def detector():
    held = make_detector()
    yield held
    held.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    return write_picture(tmp_path_factory.mktemp("one") / "photo.png", portrait())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("one") / "clip.mp4", blank(7) + shaking(31))


def pasted(size: tuple[int, int], *faces: tuple[int, int, float]) -> np.ndarray:
    """A grey picture of (height, width) with the portrait at each (x, y), scaled."""
    picture = np.full((*size, 3), 200, np.uint8)
    for x, y, scale in faces:
        face = cv2.resize(portrait(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture[y : y + len(face), x : x + face.shape[1]] = face
    return picture


def test_a_picture_on_its_own_canvas_is_what_extraction_sees(photo, detector):
    found = extract(photo, detector=detector, with_mesh=True)
    (one,) = read_references(photo, detector=detector).on_canvas()
    assert np.array_equal(one.points, found.sequence.points[0]) and np.array_equal(one.mesh, found.mesh[0])
    seen = crop_picture(portrait(), found.sequence.crop, 256)
    assert one.picture.dtype == np.uint8 and np.abs(one.picture.astype(int) - seen).max() <= 1
    start = read_references(photo, detector=detector).start()
    assert np.array_equal(start.points, found.sequence.points) and start.crop == found.sequence.crop


def test_points_do_not_depend_on_the_canvas_size(photo, detector):
    small, large = (read_references(photo, size=size, detector=detector).on_canvas()[0] for size in (94, 338))
    assert small.picture.shape == (94, 94, 3) and large.picture.shape == (338, 338, 3)
    assert np.array_equal(small.points, large.points)
    reduced = cv2.resize(large.picture, (94, 94), interpolation=cv2.INTER_AREA)
    assert np.abs(reduced.astype(int) - small.picture).mean() < 4


def test_a_canvas_given_from_outside_is_kept(photo, detector):
    references = read_references(photo, detector=detector)
    crop = (-17.3, 3.9, 300.1, 321.3)
    (one,) = references.on_canvas(crop)
    assert np.abs(one.picture.astype(int) - crop_picture(portrait(), crop, 256)).max() <= 1 and references.covers(crop)


def test_a_huge_picture_is_reduced_and_stays_in_place(tmp_path, detector):
    cv2.imwrite(str(tmp_path / "huge.jpg"), pasted((2000, 2600), (1200, 300, 4.0))[..., ::-1])
    references = read_references(tmp_path / "huge.jpg", detector=detector)
    source = references.sources[0]
    assert source.size == (2000, 2600) and max(source.faces[0].picture.shape) < 1600
    (one,) = references.on_canvas()
    seen = crop_picture(media.read_image(tmp_path / "huge.jpg"), source.crop, 256)
    assert np.abs(one.picture.astype(int) - seen).mean() < 1
    assert not references.covers((0.0, 0.0, 2000.0, 2000.0))


def test_another_photo_comes_to_the_canvas_of_the_first(tmp_path, photo, detector):
    turned = cv2.warpAffine(portrait(), np.array([[1.0, 0.26, 40], [-0.26, 1.0, 90]]), (420, 470), borderValue=(90, 90, 90))
    other = write_picture(tmp_path / "other.png", turned)
    one, two = read_references([photo, other], detector=detector).on_canvas()
    assert np.abs(one.points[:, :2] - two.points[:, :2]).mean() < 2.5       # as well as a detector can
    face = one.points[:, :2].astype(int)
    inside = (slice(face[:, 1].min(), face[:, 1].max()), slice(face[:, 0].min(), face[:, 0].max()))
    assert np.abs(one.picture[inside].astype(int) - two.picture[inside]).mean() < 12


def test_a_clip_gives_its_most_different_frames(clip, detector):
    references = read_references(clip, count=5, detector=detector, progress=False)
    source = references.sources[0]
    assert source.frames == 38 and len(source.faces) == 5
    places = references.points()[:, :, :2].mean(1)
    assert np.ptp(places[:, 0]) > 10 and source.outline[:, 0].max() > places[:, 0].max()
    pictures = [one.picture.astype(int) for one in references.on_canvas()]
    assert min(np.abs(a - b).mean() for a in pictures for b in pictures if a is not b) > 1
    for one, face in zip(references.on_canvas(), source.faces):     # picture and points are of one frame
        assert np.abs(one.points - extract_picture(face, source.crop, detector)).mean() < 2


def extract_picture(face, crop, detector) -> np.ndarray:
    """Landmarks found anew in the part of the frame that was kept, on the canvas of `crop`."""
    detector.restart()
    for _ in range(4):
        found = detector.faces(face.picture)[0].points
    points = found / face.scale + [*face.corner, 0]
    return (points - [crop[0], crop[1], 0]) * 256 / (crop[2] - crop[0])


def test_picks_hold_an_open_mouth():
    h = np.zeros((29, 6))
    h[:, 1] = np.linspace(-0.4, 0.4, 29)
    points = pose_points(canonical_face()[None].repeat(29, 0), HeadPose(h, 1.0))
    assert lip_opening(points).max() < OPEN_MOUTH
    assert pick_faces(points, 3) == [14, 0, 28]
    points[11, [65, 66, 67], 1] += 21
    assert pick_faces(points, 3) == [14, 0, 11] and pick_faces(points, 1) == [14]
    points[0, [65, 66, 67], 1] += 20
    assert pick_faces(points, 3) == [14, 0, 28]         # one of the picks is open enough
    assert pick_faces(points[:2], 7) == [1, 0]          # none twice


class WithoutMesh:
    """A detector that knows landmarks only."""

    name = "bare"

    def __init__(self, detector):
        self.boxes, self.restart, self._faces = detector.boxes, detector.restart, detector.faces

    def faces(self, picture):
        return [Face(face.points, None) for face in self._faces(picture)]


def test_without_a_mesh_one_is_fitted(photo, clip, detector):
    for source in (photo, clip):
        one = read_references(source, count=1, detector=WithoutMesh(detector), progress=False).on_canvas()[0]
        assert one.mesh.shape == (468, 3)
        apart = np.abs(one.mesh[LANDMARKS] - one.points)
        assert apart[17:].max() < 1 and apart.max() < 20


def test_faces_are_chosen_from_the_left(tmp_path, detector):
    both = write_picture(tmp_path / "both.png", pasted((400, 760), (20, 30, 0.8), (390, 20, 1.1)))
    middles = [read_references(both, face=face, detector=detector).points()[0, :, 0].mean() for face in ("0", "1", "largest")]
    assert middles[0] < 330 < middles[1] and abs(middles[1] - middles[2]) < 1
    with pytest.raises(ValueError, match="there is no face 2, counted from 0 at the left; 2 found"):
        read_references(both, face="2", detector=detector)
    clip = write_video(tmp_path / "both.mp4", [media.read_image(both)] * 7)
    assert read_references(clip, face="0", count=1, detector=detector, progress=False).points()[0, :, 0].mean() < 330
    with pytest.raises(ValueError, match="there is no face 5"):
        read_references(clip, face="5", detector=detector)


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    write_picture(folder / "grey.png", np.full((97, 131, 3), 127, np.uint8))
    write_picture(folder / "tiny.png", cv2.resize(np.full((97, 131, 3), 90, np.uint8), (40, 40)))
    (folder / "corrupt.jpg").write_bytes((folder / "grey.png").read_bytes()[:41])
    (folder / "text.mp4").write_bytes(b"this is no video" * 50)
    write_video(folder / "nobody.mp4", blank(11))
    write_tone(folder / "sound.flac", 11)
    return folder


@pytest.mark.parametrize("name, words", [
    ("grey.png", "no face found"), ("tiny.png", "at least 40 pixels"), ("corrupt.jpg", "corrupt.jpg"), ("text.mp4", "text.mp4"),
    ("nobody.mp4", "no face found"), ("sound.flac", "no pictures in this file"), ("missing.png", "no such file")])
def test_what_shows_no_face_is_one_line(bad, detector, name, words):
    with pytest.raises(ValueError, match=words) as caught:
        read_references(bad / name, detector=detector, progress=False)
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("wish, words", [
    ({"count": 0}, "--references must be 1 to 32"), ({"count": 33}, "got 33"), ({"size": 63}, "--size must be even"),
    ({"size": 1026}, "64 to 1024"), ({"face": "left"}, "face must be 'largest'"),
    ({"sources": []}, "0 sources, at most 32 and at least one")])
def test_wishes_out_of_range_are_one_line(photo, detector, wish, words):
    with pytest.raises(ValueError, match=words):
        read_references(**({"sources": photo, "detector": detector} | wish))


def test_too_many_references_are_refused(photo, clip, detector):
    with pytest.raises(ValueError, match="33 sources, at most 32"):
        read_references([photo] * 33, detector=detector)
    with pytest.raises(ValueError, match="3 sources give 33 references, at most 32"):
        read_references([clip, photo, photo], count=32, detector=detector, progress=False)
