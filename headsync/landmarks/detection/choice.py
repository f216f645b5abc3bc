"""The detector of a name, ready to look at pictures."""

from headsync.landmarks.detection.detectors import DETECTORS, Detector
from headsync.landmarks.detection.mediapipe_detector import has_solutions


def make_detector(name: str = "mediapipe") -> Detector:
    """A ready detector.

    `mediapipe` is embedded in its wheel and is the default; `face-alignment` (3-D FAN) needs its weights on disk or a
    download. ValueError for an unknown name or weights that cannot be had.
    """
    if name == "mediapipe":
        return _load_mediapipe_detector()
    if name == "face-alignment":
        from headsync.landmarks.detection.fan_detector import FanDetector, load_fan_network

        return FanDetector(load_fan_network(), _load_mediapipe_detector())
    raise ValueError(f"no detector is called {name!r}; choose one of {', '.join(DETECTORS)}")


def _load_mediapipe_detector() -> Detector:
    """A ready detector of the installed MediaPipe's interface."""
    if has_solutions():
        from headsync.landmarks.detection.mediapipe_solutions import SolutionsDetector

        return SolutionsDetector()
    from headsync.landmarks.detection.mediapipe_tasks import TasksDetector

    return TasksDetector()
