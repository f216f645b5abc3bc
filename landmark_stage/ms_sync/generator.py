"""The landmark generator: from a first face and sound, frame by frame, velocities at four time scales, blended per landmark.

Shapes: B clips, T frames, L = 68 landmarks, D = 2 or 3 coordinates, K = 4 levels, Z noise features. Time: frames -2, -1, 0
are observed (frame 0 is the start), frames 1 ... T - 1 are made; the sound of frame t makes frame t.
Source: MS-Sync section 3.2, method/ms_sync.md#generator, method/decisions.md#generator-start-and-noise; springs,
`directions` and `head_noise` are additions of headsync.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from headsync.landmarks import IBUG68, LEVELS, layout_size
from landmark_stage.ms_sync.audio_pyramid import AudioPyramid, AudioPyramidSettings
from landmark_stage.ms_sync.grouped import GroupedBlock, GroupedLinear
from landmark_stage.ms_sync.noise import draw_noise

LANDMARKS = layout_size(IBUG68)
OBSERVED = 3                # frames -2, -1 and 0
STEP = 0.02                 # what the velocity heads' 1 is, in the unit of faces: real faces move so far per frame
HEAD_NOISE_SPRING = 0.03          # of the head that noise moves: back within a second or two
HEAD_NOISE_FRAMES = 5000          # that its deviation is measured on
GAIN = 5.0                  # displacements from the start are brought to about unit size by it


@dataclass(frozen=True)
class GeneratorSettings:
    """The generator's form."""

    dims: int = 3
    levels: int = LEVELS                # audio levels and branches; 1: the single-scale ablation
    widen: int = 2                      # coordinate encoder: inputs times this, then times four
    coordinate: int = 256               # features of a face
    audio: AudioPyramidSettings = field(default_factory=AudioPyramidSettings)
    hidden: int = 256                   # of the LSTM
    trunk: tuple[int, ...] = (256, 192, 136)    # of every branch
    expansion: int = 2                  # of a branch's blocks
    noise: int = 16                     # features of the noise at the LSTM's input; 0: none, always the same motion
    head_noise: float = 0.6                   # share of real heads' deviation that noise alone makes; 0: all is the networks'
    relative: bool = True               # faces as displacements from the start, in units of its size; False: canvas shares
    head_spring: float = 0.01           # share of the head's displacement from the start that is taken back in every frame
    face_spring: float = 0.25           # the same of what the face does by itself
    directions: int = 48                # velocities keep to this many principal directions of real motion; 0: to none

    def __post_init__(self):
        if self.dims not in (2, 3) or not 1 <= self.levels <= LEVELS:
            raise ValueError(f"dims must be 2 or 3 and levels 1 to {LEVELS}, got {self.dims} and {self.levels}")
        if not (0 <= self.head_spring < 1 and 0 <= self.face_spring < 1):
            raise ValueError(f"springs must lie in [0, 1), got {self.head_spring} and {self.face_spring}")
        if self.noise < 0 or not 0 <= self.directions <= self.dims * LANDMARKS:
            raise ValueError(f"noise and directions must be 0 or more, got {self.noise} and {self.directions}")
        if self.head_noise and not (self.relative and self.noise):
            raise ValueError(f"head_noise={self.head_noise} needs noise and relative=true")
        if (self.directions or self.head_spring or self.face_spring) and not self.relative:
            raise ValueError("directions and springs need relative=true: they are about displacements from the start")


class CoordinateEncoder(nn.Module):
    """A face (B, D * L or more) as features (B, C): linear, norm, linear, GELU, linear."""

    def __init__(self, inputs: int, settings: GeneratorSettings):
        super().__init__()
        first = settings.widen * LANDMARKS * settings.dims
        self.layers = nn.Sequential(nn.Linear(inputs, first), nn.LayerNorm(first), nn.Linear(first, 4 * first), nn.GELU(),
                                    nn.Linear(4 * first, settings.coordinate))

    def forward(self, face: Tensor) -> Tensor:
        """Features (B, C)."""
        return self.layers(face)


class Blend(NamedTuple):
    """What the branches say of the next step."""

    velocity: Tensor    # (B, D * L), the masked sum
    branches: Tensor    # (K, B, D * L), each branch's own velocity
    masks: Tensor       # (K, B, L), adding up to 1 over K


