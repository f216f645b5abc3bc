"""Which network a perceptual loss is computed with."""

from pathlib import Path

from render_stage.identity.face_encoder import ENCODER_WEIGHTS, MODELS, load_face_encoder
from render_stage.nn.efficientnet import EFFICIENTNET_WEIGHTS, efficientnet_path, load_efficientnet
from render_stage.nn.perceptual import PUBLISHED_WEIGHTS, PerceptualLoss, load_vgg19


def load_perceptual(source: str | Path) -> PerceptualLoss:
    """The perceptual loss of a shipped face encoder, an encoder's weight file, a VGG19 file (.pth, or vgg in its name) or an
    EfficientNet-Lite0 file (efficientnet in its name; `efficientnet` alone: the one that HEADSYNC_EFFICIENTNET names).

    ValueError, one line, for any other file.
    """
    lite = efficientnet_path(str(source))
    if lite is not None:
        return PerceptualLoss(load_efficientnet(lite), EFFICIENTNET_WEIGHTS)
    path = Path(source)
    if str(source) not in MODELS and (path.suffix == ".pth" or "vgg" in path.name.lower()):
        return PerceptualLoss(load_vgg19(path), PUBLISHED_WEIGHTS)
    return PerceptualLoss(load_face_encoder(source, device="cpu"), ENCODER_WEIGHTS)
