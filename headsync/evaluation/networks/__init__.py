"""Published networks whose weights a user may bring, and the figures that papers print with them."""

from headsync.evaluation.networks.files import (
    PublishedNetwork,
    load_arcface,
    load_i3d,
    load_inception,
    load_lpips,
    load_syncnet,
)
from headsync.evaluation.networks.inputs import arcface_crop, syncnet_boxes, syncnet_crop
from headsync.evaluation.networks.published import (
    PublishedFigure,
    SyncFigures,
    csim,
    i3d_features,
    inception_features,
    lpips,
    sync_figures,
)

__all__ = [
    "PublishedFigure", "SyncFigures", "csim", "i3d_features", "inception_features", "lpips", "sync_figures",
    "PublishedNetwork", "load_arcface", "load_i3d", "load_inception",
    "load_lpips", "load_syncnet", "arcface_crop", "syncnet_boxes", "syncnet_crop",
]