class MultiScaleModule(nn.Module):
    """Four separate networks, one per audio level, and soft masks that tell which of them moves which landmark."""

    def __init__(self, inputs: int, settings: GeneratorSettings):
        super().__init__()
        K, width = settings.levels, settings.trunk[-1]
        self.dims = settings.dims
        sizes = (inputs, *settings.trunk)
        self.trunk = nn.Sequential(*(GroupedBlock(K, a, b, expansion=settings.expansion) for a, b in pairwise(sizes)))
        self.leaf, self.mask = (nn.Sequential(GroupedBlock(K, width, width, expansion=settings.expansion),
                                              GroupedLinear(K, width, size * LANDMARKS)) for size in (settings.dims, 1))
        nn.init.zeros_(self.leaf[1].bias)

    def forward(self, audio: Tensor, state: Tensor) -> Blend:
        """The blend of the branches for audio features (K, B, C) and what is known of the face (B, C')."""
        x = self.trunk(torch.cat([state.expand(len(audio), -1, -1), audio], -1))        # (K, B, W)
        branches, masks = STEP * self.leaf(x), self.mask(x).softmax(0)                  # (K, B, D * L), (K, B, L)
        shares = masks.repeat_interleave(self.dims, -1)                                 # (K, B, D * L), x, y and z tied
        return Blend((shares * branches).sum(0), branches, masks)


class State(NamedTuple):
    """Where a motion stands after a frame: all that the next one needs."""

    face: Tensor        # (B, D * L) as the model sees it: displacement from the start, or canvas shares
    hidden: Tensor      # (B, H)
    cell: Tensor        # (B, H)
    head_noise: Tensor  # (B, 4 or 7) noise-driven head motion; the model does not see it


def face_size(start: Tensor) -> Tensor:
    """The root mean square distance (B, 1) of the landmarks of faces (B, D * L) from their middle, in x and y."""
    points = start.unflatten(-1, (LANDMARKS, -1))[..., :2]                              # (B, L, 2)
    return (points - points.mean(1, keepdim=True)).square().sum(-1).mean(1, keepdim=True).sqrt().clamp(min=1e-6)


def head_motions(shape: Tensor) -> Tensor:
    """Orthonormal directions (B, D * L, 4 or 7) in which faces (B, L, D) about their middle move as a whole.

    Shifts, turns and growth, each as small as it is a straight line: 2 + 1 + 1 in the plane, 3 + 3 + 1 in space.
    """
    B, L, D = shape.shape
    shifts = torch.eye(D).to(shape).expand(B, L, D, D)                                  # the last axis counts motions
    turns = torch.stack([_turned(shape, one, other) for one in range(D) for other in range(one + 1, D)], -1)
    motions = torch.cat([shifts, turns, shape[..., None]], -1).flatten(1, 2)            # (B, D * L, 4 or 7)
    return torch.linalg.qr(motions).Q


def head_noise_after(head_noise: Tensor, velocity: Tensor) -> Tensor:
    """Noise-driven head motion (..., 4 or 7) one frame later, given the noise's velocity."""
    return (1 - HEAD_NOISE_SPRING) * head_noise + velocity


def head_motion_count(dims: int) -> int:
    """Shifts, turns and growth: 4 in the plane, 7 in space."""
    return dims + dims * (dims - 1) // 2 + 1


def _turned(shape: Tensor, one: int, other: int) -> Tensor:
    """How the points (B, L, D) begin to move in a turn from the axis `one` to the axis `other`."""
    turn = torch.zeros_like(shape)
    turn[..., one], turn[..., other] = -shape[..., other], shape[..., one]
    return turn  # (B, L, D)


class Frame(NamedTuple):
    """The start's place and size, which relative faces are measured by."""

    start: Tensor       # (B, D * L)
    size: Tensor        # (B, 1)
    shape: Tensor       # (B, D * L), the start about its middle in units of its size
    head: Tensor        # (B, D * L, 4 or 7), orthonormal: the small moves, turns and changes of size of the start as a whole


