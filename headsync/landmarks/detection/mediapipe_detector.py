"""Which of its two interfaces the installed MediaPipe has, and what both have in common.

Up to 0.10.21 MediaPipe has `solutions`, whose wheels carry the networks; later releases (Python 3.13 needs one) have
only `tasks` and carry none, so that headsync ships them. Both give the same 468-vertex face mesh.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from headsync.media.caches import keep_fonts_somewhere

MESH_VERTICES = 468          # the refined networks add ten iris points, which are not part of the mesh
MOST_FACES = 2               # per region: the wanted face and one rival that its region cannot shut out
MIN_CONFIDENCE = 0.5
_STDERR_LOCK = threading.Lock()


@contextmanager
def quiet_native_log() -> Iterator[None]:
    """Hide what MediaPipe's C++ start-up prints on file descriptor 2; what Python has said is flushed before."""
    with _STDERR_LOCK:
        sys.stderr.flush()
        kept = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(null)


def has_solutions() -> bool:
    """Whether the installed MediaPipe has the interface `solutions`. ModuleNotFoundError where none is installed."""
    keep_fonts_somewhere()      # it imports matplotlib
    import_module("mediapipe")
    try:
        return find_spec("mediapipe.python.solutions") is not None
    except ModuleNotFoundError:     # mediapipe.python itself is gone
        return False


def mesh_edges() -> set[tuple[int, int]]:
    """The directed edges (start, end) of the face mesh's triangles; both interfaces name the same 2556."""
    if has_solutions():
        from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

        return set(FACEMESH_TESSELATION)
    from mediapipe.tasks.python.vision import FaceLandmarksConnections

    return {(edge.start, edge.end) for edge in FaceLandmarksConnections.FACE_LANDMARKS_TESSELATION}
