"""Which network an evaluation asks whose face a picture shows."""

from pathlib import Path

import torch

from render_stage.identity.face_encoder import FaceEmbedder, load_face_encoder
from render_stage.identity.mobile_face_net import NAME, FaceRecogniser, load_mobile_face_net


def load_embedder(source: str | Path = NAME, *, device: str | torch.device = "auto") -> FaceRecogniser | FaceEmbedder:
    """A callable from canvases and landmarks to embeddings: of the shipped `mobilefacenet`, `perceptual`, or an encoder's file.

    `device` is auto (a GPU where there is one), cpu, cuda or cuda:N. ValueError, one line, for a file that holds no face
    encoder and a device that is not there.
    """
    if str(source) == NAME:
        return FaceRecogniser(load_mobile_face_net(device=device))
    return FaceEmbedder(load_face_encoder(source, device=device))