class Generator(nn.Module):
    """Observed faces and sound to motion. `rollout` makes whole clips; `begin` and `advance` make one frame after another."""

    def __init__(self, settings: GeneratorSettings):
        super().__init__()
        self.settings = settings
        size = settings.dims * LANDMARKS
        self.audio = AudioPyramid(settings.audio, levels=settings.levels)
        self.coordinates = CoordinateEncoder((1 + settings.relative) * size, settings)
        self.temporal = nn.LSTMCell(settings.coordinate + settings.noise, settings.hidden)
        self.scales = MultiScaleModule(settings.hidden + settings.coordinate + settings.audio.width, settings)
        if settings.head_noise:
            self.register_buffer("head_noise", torch.zeros(settings.noise, head_motion_count(settings.dims)))
        if settings.directions:
            self.register_buffer("basis", torch.eye(size)[:, : settings.directions].clone())    # (D * L, directions)

    def frame(self, start: Tensor) -> Frame:
        """The frame of reference that the starts (B, D * L) give."""
        size = face_size(start)                                                         # (B, 1)
        if not self.settings.relative:
            return Frame(torch.zeros_like(start), torch.ones_like(size), start, start[:, :, None])
        points = start.unflatten(-1, (LANDMARKS, -1))                                   # (B, L, D)
        shape = (points - points.mean(1, keepdim=True)) / size[:, None]
        return Frame(start, size, shape.flatten(1), head_motions(shape))

    def begin(self, observed: Tensor, noise: Tensor, frame: Frame) -> State:
        """The state at frame 0, before it is seen: frames -2 and -1 of (B, 3, D * L) were, from a zero LSTM state.

        `noise` (B, 2, Z) is that of frames -2 and -1.
        """
        B, H = len(observed), self.settings.hidden
        faces = (observed - frame.start[:, None]) / frame.size[:, None]                 # (B, 3, D * L)
        head_noise = observed.new_zeros(B, head_motion_count(self.settings.dims))
        state = State(faces[:, 0], observed.new_zeros(B, H), observed.new_zeros(B, H), head_noise)
        for number in range(OBSERVED - 1):
            hidden, cell = self._remembered(self._seen(state, frame), noise[:, number], state)
            state = State(faces[:, number + 1], hidden, cell, head_noise)
        return state

    def advance(self, state: State, audio: Tensor, noise: Tensor, frame: Frame) -> tuple[State, Blend]:
        """The next frame's state from its sound (B, K, C) and the noise (B, Z) of the frame that is there."""
        seen = self._seen(state, frame)                                                 # (B, C)
        hidden, cell = self._remembered(seen, noise, state)
        blend = self.scales(audio.transpose(0, 1), torch.cat([hidden, seen], -1))
        velocity = blend.velocity
        if self.settings.directions:
            velocity = velocity @ self.basis @ self.basis.T                             # (B, D * L)
        face = state.face + velocity
        if self.settings.head_spring or self.settings.face_spring:
            head = (frame.head @ (state.face[:, None] @ frame.head).mT)[..., 0]         # (B, D * L)
            face = face - self.settings.head_spring * head - self.settings.face_spring * (state.face - head)
        moved = head_noise_after(state.head_noise, noise @ self.head_noise) if self.settings.head_noise else state.head_noise
        return State(face, hidden, cell, moved), blend

    def shown(self, state: State, frame: Frame) -> Tensor:
        """The face (B, D * L) in canvas shares, noise-driven head motion added."""
        face = state.face + (frame.head @ state.head_noise[..., None])[..., 0] if self.settings.head_noise else state.face
        return frame.start + frame.size * face

    def rollout(self, observed: Tensor, rows: Tensor, noise: Tensor) -> Tensor:
        """Motion (B, T, D * L) in canvas shares whose frame 0 is observed[:, 2], bit for bit.

        `observed` (B, 3, D * L); `rows` (B, 4 (T + 64), 26) begin 32 frames of margin before frame 0; `noise`
        (B, T + 1, Z) begins at frame -2, zeros for the mean prediction. ValueError when they do not fit.
        """
        audio = self.audio(rows)                                                        # (B, K, T, C)
        T, Z = audio.shape[2], self.settings.noise
        if T < 1 or noise.shape[1:] != (T + OBSERVED - 2, Z):
            raise ValueError(f"noise must be (B, {T + OBSERVED - 2}, {Z}) for {T} frames of sound, got {tuple(noise.shape)}")
        frame = self.frame(observed[:, -1])
        state = self.begin(observed, noise, frame)
        faces = [observed[:, -1]]
        for t in range(1, T):
            state, _ = self.advance(state, audio[:, :, t], noise[:, t + OBSERVED - 2], frame)
            faces.append(self.shown(state, frame))
        return torch.stack(faces, 1)                                                    # (B, T, D * L)

    @torch.no_grad()
    def set_head_noise(self, deviations: Tensor, *, generator: torch.Generator) -> None:
        """Choose how noise moves the head: at random, with the deviations (4 or 7,) that its motions shall have."""
        noise = draw_noise(1, HEAD_NOISE_FRAMES, self.settings.noise, generator=generator)[0]             # (frames, Z)
        mixed = torch.randn(self.head_noise.shape, generator=generator)
        path, place = [], torch.zeros(len(deviations))
        for velocity in noise @ mixed:
            place = head_noise_after(place, velocity)
            path.append(place)
        self.head_noise.copy_(mixed * deviations / torch.stack(path).std(0))

    def _seen(self, state: State, frame: Frame) -> Tensor:
        parts = [GAIN * state.face, frame.shape] if self.settings.relative else [state.face]
        return self.coordinates(torch.cat(parts, -1))                                   # (B, C)

    def _remembered(self, seen: Tensor, noise: Tensor, state: State) -> tuple[Tensor, Tensor]:
        return self.temporal(torch.cat([seen, noise], -1), (state.hidden, state.cell))
