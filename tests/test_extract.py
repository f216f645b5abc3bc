"""Detectors and extraction: the shipped portrait is found, big or small, in company or lost for a while."""

import cv2
import numpy as np
import pytest

from headsync import media
from headsync.commands.program import main
from headsync.landmarks import LandmarkSequence
from headsync.landmarks.detection import extract, make_detector
from headsync.landmarks.detection.fan_detector import FanDetector, load_fan_network
from tests.face_files import PORTRAIT, blank, portrait, shaking, write_tone, write_video


@pytest.fixture(scope="module")
def detector():
    made = make_detector("mediapipe")
    yield made
    made.close()


def test_a_picture_gives_one_frame_with_the_face_in_the_middle(detector):
    found = extract(PORTRAIT, detector=detector, with_mesh=True)
    points = found.sequence.points[0]
    assert found.sequence.points.shape == (1, 68, 3) and found.mesh.shape == (1, 468, 3)
    assert 90 < np.ptp(points[:, 1]) < 170 and np.all(np.abs(points[:, :2].mean(0) - 128) < 40)
    assert points[36, 0] < points[45, 0] and points[8, 1] > points[57, 1] > points[33, 1] > points[27, 1]
    assert points[30, 2] < points[[0, 16], 2].min()         # the nose is nearer than the ears


def test_landmarks_do_not_depend_on_the_picture_size(detector, tmp_path):
    picture = portrait()
    found = []
    for side in (256, 1999):
        path = tmp_path / f"{side}.png"
        cv2.imwrite(str(path), cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)[..., ::-1])
        found.append(extract(path, detector=detector).sequence)
    np.testing.assert_allclose(found[0].points[..., :2], found[1].points[..., :2], atol=4)


def test_a_small_face_in_a_wide_picture_is_found(detector, tmp_path):
    wide = np.full((720, 1280, 3), 90, np.uint8)
    wide[400:520, 900:1020] = cv2.resize(portrait(), (120, 120), interpolation=cv2.INTER_AREA)
    media_path = tmp_path / "wide.png"
    cv2.imwrite(str(media_path), wide[..., ::-1])
    x0, y0, x1, y1 = extract(media_path, detector=detector).sequence.crop
    assert 880 < x0 < 980 < x1 < 1040 and 380 < y0 < 460 < y1 < 540


@pytest.mark.parametrize("face, expected", [("largest", 1), ("0", 0), ("1", 1)])
def test_one_of_two_faces_is_followed(detector, tmp_path, face, expected):
    small = [cv2.resize(frame, (180, 180), interpolation=cv2.INTER_AREA) for frame in shaking(23)]
    frames = []
    for left, right in zip(small, shaking(23), strict=True):
        frames.append(np.full((256, 512, 3), 120, np.uint8))
        frames[-1][40:220, 20:200], frames[-1][:, 256:] = left, right
    path = write_video(tmp_path / "two.mp4", frames)
    sequence = extract(path, detector=detector, face=face).sequence
    middle = (sequence.crop[0] + sequence.crop[2]) / 2
    assert sequence.visible.all() and (middle > 256) == bool(expected)


def test_lost_frames_are_marked_and_interpolated(detector, tmp_path):
    path = write_video(tmp_path / "lost.mp4", shaking(17) + blank(7) + shaking(17))
    sequence = extract(path, detector=detector).sequence
    assert len(sequence) == 41 and not sequence.visible[18:24].any() and sequence.visible[:17].all()
    assert np.isfinite(sequence.points).all()


def test_landmarks_follow_the_motion_and_repeat_exactly(detector, tmp_path):
    path = write_video(tmp_path / "move.mp4", shaking(43, amplitude=12.0))
    sequence = extract(path, detector=detector).sequence
    scale = 256 / (sequence.crop[2] - sequence.crop[0])
    moved = sequence.points[:, 30, 0] / scale
    planted = 12 * np.sin(np.arange(43) / 5)
    assert np.corrcoef(moved, planted)[0, 1] > 0.99 and np.polyfit(planted, moved, 1)[0] == pytest.approx(1, abs=0.12)
    again = extract(path, detector="mediapipe").sequence
    np.testing.assert_array_equal(sequence.points, again.points)


def test_no_face_is_one_line(detector, tmp_path):
    path = write_video(tmp_path / "nobody.mp4", blank(7))
    with pytest.raises(ValueError, match="no face found in .*nobody.mp4"):
        extract(path, detector=detector)
    with pytest.raises(ValueError, match="no detector is called 'dlib'"):
        make_detector("dlib")


class StubNetwork:
    """Answers like face-alignment: 68 points in every box, depth growing towards the camera."""

    def get_landmarks_from_image(self, image, detected_faces):
        corners = np.array([[x0, y0, x1, y1] for x0, y0, x1, y1 in detected_faces])
        share = np.random.default_rng(5).uniform(0, 1, (68, 3))
        return [np.column_stack([x0 + share[:, 0] * (x1 - x0), y0 + share[:, 1] * (y1 - y0), 40 * share[:, 2]])
                for x0, y0, x1, y1 in corners]


def test_face_alignment_behind_the_same_function(detector):
    found = extract(PORTRAIT, detector=FanDetector(StubNetwork(), detector), with_mesh=True)
    share = np.random.default_rng(5).uniform(0, 1, (68, 3))
    assert found.mesh is None and found.sequence.points.shape == (1, 68, 3)
    depth = found.sequence.points[0, :, 2]
    assert np.corrcoef(depth, share[:, 2])[0, 1] == pytest.approx(-1, abs=1e-4)     # nearer became smaller
    assert '"face-alignment"' in found.sequence.producer


def test_missing_weights_name_the_embedded_default(monkeypatch):
    import face_alignment

    def unreachable(*arguments, **options):
        raise OSError("host unreachable")

    monkeypatch.setattr(face_alignment, "FaceAlignment", unreachable)
    with pytest.raises(ValueError, match="host unreachable.*'mediapipe'"):
        load_fan_network()


def test_the_command_writes_sequence_and_preview(tmp_path, capsys):
    audio = write_tone(tmp_path / "a.flac", 31)
    out, preview = tmp_path / "s.npz", tmp_path / "s.mp4"
    call = [str(PORTRAIT), "--audio", str(audio), "--out", str(out), "--preview", str(preview)]
    assert main(["landmarks", *call]) == 0
    assert len(LandmarkSequence.load(out)) == 31
    frames = list(media.read_frames(preview))
    assert len(frames) == 31 and frames[0].shape == (256, 256, 3) and media.video_info(preview).has_audio
    assert capsys.readouterr().err == ""


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    assert main(["landmarks", str(tmp_path / "absent.mp4"), "--out", str(tmp_path / "s.npz")]) == 2
    said = capsys.readouterr().err.strip()
    assert "absent.mp4" in said and "\n" not in said and not (tmp_path / "s.npz").exists()
