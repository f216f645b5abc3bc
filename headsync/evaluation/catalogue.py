"""Every figure of a report: its name, unit, which way is better, and what it means.

Names are keys of metrics.json.
"""

from typing import Literal, NamedTuple

from headsync.landmarks.lips import CLOSED, CROSSED
from syncers.sync import WINDOW_MS

LEVELS = 4
MODES = ("valid", "syncnet")
Better = Literal["higher", "lower", "real", ""]     # real: the nearer to the real clips' own, the better


class Figure(NamedTuple):
    """One line of a table."""

    title: str
    unit: str
    better: Better
    digits: int
    group: str
    meaning: str


def _sync() -> dict[str, Figure]:
    result = {}
    for mode in MODES:
        how = "windows that exist on both sides" if mode == "valid" else "31 lags, zeros beyond the ends, n - 5 windows"
        for level in range(LEVELS):
            window = WINDOW_MS << level
            result[f"av_off_{window}_{mode}"] = Figure(
                f"|AV-Off| {window} ms", "steps", "lower", 2, f"Synchrony, mode {mode}",
                f"distance from 0 of the lag with the smallest mean embedding distance, in steps of {40 << level} ms; {how}")
            result[f"av_conf_{window}_{mode}"] = Figure(
                f"AV-Conf {window} ms", "", "higher", 2, f"Synchrony, mode {mode}",
                "median minus smallest mean distance over lags; comparable with figures of these very syncers only")
    return result


AGAINST, LIPS, MOTION, PICTURES = "Landmarks against the reference", "Lips", "Motion of its own", "Pictures"


def _lips() -> dict[str, Figure]:
    share = "of frames with a signed opening of the inner lips"
    result = {"lips_closed": Figure("lips closed", "share", "real", 3, LIPS, f"{share} under {CLOSED} eye corner distances"),
              "lips_crossed": Figure("lips crossed", "share", "lower", 4, LIPS, f"{share} under {CROSSED}")}
    for name in ("opening", "width", "thickness"):
        result[f"{name}_r"] = Figure(f"lip {name}, r", "", "higher", 3, LIPS, "correlation over time with the real lips'")
    ranked = "made lips count as closed in their most closed frames, as many as the real ones have"
    for name, of in (("recall", "real closures with a made one"), ("precision", "made closures with a real one")):
        result[f"closure_{name}"] = Figure(f"closures, {name}", "share", "higher", 3, LIPS, f"{of} within a frame; {ranked}")
        result[f"{name}_chance"] = Figure(f"closures, {name} by chance", "share", "", 3, LIPS,
                                          "the same with the made lips half the clip later")
    return result


