"""The whole of PC-AVS: three encoders, the mappings to speech content and pose, the generator.

Shapes: B frames, K pictures of a person, P pixels a side, W rows of sound of F numbers, C numbers of content, Q of pose.
Source: PC-AVS section 3, method/pc_avs.md#networks.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from headsync.media.clock import ROWS_PER_FRAME
from headsync.media.mel import MELS
from headsync.media.phonetics import PHONETIC_FEATURES, PHONETIC_ROWS_PER_FRAME
from render_stage.pc_avs.encoders import IdentityEncoder, MelEncoder, NonIdentityEncoder, PhoneticEncoder
from render_stage.pc_avs.generator import Generator, GeneratorSettings

WINDOW_FRAMES = 5       # of the sound that a frame is made from, two on either side
POSE_FEATURES = 15      # of a head pose, see `pose_features`
SoundKind = Literal["phonetic", "mel"]


@dataclass(frozen=True)
class PcAvsSettings:
    """The form of all networks."""

    side_px: int                    # of the pictures
    identity_widths: tuple[int, ...]    # of the identity encoder's blocks, each of which halves the picture
    other_widths: tuple[int, ...]   # likewise of the non-identity encoder's
    sound: SoundKind                # phonetic features, or the paper's 80 mel energies
    sound_width: int
    features: int                   # of the non-identity encoder's vector and of speech content
    content: int                    # numbers of content that style the generator
    pose: int                       # numbers of the pose code
    generator: GeneratorSettings

    def __post_init__(self):
        cells, sizes = self.side_px >> len(self.identity_widths), len(self.generator.channels) - 1
        if len(self.identity_widths) != len(self.other_widths) or len(self.other_widths) < 2 or cells < 1:
            raise ValueError("identity_widths and other_widths must name equally many blocks, two or more, got "
                             f"{self.identity_widths} and {self.other_widths}")
        if cells << len(self.identity_widths) != self.side_px or (cells << sizes) * self.generator.patch != self.side_px:
            raise ValueError(f"{len(self.identity_widths)} blocks halve {self.side_px} px to {cells} cells, which "
                             f"{sizes} doublings and patches of {self.generator.patch} px do not bring back")

    @property
    def cells(self) -> int:
        """Cells a side of the person's map."""
        return self.side_px >> len(self.identity_widths)

    @property
    def rows_per_frame(self) -> int:
        """Rows of sound of a frame."""
        return PHONETIC_ROWS_PER_FRAME if self.sound == "phonetic" else ROWS_PER_FRAME

    @property
    def sound_features(self) -> int:
        """Numbers of a row."""
        return PHONETIC_FEATURES if self.sound == "phonetic" else MELS


class Person(NamedTuple):
    """All that is constant for a person."""

    vector: Tensor      # (B, D)
    map: Tensor         # (B, C, N, N)


class PcAvs(nn.Module):
    """The networks. Content comes from a sound or from a picture, into one space; pose from a picture."""

    def __init__(self, settings: PcAvsSettings):
        super().__init__()
        self.settings = settings
        self.identity = IdentityEncoder(settings.identity_widths, settings.generator.channels[0])
        self.other = NonIdentityEncoder(settings.other_widths, settings.features, settings.cells)
        encoder = PhoneticEncoder if settings.sound == "phonetic" else MelEncoder
        self.sound = encoder(settings.sound_features, settings.sound_width, settings.features)
        self.to_content, self.to_pose_features = mapping(settings.features), mapping(settings.features)
        self.mouth = nn.Linear(settings.features, settings.content)
        self.to_pose = nn.Linear(settings.features, settings.pose)
        style = settings.identity_widths[-1] + settings.content + settings.pose
        self.generator = Generator(settings.generator, style)
        self.pose_map = nn.Linear(POSE_FEATURES, settings.pose)     # of head poses; fitted when all else is trained
        self.to(memory_format=torch.channels_last)

    def person(self, pictures: Tensor) -> Person:
        """The mean (B, ...) of K pictures (B, K, 3, P, P) each."""
        parts = self.identity(pictures.flatten(0, 1))
        return Person(*(one.unflatten(0, pictures.shape[:2]).mean(1) for one in parts))

    def seen_content(self, pictures: Tensor) -> Tensor:
        """Speech content (B, features) of pictures (B, 3, P, P)."""
        return self.to_content(self.other(pictures)[0])

    def sound_content(self, rows: Tensor) -> Tensor:
        """Speech content (B, features) of rows of sound (B, W, F)."""
        return self.sound(rows)

    def pose(self, pictures: Tensor) -> Tensor:
        """Pose codes (B, Q) of pictures (B, 3, P, P)."""
        return self.to_pose(F.relu(self.to_pose_features(self.other(pictures)[0])))

    def mapped_pose(self, poses: Tensor) -> Tensor:
        """Pose codes (B, Q) of head poses (B, 6) as a drive has them."""
        return self.pose_map(pose_features(poses))

    def forward(self, person: Person, content: Tensor, pose: Tensor) -> Tensor:
        """Pictures (B, 3, P, P) of persons, speech content (B, features) and pose codes (B, Q)."""
        style = torch.cat([person.vector, self.mouth(F.relu(content)), pose], 1)
        return self.generator(person.map, style)


def mapping(features: int) -> nn.Sequential:
    """The two layers between a picture's vector and one of its two spaces."""
    return nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, features))


def pose_features(poses: Tensor) -> Tensor:
    """What pose codes are linear in (B, 15), of head poses (B, 6): rotation, its products, place, size."""
    turn, place = poses[:, :3], (poses[:, 3:5] - 128) / 128
    products = torch.stack([turn[:, first] * turn[:, second] for first in range(3) for second in range(first, 3)], 1)
    return torch.cat([turn, place, poses[:, 5:6], products, turn[:, 1:2] * place, turn[:, 1:2].abs()], 1)


def sound_windows(rows: Tensor, rows_per_frame: int) -> Tensor:
    """The rows (t, W, F) around each frame, W those of five frames, of rows (n (t + 4), F)."""
    return rows.unfold(0, WINDOW_FRAMES * rows_per_frame, rows_per_frame).transpose(1, 2)
