"""Published networks: stand-in files of the true layout load and run, foreign ones do not, protocols hold by hand."""

import hashlib
import importlib.util
import math
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import python_speech_features
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

from headsync.evaluation.networks.files import load_arcface, load_i3d, load_inception, load_lpips, load_syncnet
from headsync.evaluation.networks.inception import BLOCK_E, I3d, InceptionV3, MixedBlock, Unit3d
from headsync.evaluation.networks.inputs import (
    ARCFACE_POINTS,
    arcface_crop,
    arcface_faces,
    i3d_clip,
    inception_pictures,
    lpips_pictures,
    sound_windows,
    syncnet_boxes,
    syncnet_crop,
    syncnet_frames,
    syncnet_rows,
    temporal_picture,
)
from headsync.evaluation.networks.nets import IResBlock, IResNet, Lpips, SyncNet
from headsync.evaluation.networks.published import (
    PublishedNetwork,
    csim,
    i3d_features,
    inception_features,
    lpips,
    sync_figures,
)
from headsync.metrics.frechet import feature_distance


def frames(count: int, size: tuple[int, int] = (37, 41), *, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8))


def on_meta(make, *arguments) -> nn.Module:
    with torch.device("meta"):
        return make(*arguments).eval()


def random_state(network: nn.Module, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of the network's layout under which signals neither die nor explode, in half precision to save time."""
    pool = torch.rand(1_000_003, generator=torch.Generator().manual_seed(seed)) - 0.5       # drawing all would take seconds
    state = {}
    for name, tensor in network.state_dict().items():
        noise = pool.repeat(tensor.numel() // len(pool) + 1)[: tensor.numel()].view(tensor.shape)
        if tensor.dim() > 1:
            state[name] = (noise * math.sqrt(24 / tensor[0].numel())).half()
        elif name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        else:
            state[name] = (noise * 0.2 + (0.0 if name.endswith(("bias", "running_mean")) else 1.0)).half()
    return state


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> SimpleNamespace:
    """One stand-in file per published network."""
    folder = tmp_path_factory.mktemp("published")
    states = {"syncnet": random_state(on_meta(SyncNet)), "inception": random_state(on_meta(InceptionV3)),
              "i3d": random_state(on_meta(I3d)), "arcface": random_state(on_meta(IResNet, (1, 2, 1, 1)))}
    both = random_state(on_meta(Lpips))
    states["alexnet"] = {name: tensor for name, tensor in both.items() if name.startswith("features.")} | {
        "classifier.1.weight": torch.zeros(5, 7)}
    states["layers"] = {name: tensor.abs() for name, tensor in both.items() if name.startswith("lin")}
    for name, state in states.items():
        torch.save(state, folder / f"{name}.pth")
    return SimpleNamespace(**{name: folder / f"{name}.pth" for name in states}, states=states)


@pytest.fixture(scope="module")
def networks(files) -> SimpleNamespace:
    """The stand-ins, loaded once."""
    return SimpleNamespace(syncnet=load_syncnet(files.syncnet), inception=load_inception(files.inception),
                           i3d=load_i3d(files.i3d), arcface=load_arcface(files.arcface),
                           lpips=load_lpips(files.alexnet, files.layers))


# ---- the layouts

@pytest.mark.parametrize(("make", "arguments", "count"), [
    (InceptionV3, (), 23_834_568 + 8 * 2049),   # torchvision's without auxiliary head, and 8 more classes
    (I3d, (), 12_697_264), (IResNet, ((3, 13, 30, 3),), 65_156_160),
    (Lpips, (), 2_469_696 + 64 + 192 + 384 + 256 + 256),    # AlexNet's feature layers
])
def test_networks_have_as_many_parameters_as_published(make, arguments, count):
    assert parameters(on_meta(make, *arguments)) == count


@pytest.mark.parametrize(("make", "arguments", "entries", "known"), [
    (SyncNet, (), 2 * (6 * 7 + 9), {"netcnnaud.18.weight": (512, 256, 5, 4), "netcnnaud.4.weight": (192, 64, 3, 3),
                       "netcnnlip.0.weight": (96, 3, 5, 7, 7), "netcnnlip.18.weight": (512, 256, 1, 6, 6),
                       "netfclip.3.weight": (1024, 512), "netfcaud.1.running_var": (512,)}),
    (InceptionV3, (), 94 * 6 + 2, {"Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3), "fc.weight": (1008, 2048),
                                   "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
                                   "Mixed_6c.branch7x7dbl_4.conv.weight": (160, 160, 7, 1),
                                   "Mixed_7a.branch7x7x3_2.conv.weight": (192, 192, 1, 7),
                                   "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
                                   "Mixed_7c.branch_pool.bn.running_mean": (192,)}),
    (I3d, (), 57 * 6 + 2, {"Conv3d_1a_7x7.conv3d.weight": (64, 3, 7, 7, 7), "logits.conv3d.weight": (400, 1024, 1, 1, 1),
                           "Mixed_4f.b2b.conv3d.weight": (128, 32, 3, 3, 3), "Mixed_5c.b3b.bn.bias": (128,)}),
    (IResNet, ((3, 4, 14, 3),), 7 + 24 * 18 + 4 * 6 + 12,
     {"layer3.13.conv2.weight": (256, 256, 3, 3), "layer2.0.downsample.0.weight": (128, 64, 1, 1),
      "layer4.0.prelu.weight": (512,), "fc.weight": (512, 25088), "features.running_mean": (512,)}),
    (Lpips, (), 15, {"features.10.bias": (256,), "features.3.weight": (192, 64, 5, 5), "lin4.model.1.weight": (1, 256, 1, 1)}),
])
def test_names_and_shapes_are_those_of_the_published_files(make, arguments, entries, known):
    state = on_meta(make, *arguments).state_dict()
    assert {name: tuple(state[name].shape) for name in known} == known
    assert len(state) == entries


def test_i3d_has_a_logit_for_every_eighth_frame_but_one(monkeypatch):
    """Only strides and poolings are run: units let one channel pass."""
    def thinned(unit: Unit3d, x: torch.Tensor) -> torch.Tensor:
        step = unit.conv3d.stride[0]
        return x[:, :1, ::step, ::step, ::step]

    monkeypatch.setattr(Unit3d, "forward", thinned)
    network = on_meta(I3d)
    network.logits["conv3d"] = nn.Identity()
    assert [network(torch.zeros(1, 1, T, 224, 224)).shape[2:] for T in (9, 16, 17, 40, 80)] == [(1,), (1,), (2,), (4,), (9,)]


def test_inceptions_last_blocks_split_in_two_and_pool_as_tensorflow():
    block = MixedBlock(13, BLOCK_E, on_meta(InceptionV3).Mixed_7b.pool).eval()
    x = torch.rand(2, 13, 8, 8)
    stem, deep = block.branch3x3_1(x), block.branch3x3dbl_2(block.branch3x3dbl_1(x))
    counts = F.conv2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3), padding=1)        # 4 at corners, 6 at sides, 9 inside
    sums = F.conv2d(x, torch.ones(13, 1, 3, 3), padding=1, groups=13)
    written = [block.branch1x1(x), block.branch3x3_2a(stem), block.branch3x3_2b(stem), block.branch3x3dbl_3a(deep),
               block.branch3x3dbl_3b(deep), block.branch_pool(sums / counts)]
    torch.testing.assert_close(block(x), torch.cat(written, 1))
    last = on_meta(InceptionV3).Mixed_7c.pool(x)
    torch.testing.assert_close(last, F.max_pool2d(x, 3, 1, 1))


