"""headsync's own parts: configurations and tables, the shipped weights, the face detectors."""

import hashlib
import importlib
from importlib import resources
from pathlib import Path

from headsync.commands.doctor.findings import AGAIN, OPTIONAL, Finding, found

WEIGHTS = (             # package, its public loader, names of the shipped weights
    ("landmark_stage", "load_generator", ("long", "short")),
    ("landmark_stage", "load_articulation", ("articulation", "articulation_live")),
    ("landmark_stage", "load_expression", ("expression",)),
    ("landmark_stage", "load_head_motion", ("head_motion",)),
    ("render_stage", "load_renderer", ("small",)),
    ("render_stage", "load_face_encoder", ("perceptual",)),
    ("render_stage", "load_embedder", ("mobilefacenet",)),
    ("syncers", "load_syncers", ("metric", "metric-hama", "loss")),
)
FACE_WIDTH = (25, 60)   # pixels that the face in face.jpg may take up, of 128


def data() -> Finding:
    """Presets of every stage, and the tables of the face."""
    def look() -> str:
        from headsync.landmarks.canonical import canonical_face
        from render_stage.geometry.topology import load_topology

        presets = [one.name for stage in resources.files("headsync.configs").iterdir() if stage.is_dir()
                   for one in stage.iterdir() if one.name.endswith(".yaml")]
        if "base.yaml" not in presets:
            raise FileNotFoundError("no base.yaml in configs")
        return f"{len(presets)} presets, {len(canonical_face())} landmarks, {len(load_topology().triangles)} triangles"

    return found("configurations", look, AGAIN)


def weights() -> list[Finding]:
    """A finding for each shipped weight file: it is whole, and a model can be made of it."""
    return [weight_file(package, loader, name) for package, loader, names in WEIGHTS for name in names]


def weight_file(package: str, loader: str, name: str) -> Finding:
    """Whether one shipped weight file loads, with its size and the first digits of its SHA-256."""
    def look() -> str:
        getattr(importlib.import_module(package), loader)(name)
        content = (resources.files(package) / "weights" / f"{name}.safetensors").read_bytes()
        return f"{len(content) / 1e6:.2f} MB, sha256 {hashlib.sha256(content).hexdigest()[:12]}"

    return found(f"{package}/{name}", look, AGAIN)


def embedded_detector() -> Finding:
    """Whether MediaPipe loads and finds the one face in this package's picture, at the size that it has there."""
    def look() -> str:
        import mediapipe

        from headsync.landmarks.detection import make_detector
        from headsync.media import read_image

        detector = make_detector("mediapipe")
        try:
            faces = detector.faces(read_image(resources.files("headsync.commands.doctor") / "face.jpg"))
        finally:
            detector.close()
        widths = [float(face.box[2] - face.box[0]) for face in faces]
        if len(widths) != 1 or not FACE_WIDTH[0] <= widths[0] <= FACE_WIDTH[1]:
            raise ValueError(f"found {len(widths)} faces of width {widths} in a picture of one face")
        return f"mediapipe {mediapipe.__version__} finds the face in its test picture"

    return found("face detector", look, "run headsync setup-opencv; if it fails again: "
                                        "install mediapipe and headsync again")


def other_detector() -> Finding:
    """Whether face-alignment could be used without a download; nothing is downloaded here."""
    def look() -> str:
        from torch import hub

        folder = Path(hub.get_dir()) / "checkpoints"
        files = [path.name for path in sorted(folder.glob("*")) if path.name.startswith(("3DFAN", "depth", "2DFAN"))]
        if not any(name.startswith("3DFAN") for name in files) or not any(name.startswith("depth") for name in files):
            raise FileNotFoundError(f"no 3DFAN and depth networks in {folder}; the embedded detector needs none")
        return f"face-alignment, {', '.join(files)}"

    return found("other detector", look, "only for --detector face-alignment: put its weights there", absent=OPTIONAL)
