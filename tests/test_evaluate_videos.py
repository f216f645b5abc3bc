"""Videos against videos: found again in another size, cut short, without a face, on other canvases, by the true detector."""

import cv2
import numpy as np
import pytest

from headsync.evaluation.anchors import REAL, STILL
from headsync.evaluation.evaluate import EvaluationSettings, evaluate_videos
from headsync.evaluation.summary import summaries
from headsync.landmarks.detection import make_detector
from syncers import load_syncers
from tests.face_files import blank, shaking, write_tone, write_video

FRAMES = 41


def embed(pictures: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A stand-in for an identity encoder: nine mean colours."""
    small = np.stack([cv2.resize(one, (3, 3), interpolation=cv2.INTER_AREA).ravel() for one in pictures]).astype(np.float64)
    return small / np.linalg.norm(small, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name in ("real", "made"):
        (folder / name).mkdir()
    frames = shaking(FRAMES)
    sound = write_tone(folder / "tone.flac", FRAMES)
    for clip in ("small", "short", "nobody", "wide"):
        write_video(folder / "real" / f"{clip}.mp4", frames, audio=sound)
    write_video(folder / "made" / "small.mp4", [cv2.resize(one, (192, 192), interpolation=cv2.INTER_AREA) for one in frames])
    write_video(folder / "made" / "short.mp4", frames[:29])
    write_video(folder / "made" / "nobody.mp4", blank(FRAMES))
    write_video(folder / "made" / "wide.mp4", [cv2.resize(one, (320, 256)) for one in frames])
    detector = make_detector()
    found = evaluate_videos({"made": folder / "made"}, folder / "real", detector=detector, embed=embed, progress=False,
                            pyramid=load_syncers("loss"), settings=EvaluationSettings(every=7, worst=1))
    detector.close()
    return found


def row(evaluated, clip: str, method: str = "made"):
    return next(one.figures for one in evaluated.rows if (one.clip, one.method) == (clip, method))


def test_a_smaller_video_shows_the_same_face(evaluated):
    figures = row(evaluated, "small")
    assert figures["lmd"] < 1.5 and figures["ssim"] > 0.85 and figures["csim"] > 0.99 and figures["psnr_db"] > 25
    assert figures["flicker"] == pytest.approx(1, abs=0.25) and figures["cpbd"] <= row(evaluated, "small", REAL)["cpbd"]
    assert {"av_conf_200_valid", "lse_d"} & set(figures) == {"av_conf_200_valid"}


def test_a_held_frame_is_worse_than_the_smaller_video(evaluated):
    still, small = row(evaluated, "small", STILL), row(evaluated, "small")
    assert still["lmd"] > 2 * small["lmd"] and still["ssim"] < small["ssim"] and still["flicker"] < 0.05


def test_what_went_wrong_is_named_and_the_rest_goes_on(evaluated):
    told = {problem.clip: problem.reason for problem in evaluated.problems}
    assert set(told) == {"short", "nobody", "wide"}
    assert "29 frames" in told["short"] and "no face" in told["nobody"] and "320x256" in told["wide"]
    assert summaries(evaluated, "made")["lmd"].count == 2 and row(evaluated, "short")["lmd"] < 1.5


def test_frames_make_a_set_and_the_worst_has_a_picture(evaluated):
    assert "fd_motion" in evaluated.sets["floor"] or "fd_frames" in evaluated.sets["made"]
    sheet = cv2.imdecode(np.frombuffer(evaluated.worst.of("made")[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape == (480, 800, 3)