@pytest.mark.parametrize("halves", [False, True])
def test_an_iresnet_block_written_out(halves):
    block = IResBlock(5, 7 if halves else 5, halves=halves).eval()
    block.load_state_dict({name: tensor.float() for name, tensor in random_state(block).items()})
    x = torch.rand(2, 5, 6, 6) - 0.5

    def norm(layer: nn.BatchNorm2d, y: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(y, layer.running_mean, layer.running_var, layer.weight, layer.bias, eps=1e-5)

    inner = F.prelu(norm(block.bn2, F.conv2d(norm(block.bn1, x), block.conv1.weight, padding=1)), block.prelu.weight)
    outer = norm(block.bn3, F.conv2d(inner, block.conv2.weight, stride=2 if halves else 1, padding=1))
    beside = norm(block.downsample[1], F.conv2d(x, block.downsample[0].weight, stride=2)) if halves else x
    torch.testing.assert_close(block(x), outer + beside)


@pytest.mark.parametrize(("size", "before", "behind"), [(7, 3, 3), (8, 2, 3)])
def test_i3d_pads_as_tensorflow(size, before, behind):
    unit = Unit3d(2, 5, kernel=7, stride=2).eval()
    x = torch.rand(1, 2, size, size, size)
    expected = F.conv3d(F.pad(x, (before, behind) * 3), unit.conv3d.weight, stride=2)
    torch.testing.assert_close(unit(x), F.relu(unit.bn(expected)))


# ---- the files

@pytest.mark.parametrize("name", ["syncnet", "inception", "i3d", "arcface"])
def test_a_stand_in_file_fills_its_network(files, networks, name):
    loaded = getattr(networks, name)
    assert loaded.sha256 == (digest(getattr(files, name)),) and not loaded.network.training
    state = loaded.network.state_dict()
    assert state.keys() == files.states[name].keys()
    assert all(torch.equal(state[key], tensor.to(state[key].dtype)) for key, tensor in files.states[name].items())
    assert all(parameter.dtype == torch.float32 and not parameter.requires_grad for parameter in loaded.network.parameters())


def test_arcface_is_as_deep_as_its_file(networks):
    assert [len(getattr(networks.arcface.network, f"layer{stage}")) for stage in (1, 2, 3, 4)] == [1, 2, 1, 1]


@pytest.mark.parametrize("form", ["legacy", "safetensors", "wrapped", "parallel"])
def test_the_usual_forms_of_a_file_are_read(files, tmp_path, form):
    state = files.states["layers"]
    path = tmp_path / ("alex.safetensors" if form == "safetensors" else "alex.pth")
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        named = {f"module.{name}": tensor for name, tensor in state.items()} if form == "parallel" else state
        torch.save({"state_dict": named} if form == "wrapped" else named, path,
                   _use_new_zipfile_serialization=form != "legacy")
    loaded = load_lpips(files.alexnet, path).network.state_dict()
    assert torch.equal(loaded["lin2.model.1.weight"], state["lin2.model.1.weight"].float())


def test_files_older_than_batch_counters_are_read(files, tmp_path):
    state = files.states["arcface"]
    torch.save({name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")},
               tmp_path / "backbone.pth")
    loaded = load_arcface(tmp_path / "backbone.pth").network.state_dict()
    assert loaded["features.num_batches_tracked"] == 0 and torch.equal(loaded["fc.bias"], state["fc.bias"].float())


def test_the_published_lpips_file_is_read(files):
    """torchmetrics carries the one published file that can be had here: legacy, and saved on a GPU."""
    found = importlib.util.find_spec("torchmetrics")
    if found is None:
        pytest.skip("torchmetrics is not installed")
    published = Path(found.origin).parent / "functional" / "image" / "lpips_models" / "alex.pth"
    loaded = load_lpips(files.alexnet, published)
    assert loaded.sha256 == (digest(files.alexnet), digest(published))
    weights = [loaded.network.state_dict()[f"lin{number}.model.1.weight"] for number in range(5)]
    assert all((weight >= 0).all() and weight.max() > 0.1 for weight in weights)


@pytest.mark.parametrize(("load", "told"), [
    (load_syncnet, "LSE-D and LSE-C need the file syncnet_v2.model"), (load_inception, "FID needs the file pt_inception"),
    (load_i3d, "FVD needs the file rgb_imagenet.pt"), (load_arcface, "CSIM needs the file backbone.pth"),
    (lambda path: load_lpips(path, path), "LPIPS needs the file alexnet"),
])
def test_without_a_file_one_line_says_which(load, told, tmp_path):
    with pytest.raises(ValueError, match=told) as refused:
        load(None)
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match="cannot be read"):
        load(tmp_path / "missing.pth")


def refusal(load, *paths: Path) -> str:
    with pytest.raises(ValueError) as refused:
        load(*paths)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 600
    return str(refused.value)


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.97, 0.9999])
@pytest.mark.parametrize("legacy", [False, True])
def test_files_that_end_early_are_refused(files, tmp_path, share, legacy):
    torch.save(files.states["layers"], tmp_path / "whole.pth", _use_new_zipfile_serialization=not legacy)
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: int(share * len(content))])
    assert "ends early" in refusal(load_lpips, files.alexnet, tmp_path / "cut.pth")


