"""Do sound and motion agree, and by how much do they slip? Syncers at four time scales: loss, metric, measure."""

from syncers.channels import ChannelSettings, audio_channels, motion_channels
from syncers.convnext import ConvNextBlock, ConvNextStream
from syncers.losses import info_nce, triplet
from syncers.measure import Summary, SyncSample, aligned, level_profiles, mismatched, separation, shifted, static, summarise
from syncers.model import LevelSyncer, SyncerPyramid, SyncerSettings
from syncers.offset import LagProfile, syncnet_profile, valid_profile
from syncers.over_time import StretchOffset, offsets_over_time
from syncers.plot import plot_sync
from syncers.sync import SyncOffset, as_sync_sample, load_syncers, sample_offsets, similarity_matrix, sync_offset
from syncers.verdict import Limit, Report, Verdict, clip_verdict, sync_report

__all__ = [
    "ChannelSettings", "audio_channels", "motion_channels", "ConvNextBlock", "ConvNextStream",
    "LevelSyncer", "SyncerPyramid", "SyncerSettings", "info_nce", "triplet",
    "LagProfile", "syncnet_profile", "valid_profile",
    "Summary", "SyncSample", "aligned", "mismatched", "level_profiles", "separation", "shifted", "static", "summarise",
    "StretchOffset", "offsets_over_time", "Limit", "Report", "Verdict", "clip_verdict", "sync_report",
    "SyncOffset", "as_sync_sample", "load_syncers", "plot_sync", "similarity_matrix", "sync_offset", "sample_offsets",
]


def __dir__() -> list[str]:
    return __all__
