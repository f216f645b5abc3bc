"""Syncers: one pair of encoders per time scale that puts matching sound and motion close together.

Shapes: B clips, T frames, S steps of a level, n windows, W steps of a window, C channels, E embedding features. Level l has
steps of 2^(l-1) frames; a window is 5 steps and 5k feature rows, k rows a frame (4, or 2): 200, 400, 800, 1600 ms.
Source: MS-Sync section 3.1; method/ms_sync.md#syncers, method/decisions.md#syncer-backbone.
"""

import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.experiment.precision import in_float32
from headsync.media.kinds import FeatureName
from syncers.channels import ChannelSettings, channel_counts
from syncers.convnext import ConvNextBlock
from syncers.windows import check_inputs, climb, windows_of

LARGEST_VALUE = 6.0             # standardised channels are bent towards this: a lost face is no sensation
START_TEMPERATURE, LEAST_TEMPERATURE = 0.07, 0.01


@dataclass(frozen=True)
class EncoderSettings:
    """The form of one encoder."""

    kind: Literal["layers", "convnext"] = "layers"
    width: int = 64
    blocks: int = 2             # ConvNeXt blocks of every stage
    strides: tuple[int, ...] = ()   # one ConvNeXt stage each; empty: one stage without stride
    dropout: float = 0.3


@dataclass(frozen=True)
class SyncerSettings:
    """One level's syncer."""

    channels: ChannelSettings = field(default_factory=ChannelSettings)
    motion: EncoderSettings = field(default_factory=EncoderSettings)
    audio: EncoderSettings = field(default_factory=EncoderSettings)
    embedding: int = 32
    separate: bool = True               # a pair of encoders per kind of face features, or one for all
    normalised: bool = True             # unit length (cosine, loss syncers) or free (triplet, metric syncers)
    centred_windows: bool = True        # take each window's own mean off: people and rooms differ in level
    noise: float = 0.1                  # of standardised inputs, in training
    channel_dropout: float = 0.1        # of motion inputs and of whole audio channels, in training