class Trap:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_files_that_hold_code_are_refused_and_not_run(tmp_path):
    sprung = tmp_path / "sprung"
    torch.save({"netcnnaud.0.weight": Trap(sprung)}, tmp_path / "trap.model")
    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("trap.model", "trap.pth"):
        assert "holds no weights" in refusal(load_syncnet, tmp_path / name)
    assert not sprung.exists()


def test_foreign_files_are_refused(files, tmp_path):
    (tmp_path / "text.pth").write_text("These are no weights.\n")
    (tmp_path / "text.safetensors").write_text("These are no weights.\n")
    torch.save([torch.zeros(3)], tmp_path / "list.pth")
    torch.save({"a": 5}, tmp_path / "numbers.pth")
    torch.save({}, tmp_path / "empty.pth")
    for name in ("text.pth", "text.safetensors", "list.pth", "numbers.pth", "empty.pth"):
        assert "syncnet_v2.model" in refusal(load_syncnet, tmp_path / name)
    assert "lacks Conv2d_1a_3x3" in refusal(load_inception, files.arcface)
    assert "lacks" in refusal(load_arcface, files.syncnet) and "lacks" in refusal(load_i3d, files.inception)
    assert "another network's" in refusal(load_lpips, files.layers, files.alexnet)
    assert "lacks lin0" in refusal(load_lpips, files.alexnet, files.alexnet)


