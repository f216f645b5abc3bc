"""Weight files of PC-AVS, read and written."""

from pathlib import Path

from headsync.experiment import Kind, build_config, config_dict, load_model, save_weights
from render_stage.pc_avs.network import PcAvs, PcAvsSettings

MODELS: tuple[str, ...] = ()      # none is shipped
KIND = Kind("render_stage", MODELS, frozenset(["pc_avs"]), "PC-AVS", "PC-AVS renderer", "headsync train pc-avs",
            "a PC-AVS renderer's weights")


def load_pc_avs_network(source: str | Path = "pc_avs") -> PcAvs:
    """The networks of a weight file, or shipped ones. ValueError, one line, for a file that holds none."""
    return load_model(source, lambda config: PcAvs(build_config(PcAvsSettings, config["pc_avs"])), KIND)


def save_pc_avs_network(path: str | Path, network: PcAvs, *, half: bool = True) -> Path:
    """The path, now a weight file that `load_pc_avs_network` reads; `half` stores 16 bits a number."""
    return save_weights(path, network.state_dict(), config={"pc_avs": config_dict(network.settings)}, half=half)