class LayersEncoder(nn.Module):
    """Two layers over a whole window: (n, W, C) -> (n, E). The smallest form, and here the most general one."""

    def __init__(self, channels: int, steps: int, embedding: int, settings: EncoderSettings):
        super().__init__()
        self.inner = nn.Linear(channels * steps, settings.width)
        self.drop = nn.Dropout(settings.dropout)
        self.outer = nn.Linear(settings.width, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (n, E)."""
        return self.outer(self.drop(F.gelu(self.inner(x.flatten(1)))))  # (n, E)


class ConvNextEncoder(nn.Module):
    """Stages of 1-D ConvNeXt blocks: (n, W, C) -> (n, E). The paper's kind."""

    def __init__(self, channels: int, steps: int, embedding: int, settings: EncoderSettings):
        super().__init__()
        self.stem = nn.Conv1d(channels, settings.width, 1)
        stages, width = [], settings.width
        for number, stride in enumerate(settings.strides or (1,)):
            wider = settings.width << number
            stages += [ConvNextBlock(width, wider, stride=stride)]
            stages += [ConvNextBlock(wider) for _ in range(settings.blocks - 1)]
            width, steps = wider, -(-steps // stride)
        self.stages = nn.Sequential(*stages)
        self.drop = nn.Dropout(settings.dropout)
        self.outer = nn.Linear(width * steps, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (n, E)."""
        stages = self.stages(self.stem(x.transpose(1, 2)))  # (n, C', W')
        return self.outer(self.drop(stages.flatten(1)))     # (n, E)


_ENCODERS = {"layers": LayersEncoder, "convnext": ConvNextEncoder}


class Branch(nn.Module):
    """One pair of encoders over some of the motion channels and all audio channels."""

    def __init__(self, settings: SyncerSettings, channels: tuple[int, int]):
        super().__init__()
        self.normalised = settings.normalised
        motion, audio = channels
        steps = settings.channels.window
        self.motion_encoder = _ENCODERS[settings.motion.kind](motion, steps, settings.embedding, settings.motion)
        self.audio_encoder = _ENCODERS[settings.audio.kind](audio, settings.channels.rows_per_frame * steps, settings.embedding,
                                                        settings.audio)

    def motion(self, x: Tensor) -> Tensor:
        """Embeddings (n, E) of prepared motion windows (n, 5, C)."""
        return self._finished(self.motion_encoder(x))

    def audio(self, x: Tensor) -> Tensor:
        """Embeddings (n, E) of prepared audio windows (n, kW, C)."""
        return self._finished(self.audio_encoder(x))

    def _finished(self, z: Tensor) -> Tensor:
        return F.normalize(z, dim=-1) if self.normalised else z / z.shape[-1] ** 0.5


class LevelSyncer(nn.Module):
    """One level: a branch per kind of face features (or one for all), over channels standardised by the training data.

    The embeddings of all branches stand side by side, scaled so that the level's cosine is the mean of its branches'.
    """

    def __init__(self, settings: SyncerSettings):
        super().__init__()
        self.settings = settings
        motion, audio = channel_counts(settings.channels)
        self._widths = motion if settings.separate else (sum(motion),)
        self.branches = nn.ModuleList(Branch(settings, (width, audio)) for width in self._widths)
        self.log_temperature = nn.Parameter(torch.tensor(math.log(START_TEMPERATURE)))
        for name, count in (("motion", sum(motion)), ("audio", audio)):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_scale", torch.ones(count))

    @property
    def temperature(self) -> Tensor:
        """The learned temperature of the cosine, never under 0.01."""
        return self.log_temperature.exp().clamp(min=LEAST_TEMPERATURE)

    def standardise_by(self, motion: Tensor, audio: Tensor) -> None:
        """Remember mean and standard deviation of channel samples (N, C) of the training data."""
        for name, sample in (("motion", motion), ("audio", audio)):
            getattr(self, f"{name}_mean").copy_(sample.mean(0))
            getattr(self, f"{name}_scale").copy_(sample.std(0).clamp(min=1e-4))

    def branch_motion(self, windows: Tensor) -> list[Tensor]:
        """Each branch's embeddings (n, E) of channel windows (n, 5, C)."""
        x = self._prepared((windows - self.motion_mean) / self.motion_scale)
        if self.training and self.settings.channel_dropout:
            x = F.dropout(x, self.settings.channel_dropout)
        return [branch.motion(part) for branch, part in zip(self.branches, x.split(self._widths, dim=-1))]

    def branch_audio(self, windows: Tensor) -> list[Tensor]:
        """Each branch's embeddings (n, E) of channel windows (n, 20, C)."""
        x = self._prepared((windows - self.audio_mean) / self.audio_scale)
        if self.training and self.settings.channel_dropout:
            x = F.dropout1d(x.transpose(1, 2), self.settings.channel_dropout).transpose(1, 2)
        return [branch.audio(x) for branch in self.branches]

    def motion(self, windows: Tensor) -> Tensor:
        """Embeddings (n, branches * E) of channel windows (n, 5, C)."""
        return self._joined(self.branch_motion(windows))

    def audio(self, windows: Tensor) -> Tensor:
        """Embeddings (n, branches * E) of channel windows (n, 20, C)."""
        return self._joined(self.branch_audio(windows))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts, dim=-1).float() / len(parts) ** 0.5

    def _prepared(self, x: Tensor) -> Tensor:
        x = LARGEST_VALUE * torch.tanh(x / LARGEST_VALUE)
        if self.settings.centred_windows:
            x = x - x.mean(1, keepdim=True)
        return x + self.settings.noise * torch.randn_like(x) if self.training else x


class LevelEmbeddings(NamedTuple):
    """Every window of one level; window i begins at step i."""

    motion: Tensor      # (B, n, E)
    audio: Tensor       # (B, n, E)


class SyncerPyramid(nn.Module):
    """One syncer per level: 200, 400, 800, 1600 ms."""

    def __init__(self, levels: list[SyncerSettings]):
        super().__init__()
        kinds = {settings.channels.features for settings in levels}
        if len(kinds) != 1:
            raise ValueError(f"all levels of a pyramid take the same features, got {', '.join(sorted(kinds)) or 'no level'}")
        self.features: FeatureName = kinds.pop()
        self.rows_per_frame = levels[0].channels.rows_per_frame
        self.levels = nn.ModuleList(LevelSyncer(settings) for settings in levels)

    @in_float32
    def embeddings(self, flat: Tensor, rows: Tensor) -> list[LevelEmbeddings]:
        """Embeddings of landmarks (B, T, D * L), shares of the canvas, and rows (B, kT, F), for as many levels as fit.

        Rows are of the kind `features`: (B, 4T, 26) log filterbank rows, (B, 2T, 256) of hama.

        In float32, whatever autocast there is around it: a generator is led by small differences of them.

        A level needs five of its steps, so level l needs about 5 * 2^(l-1) frames; gradients reach every landmark and
        no parameter of a frozen pyramid. ValueError for under five frames or rows of another kind.
        """
        check_inputs(flat, rows, self.levels[0].settings.channels,
                     window=min(syncer.settings.channels.window for syncer in self.levels))
        climbed = {channels: list(climb(flat, rows, channels, levels=len(self.levels)))
                   for channels in {syncer.settings.channels for syncer in self.levels}}
        found = []
        for number, syncer in enumerate(self.levels):
            reached = climbed[syncer.settings.channels]
            if number >= len(reached):
                break
            motion, audio = windows_of(*reached[number], syncer.settings.channels)   # (B, n, 5, C), (B, n, 5k, C)
            B, n = motion.shape[:2]
            found.append(LevelEmbeddings(syncer.motion(motion.flatten(0, 1)).unflatten(0, (B, n)),
                                         syncer.audio(audio.flatten(0, 1)).unflatten(0, (B, n))))
        return found

    @in_float32
    def scores(self, flat: Tensor, rows: Tensor) -> Tensor:
        """Mean cosine (levels,) of sound and motion at lag 0, one per level that fits: what a generator raises.

        Source: MS-Sync equation 3, the multi-scale synchrony loss is minus the mean of these.
        """
        return torch.stack([F.cosine_similarity(level.motion, level.audio, dim=-1).mean()
                            for level in self.embeddings(flat, rows)])  # (levels,)