@pytest.mark.parametrize(("name", "tensor", "told"), [
    ("AuxLogits.fc.bias", torch.zeros(3), "also holds AuxLogits.fc.bias"),
    ("lin1.model.1.weight", torch.zeros(1, 191, 1, 1), "weight is torch.float32 (1, 191, 1, 1), not (1, 192, 1, 1)"),
    ("lin1.model.1.weight", torch.zeros(1, 192, 1, 1).long(), "is torch.int64"),
    ("lin1.model.1.weight", torch.full((1, 192, 1, 1), math.nan), "not finite"),
])
def test_nearly_right_files_are_refused(files, tmp_path, name, tensor, told):
    torch.save(files.states["layers"] | {name: tensor}, tmp_path / "changed.pth")
    assert told in refusal(load_lpips, files.alexnet, tmp_path / "changed.pth")


def test_a_file_must_be_what_its_name_promises(files, tmp_path):
    right = tmp_path / f"alexnet-owt-{digest(files.alexnet)[:8]}.pth"
    right.write_bytes(files.alexnet.read_bytes())
    assert load_lpips(right, files.layers).sha256[0] == digest(files.alexnet)
    wrong = tmp_path / "alexnet-owt-7be5be79.pth"
    wrong.write_bytes(files.alexnet.read_bytes())
    assert "damaged" in refusal(load_lpips, wrong, files.layers)


