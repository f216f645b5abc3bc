"""A trained renderer at work: references are prepared once, then any number of landmark frames become pictures.

Shapes: K references, t frames, S = 256 canvas pixels, P output pixels a side, G = 128 pixels of the guide's coarse maps.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from headsync.experiment import Kind, build_config, chosen_device, config_dict, load_model, save_weights
from headsync.experiment.precision import Precision, as_float32, chosen_precision, mixed_precision
from headsync.landmarks.detection import PersonFinder
from render_stage.close_up.draw import CloseReference, close_reference, drawn_again, drawn_where
from render_stage.contract import Drive
from render_stage.geometry.topology import load_topology
from render_stage.nn.layers import resized, warp
from render_stage.references import Reference
from render_stage.rhythmic_head.guide import CANVAS, Guide, GuideMaker, guide_maker
from render_stage.rhythmic_head.hybrid_embedding import References
from render_stage.rhythmic_head.inputs import Guides, Look, as_picture, guide_tensors, looks
from render_stage.rhythmic_head.network import Known, Made, NetworkSettings, RendererNetwork
from render_stage.rhythmic_head.placing import Placed
from render_stage.rhythmic_head.sharpening import face_detail, sharpened

MODELS = ("small",)
KIND = Kind("render_stage", MODELS, frozenset(["renderer"]), "renderer", "renderer",
            "headsync train renderer", "renderer weights")
MOST_REFERENCES = 32


class Identity(NamedTuple):
    """All that is constant for a person's references."""

    maker: GuideMaker
    held: References | Known        # the latter of one reference
    looks: tuple[Look, ...]         # K references as they are shown when they are matched
    mouths: tuple[CloseReference, ...]  # K references as the close-up is shown them
    large: tuple[np.ndarray, ...]   # K pictures (P, P, 3) uint8 where P is above S, else none
    size: int                       # P
    detail: float                   # of the key frame's face


