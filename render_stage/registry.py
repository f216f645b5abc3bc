"""Which renderers there are, and how each is loaded: one dictionary, into which one's own goes by assignment."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import torch

from headsync.experiment import Precision, read_config
from headsync.media import checked
from render_stage.contract import Renderer
from render_stage.g4g.renderer import KIND as G4G_KIND
from render_stage.g4g.renderer import load_g4g
from render_stage.pc_avs.renderer import load_pc_avs
from render_stage.pc_avs.weights import KIND as PC_AVS
from render_stage.rhythmic_head.renderer import KIND, load_rhythmic_head


class RendererKind(NamedTuple):
    """One method."""

    load: Callable[..., Renderer]       # (source, *, device, precision): a name or a file of its weights
    source: str                         # the weights that its bare name means
    config: frozenset[str] = frozenset()    # keys of the configuration in its weight files; none: it has no files


RENDERERS: dict[str, RendererKind] = {"rhythmic_head": RendererKind(load_rhythmic_head, "small", KIND.config),
                                      "pc_avs": RendererKind(load_pc_avs, "pc_avs", PC_AVS.config),
                                      "g4g": RendererKind(load_g4g, "g4g", G4G_KIND.config)}


@checked
def load_renderer(source: str | Path = "small", *, device: str | torch.device = "auto",
                  precision: Precision = "auto") -> Renderer:
    """A renderer, ready for work: shipped weights (`small`), a method of `RENDERERS`, or a weight file of any of them.

    What kind a file is its configuration says. `device` is auto (a GPU where there is one), cpu, cuda or cuda:N; `precision`
    auto, fp32 or bf16. ValueError, one line, for a file that holds no renderer, and for a device that is not there.

    >>> import headsync
    >>> exact = headsync.load_renderer("small", precision="fp32")
    >>> headsync.render_video("motion.npz", "photo.jpg", "exact.mp4", renderer=exact).frames
    10
    """
    if source in RENDERERS:
        kind = RENDERERS[source]
        return kind.load(kind.source, device=device, precision=precision)
    shipped = resources.files("render_stage") / "weights" / f"{source}.safetensors"
    path = Path(str(shipped)) if shipped.is_file() else Path(source)
    config = set(read_config(path)) if path.is_file() else set()
    kinds = [kind for kind in RENDERERS.values() if kind.config == config and config]
    kind = kinds[0] if kinds else RENDERERS["rhythmic_head"]        # which says what is wrong with it
    return kind.load(source, device=device, precision=precision)