# ---- the figures

class Loudness(nn.Module):
    """Stands for SyncNet: how much brighter frames become, and how much louder the sound, on the same scale."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

    def lips(self, x: torch.Tensor) -> torch.Tensor:
        return x[0].mean((0, 2, 3)).unfold(0, 5, 1).diff(dim=1) * self.scale            # (n, 4)

    def sound(self, windows: torch.Tensor) -> torch.Tensor:
        return 10 * windows[:, 0, 0].unflatten(1, (5, 4)).mean(2).diff(dim=1)           # (n, 4), of the log energy


def loud_and_bright(count: int, late: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames as bright as their sound is loud, the sound `late` frames late."""
    loudness = np.random.default_rng(0).uniform(0.02, 1, count + 40)
    tone = np.sin(np.arange((count + 40) * 640) * 0.9) * np.repeat(loudness, 640) * 0.9
    energy = 10 * np.log((tone.reshape(-1, 640) ** 2).sum(1) * 32768**2 / 512)
    bright = (energy - energy.max() + 255).clip(0, 255)[20 : 20 + count]
    pictures = [np.full((224, 224, 3), value, np.uint8) for value in bright]
    return pictures, tone[(20 - late) * 640 : (20 - late + count) * 640].astype(np.float32)


@pytest.mark.parametrize("late", [-11, 0, 3])
def test_a_planted_offset_is_found_by_the_syncnet_protocol(late):
    found = sync_figures(*loud_and_bright(61, late), PublishedNetwork(Loudness(), ("abc",)))
    assert found.av_offset_frames == -late
    assert found.confidence.value > 10 and found.distance.label == "LSE-D" and found.confidence.sha256 == ("abc",)