class RhythmicHead:
    """A `render_stage.Renderer`: networks in evaluation mode on one device, in one precision; every frame is made alone."""

    needs, margin_frames = frozenset({"points"}), 0

    def __init__(self, network: RendererNetwork, *, device: str | torch.device = "cpu", precision: Precision = "auto"):
        self.device, self.topology = chosen_device(device), load_topology()
        self.precision = chosen_precision(self.device, precision)
        self.network = network.eval().requires_grad_(False).to(self.device, memory_format=torch.channels_last)

    def prepare(self, references: Sequence[Reference]) -> Identity:
        """What is constant for an identity, from 1 to 32 references of one canvas.

        ValueError for another number of them and for pictures of different sizes.
        """
        sizes = {reference.picture.shape for reference in references}
        if not 1 <= len(references) <= MOST_REFERENCES or len(sizes) != 1:
            raise ValueError(f"a renderer takes 1 to {MOST_REFERENCES} references of one size, got {len(references)} of sizes "
                             f"{sorted(sizes)}")
        small = [_canvas(reference.picture) for reference in references]
        points, meshes = (np.stack([getattr(one, name) for one in references]) for name in ("points", "mesh"))
        maker = guide_maker(small, points, meshes, topology=self.topology, settings=self.network.settings.guide)
        seen = tuple(Look(*(part.to(self.device) for part in one)) for one in looks(small, points, self._people(small)))
        pictures, maps = (torch.stack([getattr(one, name) for one in seen]) for name in ("picture", "lines"))
        with torch.inference_mode(), mixed_precision(self.device, self.precision):
            held = self.network.references(pictures[None], maps[None])
            if len(references) == 1:        # attention has no choice: what the person looks like does not depend on the target
                held = self.network.known(held, maps)
        size = references[0].picture.shape[0]
        large = tuple(reference.picture for reference in references) if size > CANVAS else ()
        mouths = tuple(close_reference(*pair) for pair in zip(small, points))
        key = maker.key
        whole = references[key].picture.astype(np.float32) / 255
        own = maker.guide(points[key].astype(np.float64), key)
        where = _face_map(own)
        if self.network.close_up is not None:
            where = where * (1 - drawn_where(mouths[key].view, CANVAS))
        return Identity(maker, held, seen, mouths, large, size, face_detail(whole, _sized(where, size)))

    def _people(self, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Where pictures (S, S, 3) show persons, (S, S) uint8 each; everywhere, for networks that do not ask."""
        if not self.network.settings.backdrop:
            return [np.full(one.shape[:2], 255, np.uint8) for one in pictures]
        finder = PersonFinder()
        try:
            return [finder.person(one) for one in pictures]
        finally:
            finder.close()

    def frames(self, identity: Identity, drive: Drive) -> np.ndarray:
        """Pictures (t, P, P, 3) uint8 of the landmarks (t, 68, 3) of a drive; every frame is made alone.

        Frames are made side by side, as many as torch has threads, each by one thread: none waits for another.
        """
        points = np.asarray(drive.points, np.float64)
        if not len(points):
            return np.zeros((0, identity.size, identity.size, 3), np.uint8)
        matches = identity.maker.choose(identity.maker.poses(points))                       # (t,)
        threads = torch.get_num_threads()
        if self.device.type != "cpu" or threads == 1:
            return np.concatenate([self._frame(identity, *one) for one in zip(points, matches)])
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                return np.concatenate([*pool.map(lambda one: self._frame(identity, *one), zip(points, matches))])
        finally:
            torch.set_num_threads(threads)

    def _frame(self, identity: Identity, points: np.ndarray, match: int) -> np.ndarray:
        guide = identity.maker.guide(points, int(match))
        made = self._made(identity, [guide])
        picture, where = made.picture.float(), _face_map(guide)
        if self.network.close_up is not None:
            with torch.inference_mode(), mixed_precision(self.device, self.precision):
                picture, region = drawn_again(self.network.close_up, picture, points, identity.mouths[match])
            where = where * (1 - region)        # what is drawn again is as sharp as it shall be
        if identity.large:
            picture = picture - made.placed.anchor.float()      # what the composition adds, in small
            picture = resized(picture, identity.size) + self._large_anchor(identity, guide, made.placed)
        elif identity.size < CANVAS:
            picture = torch.nn.functional.interpolate(picture, size=(identity.size,) * 2, mode="bilinear", antialias=True)
        drawn = picture[0].permute(1, 2, 0).cpu().numpy()                                        # (P, P, 3)
        drawn = sharpened(drawn, _sized(where, identity.size), identity.detail)
        return np.rint(np.clip(drawn, 0, 1) * 255).astype(np.uint8)[None]

    def explain(self, identity: Identity, points: np.ndarray) -> tuple[list[Guide], Made]:
        """Guides and everything that the networks say of frames (t, 68, 3), float32, for notebooks and measurements."""
        matches = identity.maker.choose(identity.maker.poses(points))
        guides = [identity.maker.guide(one, int(match)) for one, match in zip(points, matches)]
        return guides, as_float32(self._made(identity, guides))

    def _made(self, identity: Identity, guides: Sequence[Guide]) -> Made:
        shown = [guide_tensors(one, identity.looks[one.match]) for one in guides]
        batch = Guides(*(_stacked(parts).to(self.device) for parts in zip(*shown)))
        held = identity.held
        if len(guides) > 1:
            held = _repeated(held, len(guides))
        with torch.inference_mode(), mixed_precision(self.device, self.precision):
            return self.network(held, batch)

    def _large_anchor(self, identity: Identity, guide: Guide, placed: Placed) -> Tensor:
        """The anchor (1, 3, P, P) of a large picture, by the small one's flows and masks."""
        P = identity.size
        scale = P / CANVAS
        large = as_picture(identity.large[guide.match]).to(self.device)[None]
        matched = warp(large, scale * resized(placed.moved.displacement.float(), P))
        if placed.front is not None:
            look = identity.looks[guide.match]
            behind = torch.lerp(large, resized(look.backdrop[None], P), resized(look.person[None], P))
            matched = torch.lerp(behind, matched, resized(placed.front.float(), P))
        key = identity.large[identity.maker.key]
        projected = as_picture(_enlarged(key, guide.key_flow)).to(self.device)[None]
        projected = warp(projected, scale * resized(placed.refined.displacement.float(), P))
        return torch.lerp(matched, projected, resized(placed.believed.float(), P))


def _face_map(guide: Guide) -> np.ndarray:
    """Where a guide's face is, (S, S) float32 in [0, 1]."""
    return guide.masks[..., 0].astype(np.float32) / 255


def _sized(where: np.ndarray, size: int) -> np.ndarray:
    """A map (S, S) as (P, P)."""
    return where if size == CANVAS else cv2.resize(where, (size, size), interpolation=cv2.INTER_LINEAR)


def _stacked(parts: Sequence[Tensor]) -> Tensor:
    """Tensors one after another; one alone is not copied."""
    return parts[0][None] if len(parts) == 1 else torch.stack(parts)


def _repeated(held: Tensor | Sequence | None, times: int) -> Tensor | Sequence | None:
    """All tensors of a tuple of tensors and tuples, so many times."""
    if held is None:
        return None
    if isinstance(held, Tensor):
        return held.expand(times, *held.shape[1:])
    parts = [_repeated(one, times) for one in held]
    return type(held)(*parts) if hasattr(held, "_fields") else type(held)(parts)


def _canvas(picture: np.ndarray) -> np.ndarray:
    if picture.shape[0] == CANVAS:
        return picture
    way = cv2.INTER_AREA if picture.shape[0] > CANVAS else cv2.INTER_CUBIC
    return cv2.resize(picture, (CANVAS, CANVAS), interpolation=way)


def _enlarged(key: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The large key frame (P, P, 3) at the places that a small flow (S, S, 2) names."""
    P = len(key)
    places = cv2.resize(flow, (P, P), interpolation=cv2.INTER_LINEAR) * np.float32(P / CANVAS) - np.float32(0.5)
    return cv2.remap(key, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def load_network(source: str | Path = "small") -> RendererNetwork:
    """The networks of a weight file, or shipped ones. ValueError, one line, for a file that holds none."""
    return load_model(source, lambda config: RendererNetwork(build_config(NetworkSettings, config["renderer"])), KIND)


def save_network(path: str | Path, network: RendererNetwork, *, half: bool = True) -> Path:
    """The path, now a weight file of the networks that `load_network` reads; `half` stores 16 bits a number."""
    return save_weights(path, network.state_dict(), config={"renderer": config_dict(network.settings)}, half=half)


def load_rhythmic_head(source: str | Path = "small", *, device: str | torch.device = "auto",
                       precision: Precision = "auto") -> RhythmicHead:
    """The renderer of shipped weights (`small`) or of a file. ValueError as `render_stage.load_renderer`."""
    device = chosen_device(device)
    chosen_precision(device, precision)     # before the file is read
    return RhythmicHead(load_network(source), device=device, precision=precision)