PUBLISHED = "Published networks, from the user's files"
FIGURES: dict[str, Figure] = {
    **_sync(),
    "lmd": Figure("LMD", "px", "lower", 2, AGAINST, "mean distance of the 68 landmarks on the 256 canvas, nothing aligned"),
    "lmd_mouth": Figure("LMD mouth", "px", "lower", 2, AGAINST, "the same of landmarks 48 to 67"),
    "lmd_mouth_turned": Figure("LMD_front mouth", "px", "lower", 2, AGAINST,
                               "MS-Sync: mouths turned about their own vertical axis until their corners are equally deep"),
    "lmd_frontal": Figure("LMD frontalised", "px", "lower", 2, AGAINST, "head motion taken out of both by a rigid fit"),
    "lmd_mouth_frontal": Figure("LMD mouth frontalised", "px", "lower", 2, AGAINST, "the same of the mouth"),
    "lmd_mouth_aligned": Figure("LMD mouth aligned", "px", "lower", 2, AGAINST, "mouths' centres laid on each other"),
    "lmd_jaw": Figure("LMD jaw", "px", "lower", 2, AGAINST, "PC-AVS' pose LMD: the jaw's contour as it lies"),
    "lmd_pose": Figure("LMD pose", "px", "lower", 2, AGAINST, "the canonical jaw put into both heads' poses"),
    "rotation_error_deg": Figure("head rotation error", "deg", "lower", 2, AGAINST, "mean angle between both heads"),
    "opening_error": Figure("lip opening error", "px", "lower", 2, AGAINST,
                            "mean absolute difference of the signed openings of the inner lips"),
    "face_rate": Figure("face found", "share", "higher", 3, AGAINST, "share of frames in which the detector finds the face"),
    "nod_deg": Figure("nod", "deg", "real", 2, MOTION, "standard deviation over time of the head's rotation, up and down"),
    "turn_deg": Figure("turn", "deg", "real", 2, MOTION, "the same, left and right"),
    "tilt_deg": Figure("tilt", "deg", "real", 2, MOTION, "the same, towards a shoulder"),
    "shift_px": Figure("head shift", "px", "real", 2, MOTION,
                       "standard deviation of the head's place in the plane, canonical 256 frame, root of summed squares"),
    **_lips(),
    "lip_opening_std": Figure("lip activity", "share", "real", 4, MOTION,
                              "standard deviation of the inner lips' opening, in outer eye corner distances"),
    "jitter_px": Figure("jitter", "px", "real", 3, MOTION, "noise with the same third differences, 17 rigid points"),
    "blinks_per_minute": Figure("blinks", "1/min", "real", 1, MOTION, "both lids under 0.6 of their open state, up to 0.5 s"),
    "silent_open_share": Figure("open lips in silence", "share", "real", 3, MOTION,
                                "silent frames (40 dB below the loud ones) with lips open by over 0.03 eye corner distances"),
    "silent_restlessness": Figure("lips' unrest in silence", "share", "real", 4, MOTION,
                                  "root mean square step of the lip opening from one silent frame to the next"),
    "ssim": Figure("SSIM", "", "higher", 3, PICTURES, "11x11 Gaussian of sigma 1.5, mean of R, G, B, whole frame"),
    "ssim_face": Figure("SSIM face", "", "higher", 3, PICTURES, "mean inside the hull of the reference's 68 landmarks"),
    "ssim_mouth": Figure("SSIM mouth", "", "higher", 3, PICTURES, "the same of the mouth, with a rim of 1/43 of the canvas"),
    "psnr_db": Figure("PSNR", "dB", "higher", 2, PICTURES, "of the mean squared error over the clip's frames, 8-bit RGB"),
    "cpbd": Figure("CPBD", "", "real", 3, PICTURES, "share of edges whose blur is not noticed (Narvekar and Karam 2011)"),
    "flicker": Figure("flicker", "x real", "real", 2, PICTURES, "mean |second difference| of the luma over the reference's"),
    "flicker_error": Figure("flicker error", "grey levels", "lower", 2, PICTURES,
                            "mean |difference of second differences|; a held picture has the real clip's own flicker"),
    "csim": Figure("CSIM-S", "", "higher", 3, PICTURES,
                   "cosine of MobileFaceNet's embeddings of generated and real faces; see the calibration"),
    "lse_d": Figure("LSE-D", "", "lower", 3, PUBLISHED, "SyncNet v2; crops by headsync's landmarks, not S3FD"),
    "lse_c": Figure("LSE-C", "", "higher", 3, PUBLISHED, "the same: median minus smallest distance"),
    "csim_arcface": Figure("CSIM", "", "higher", 3, PUBLISHED, "cosine of ArcFace embeddings of aligned faces"),
    "lpips": Figure("LPIPS", "", "lower", 4, PUBLISHED, "AlexNet, version 0.1, whole frames"),
}
REAL_FLICKER = 1.0      # what `real` means for a figure that is already a share of the real one


def groups(names: set[str]) -> dict[str, list[str]]:
    """The given figures by group, both in the catalogue's order."""
    found: dict[str, list[str]] = {}
    for name, figure in FIGURES.items():
        if name in names:
            found.setdefault(figure.group, []).append(name)
    return found


def badness(name: str, value: float, real: float | None) -> float | None:
    """How bad a value is, the larger the worse; None where nothing can be said."""
    better = FIGURES[name].better
    if better == "higher":
        return -value
    if better == "lower":
        return value
    if name == "flicker":
        return abs(value - REAL_FLICKER)
    return abs(value - real) if better == "real" and real is not None else None