def test_lse_is_syncnets_procedure_written_out(files, networks):
    network = networks.syncnet
    pictures, sound = frames(10, (224, 224)), np.random.default_rng(1).normal(0, 0.2, 9 * 640 + 600).astype(np.float32)
    found = sync_figures(iter(pictures), sound, network)                # 9 whole frames of sound: 9 - 5 windows

    steps = np.clip(np.rint(sound.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    features = torch.from_numpy(python_speech_features.mfcc(steps, 16000).T.copy()).float()     # (13, R)
    stacked = torch.from_numpy(np.stack([picture[..., ::-1] for picture in pictures])).float().permute(3, 0, 1, 2)[None]
    lips = torch.cat([network.network.lips(stacked[:, :, i : i + 5]) for i in range(4)])
    audio = torch.cat([network.network.sound(features[None, None, :, 4 * i : 4 * i + 20]) for i in range(4)])
    means = []
    for lag in range(-15, 16):
        partner = [audio[i + lag] if 0 <= i + lag < 4 else torch.zeros(1024) for i in range(4)]
        means.append(float(np.mean([float((lips[i] - partner[i] + 1e-6).norm()) for i in range(4)])))
    assert found.distance.value == pytest.approx(min(means), rel=1e-4)
    assert found.confidence.value == pytest.approx(sorted(means)[15] - min(means), rel=1e-3, abs=1e-4)
    assert found.av_offset_frames == 15 - int(np.argmin(means))
    assert found.distance.sha256 == (digest(files.syncnet),) and "4 windows" in found.distance.protocol
    assert lips.std(0).mean() > 1e-3, "the stand-in distinguishes windows"


def test_frames_in_pieces_are_embedded_as_one(files):
    pictures, sound = loud_and_bright(61, 0)
    module = Loudness()
    pieces = []
    lips = module.lips
    module.lips = lambda x: pieces.append(x.shape[2]) or lips(x)
    sync_figures(iter(pictures), sound, PublishedNetwork(module, ()))
    assert max(pieces) <= 20 and sum(piece - 4 for piece in pieces) == 61 - 4


def test_too_short_clips_are_refused():
    pictures, sound = loud_and_bright(7, 0)
    network = PublishedNetwork(Loudness(), ())
    assert sync_figures(pictures, sound, network).distance.protocol.startswith("SyncNet v2, 2 windows")
    for count, samples in ((6, 7 * 640), (7, 7 * 640 - 1), (3, 7 * 640), (0, 0)):
        with pytest.raises(ValueError, match="at least 7 frames"):
            sync_figures(pictures[:count], sound[:samples], network)


def test_inception_distinguishes_frames(networks):
    features = inception_features(iter(frames(2)), networks.inception)
    assert features.shape == (2, 2048) and np.abs(features[0] - features[1]).mean() > 1e-3 * np.abs(features).mean()


def test_fid_distinguishes_sets_and_carries_its_file(files, monkeypatch, networks):
    network, asked = networks.inception, []

    def colours(x: torch.Tensor) -> torch.Tensor:
        asked.append(x)
        return x.mean((2, 3))

    monkeypatch.setattr(network.network, "forward", colours)
    one, other = frames(3), [np.full((37, 41, 3), level, np.uint8) for level in (0, 51, 255)]
    apart = feature_distance(*(inception_features(iter(part), network) for part in (one, other)))
    means = np.stack(one).mean((1, 2)) / 127.5 - 1, np.repeat([[-1.0], [-0.6], [1.0]], 3, axis=1)
    assert apart == pytest.approx(feature_distance(*means), rel=0.02)     # but for the resizing
    assert asked[0].shape == (3, 3, 299, 299) and (asked[-1].min(), asked[-1].max()) == pytest.approx((-1, 1), abs=1e-6)


def test_fvd_in_both_forms(files, monkeypatch, networks):
    network, asked = networks.i3d, []

    def first_pixels(x: torch.Tensor) -> torch.Tensor:
        asked.append(x.shape)
        return x[:, :1, 8::8, 0, 0].repeat(1, 400, 1)

    monkeypatch.setattr(network.network, "forward", first_pixels)
    clips = [frames(17, (8, 8), seed=seed) for seed in range(3)]
    averaged, flat = i3d_features(clips, network), i3d_features(clips, network, flat=True)
    assert averaged.shape == (3, 400) and flat.shape == (3, 800)
    np.testing.assert_allclose(averaged, flat.reshape(3, 2, 400).mean(1), rtol=1e-6)
    assert asked[0] == (1, 3, 17, 224, 224)
    with pytest.raises(ValueError, match="at least 9 frames"):
        i3d_features([frames(8)] * 2, network)
    with pytest.raises(ValueError, match="different lengths"):
        i3d_features([clips[0], frames(25, (8, 8))], network, flat=True)


def test_i3d_runs_on_a_stand_in(networks):
    logits = i3d_features([frames(9, (224, 224))], networks.i3d)
    assert logits.shape == (1, 400) and np.isfinite(logits).all() and logits.std() > 0.01


def test_csim_of_a_picture_with_itself_is_one(networks):
    network = networks.arcface
    faces = frames(2, (112, 112))
    assert csim(faces[:1], faces[:1], network).value == pytest.approx(1, abs=1e-5)
    dark = [face // 5 for face in faces]
    found = csim(iter(faces), iter(dark), network)
    assert found.label == "CSIM" and -1 < found.value < 0.999 and "2 frames" in found.protocol
    assert found.value == pytest.approx(np.mean([csim([a], [b], network).value for a, b in zip(faces, dark)]), abs=1e-5)
    with pytest.raises(ValueError, match="112x112"):
        csim(frames(1), frames(1), network)
    with pytest.raises(ValueError, match="ends before"):
        csim(faces, faces[:1], network)
    with pytest.raises(ValueError, match="no frames"):
        csim([], [], network)


def test_lpips_is_its_formula_written_out(files, networks):
    network = networks.lpips
    one, other = frames(1, (67, 71)), frames(1, (67, 71), seed=1)
    state = network.network.state_dict()

    def layers(frame: np.ndarray) -> list[np.ndarray]:
        x = torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 127.5 - 1
        x = (x - torch.tensor([-0.03, -0.088, -0.188])[:, None, None]) / torch.tensor([0.458, 0.448, 0.45])[:, None, None]
        found = []
        for index, stride, padding, pooled in ((0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False),
                                               (10, 1, 1, False)):
            x = F.max_pool2d(x, 3, 2) if pooled else x
            x = F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], stride, padding).relu()
            found.append(x[0].numpy())
        return found

    expected = 0.0
    for number, (a, b) in enumerate(zip(layers(one[0]), layers(other[0]))):
        a, b = (x / (np.sqrt(np.square(x).sum(0)) + 1e-10) for x in (a, b))
        weight = state[f"lin{number}.model.1.weight"].numpy()[0, :, 0, 0]
        expected += np.tensordot(weight, np.square(a - b), 1).mean()
    found = lpips(iter(one), iter(other), network)
    assert found.label == "LPIPS" and found.value == pytest.approx(expected, rel=1e-4) and expected > 0.01
    assert found.sha256 == (digest(files.alexnet), digest(files.layers))
    assert lpips(one, one, network).value == 0


# ---- what the networks are shown

def test_syncnet_sees_bgr_from_0_to_255():
    picture = np.zeros((112, 112, 3), np.uint8)
    picture[:] = (10, 20, 250)
    shown = syncnet_frames([picture] * 7)
    assert shown.shape == (1, 3, 7, 224, 224) and shown.dtype == torch.float32
    assert [shown[0, channel].unique().tolist() for channel in range(3)] == [[250], [20], [10]]


def test_syncnet_takes_16_bit_steps():
    tone = (0.5 * np.sin(np.arange(16000) * 0.3)).astype(np.float32)
    rows = syncnet_rows(tone)
    assert rows.shape == (99, 13) and rows.dtype == torch.float32           # 1 + ceil((16000 - 400) / 160) = 99
    assert float(rows[50, 0] - syncnet_rows(tone / 10)[50, 0]) == pytest.approx(math.log(100), abs=0.01)    # log energy
    assert torch.isfinite(syncnet_rows(np.zeros(3200, np.float32))).all()
    windows = sound_windows(rows, 7)
    assert windows.shape == (7, 1, 13, 20) and torch.equal(windows[3, 0], rows[12:32].T)


def test_syncnet_crops_reach_further_down_and_to_the_sides():
    picture = np.zeros((100, 120, 3), np.uint8)
    picture[..., 0], picture[..., 1] = np.arange(100)[:, None], np.arange(120)
    boxes = syncnet_boxes(np.tile([50.0, 30, 70, 40], (23, 1)))
    assert boxes[11].tolist() == [60, 35, 10]
    crop = syncnet_crop(picture, boxes[11])                                 # rows 25 to 53, columns 46 to 74
    assert crop.shape == (224, 224, 3)
    assert (crop[0, 0, 0], crop[-1, 0, 0], crop[0, 0, 1], crop[0, -1, 1]) == (25, 52, 46, 73)
    outside = syncnet_crop(picture, np.array([0.0, 0, 10]))
    assert (outside[0, 0] == 110).all() and outside[-1, -1, 0] > 10
    jumping = np.tile([50.0, 30, 70, 40], (23, 1))
    jumping[11] += 40
    assert syncnet_boxes(jumping)[11].tolist() == [60, 35, 10], "a single wrong box does not move the crop"
    with pytest.raises(ValueError, match="at least 2 pixels"):
        syncnet_crop(picture, np.array([10.0, 10, 0.2]))


def test_inception_and_lpips_see_minus_one_to_one():
    pictures = [np.full((13, 17, 3), level, np.uint8) for level in (0, 255)]
    small = lpips_pictures(pictures)
    assert small.shape == (2, 3, 13, 17) and small[0].unique().tolist() == [-1] and small[1].unique().tolist() == [1]
    shown = inception_pictures(pictures)
    assert shown.shape == (2, 3, 299, 299)
    torch.testing.assert_close(shown[:, :, :13, :17], small)
    torch.testing.assert_close(inception_pictures([picture / 255 for picture in pictures]), shown)
    with pytest.raises(ValueError, match="uint8, got \\(13, 17\\) uint8"):
        inception_pictures([np.zeros((13, 17), np.uint8)])


def test_pictures_are_enlarged_between_pixel_centres():
    ramp = np.repeat(np.array([[[0] * 3, [200] * 3]], np.uint8), 2, axis=0)     # two columns
    row = inception_pictures([ramp])[0, 0, 0]
    assert (row[:74] == -1).all(), "up to the first pixel's centre, a quarter of the width, nothing rises"
    assert row[-1] == pytest.approx(200 / 127.5 - 1) and row[149] == pytest.approx(100 / 127.5 - 1)


def test_i3d_sees_frames_moved_and_rasters_not():
    shown = i3d_clip([np.full((13, 17, 3), level, np.uint8) for level in (0, 255, 51)])
    assert shown.shape == (1, 3, 3, 224, 224)
    assert shown[0, 0, :, 5, 5].tolist() == pytest.approx([-1, 1, -0.6])
    raster = np.zeros((224, 224, 3), np.float32)
    raster[3, 5, 1] = 1
    shown = i3d_clip([raster] * 2)
    assert shown.unique().tolist() == [0, 1] and shown[0, 1, 1, 3, 5] == 1


def test_the_temporal_picture_weighs_late_frames_more():
    pictures = [np.full((5, 7, 3), level, np.float32) for level in (1, 0, 0, 0)]
    weights = np.array([0.2, 0.4, 0.6, 0.8]) / 2
    assert [temporal_picture(pictures[-shift:] + pictures[:-shift])[2, 3, 1] for shift in range(4)] == pytest.approx(weights)
    assert temporal_picture([np.full((5, 7, 3), 51, np.uint8)] * 3).max() == pytest.approx(0.2)


def test_arcface_sees_aligned_faces_from_minus_one_to_one():
    shown = arcface_faces([np.full((112, 112, 3), level, np.uint8) for level in (0, 255)])
    assert shown.shape == (2, 3, 112, 112) and shown[0].max() == -1 and shown[1].min() == 1


@pytest.mark.parametrize("turn_deg", [0, 25])
def test_five_points_of_the_face_land_in_their_places(turn_deg):
    spin = np.radians(turn_deg)
    matrix = 1.4 * np.array([[np.cos(spin), -np.sin(spin)], [np.sin(spin), np.cos(spin)]])
    points = np.zeros((68, 2))                  # five clusters, where the template has them, moved by a similarity
    for indices, place in zip((range(36, 42), range(42, 48), [30], [48], [54]), ARCFACE_POINTS + 0.5):
        points[list(indices)] = matrix @ place + [83, 31]
    five = np.stack([points[36], points[42], points[30], points[48], points[54]])
    picture = np.zeros((256, 256, 3), np.uint8)
    rows, columns = np.mgrid[:256, :256]
    for x, y in five - 0.5:                     # landmarks count from the picture's edge, pixels from their centres
        picture[np.hypot(columns - x, rows - y) < 6] = 255
    crop = arcface_crop(picture, points).astype(float)[..., 0]
    rows, columns = np.mgrid[:112, :112]
    for x, y in ARCFACE_POINTS:
        near = crop * (np.hypot(columns - x, rows - y) < 9)
        assert (near * columns).sum() / near.sum() == pytest.approx(x, abs=0.3)
        assert (near * rows).sum() / near.sum() == pytest.approx(y, abs=0.3)
    with pytest.raises(ValueError, match="coincide"):
        arcface_crop(picture, np.zeros((68, 3)))
