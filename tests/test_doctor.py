"""headsync doctor: all is well here; what is missing or damaged is named, with a remedy, and ends in one line and code 2."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from headsync.commands.doctor import MISSING, OK, OPTIONAL, Finding, examine, machine, parts
from headsync.commands.doctor import command as doctor
from headsync.commands.program import main

ROOT = Path(__file__).parents[1]
GOOD, SPARE, BAD = Finding("a", OK, "1.0"), Finding("b", OPTIONAL, "none"), Finding("c", MISSING, "gone", "fetch c")


def test_this_machine_has_everything(capsys):
    findings = examine()
    assert not [one for one in findings if one.state == MISSING]
    assert all(one.remedy for one in findings if one.state == OPTIONAL and one.name != "GPU")
    detail = {one.name: one.detail for one in findings}
    assert {"torch", "numpy", "av", "processor", "OpenCV", "encoders", "face detector", "render_stage/small"} <= set(detail)
    assert detail["av"].split(".")[0].isdigit() and "core" in detail["processor"] and "sha256" in detail["render_stage/small"]
    assert capsys.readouterr() == ("", "")


def test_a_bare_python_is_told_everything_in_seconds():
    """No package at all: nothing may be imported before it is looked for, and nothing ends in a traceback."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" \
              "from headsync.commands.program import main; sys.exit(main(['doctor', '--json']))"
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and done.stderr.startswith("headsync: not ready: ")
    detail = json.loads(done.stdout)
    missing = {one["name"]: one for one in detail["findings"] if one["state"] == MISSING}
    assert not detail["ready"] and {"OpenCV", "encoders", "face detector", "landmark_stage/long"} <= set(missing)
    assert all(one["remedy"] for one in missing.values())


@pytest.mark.parametrize(("findings", "code", "error"), [
    ([GOOD, SPARE], 0, ""),
    ([GOOD, BAD], 2, "headsync: not ready: c: gone; fetch c\n"),
    ([BAD, GOOD, BAD._replace(name="d")], 2, "headsync: not ready: c: gone; fetch c; also d\n"),
])
def test_only_what_is_needed_decides(monkeypatch, capsys, findings, code, error):
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert main(["doctor"]) == code
    said = capsys.readouterr()
    assert said.err == error and all(f"{one.name}  {one.detail}" in said.out for one in findings)
    assert main(["doctor", "--json"]) == code
    detail = json.loads(capsys.readouterr().out)
    assert detail["ready"] == (code == 0) and [Finding(**one) for one in detail["findings"]] == findings


def test_every_shipped_weight_file_is_looked_at():
    shipped = {f"{path.parts[-3]}/{path.stem}" for path in ROOT.glob("*/weights/*.safetensors")}
    listed = [f"{package}/{name}" for package, _, names in parts.WEIGHTS for name in names]
    assert sorted(shipped) == sorted(listed), "name each file in headsync/commands/doctor/parts.py"


def test_a_damaged_and_a_missing_weight_file(tmp_path):
    whole = (ROOT / "landmark_stage/weights/head_motion.safetensors").read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    for source, word in ((damaged, "damaged"), (tmp_path / "none", "no head-motion weights")):
        finding = parts.weight_file("landmark_stage", "load_head_motion", str(source))
        assert finding.state == MISSING and word in finding.detail and "again" in finding.remedy


@pytest.mark.parametrize(("requirement", "word"), [
    ("numpy>=99", "numpy>=99 is needed"), ("no-such-package-here>=1", "no-such-package-here"),
])
def test_packages_that_do_not_fit(requirement, word):
    finding = machine.package(requirement)
    assert finding.state == MISSING and word in finding.detail and requirement in finding.remedy
    assert machine.package("numpy>=2.0,<3").state == OK


def test_a_package_that_is_installed_and_does_not_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert machine.package("safetensors>=0.4").state == MISSING


@pytest.mark.parametrize("requirement", ["scikit-image>=0.24", "pytest-xdist>=3.6", "psutil>=6"])
def test_what_is_installed_under_another_name_than_it_is_imported_by_is_found(requirement):
    pytest.importorskip({"scikit-image>=0.24": "skimage", "pytest-xdist>=3.6": "xdist"}.get(requirement, "psutil"))
    assert machine.package(requirement).state == OK


def test_extras_are_not_needed(monkeypatch):
    monkeypatch.setattr(machine.metadata, "requires", lambda name: ["numpy>=2", 'absent-one>=1; extra == "dev"'])
    findings = {one.name: one for one in machine.packages()}
    assert findings["numpy"].state == OK and findings["[dev]"].state == OPTIONAL
    assert findings["[dev]"].remedy.endswith("'absent-one>=1'")


def test_what_another_python_needs_is_not_looked_for(monkeypatch):
    lines = ["numpy>=2", 'absent-one>=1; python_version < "3.9"', 'safetensors>=0.4; python_version >= "3.9"',
             'absent-two>=1; python_version < "3.9" and extra == "dev"']
    monkeypatch.setattr(machine.metadata, "requires", lambda name: lines)
    assert [one.name for one in machine.packages()][1:] == ["numpy", "safetensors"]


@pytest.mark.parametrize(("version", "state"), [
    ((3, 9, 18), MISSING), ((3, 10, 0), OK), ((3, 14, 9), OK), ((3, 15, 0), MISSING),
])
def test_the_pythons(monkeypatch, version, state):
    monkeypatch.setattr(machine, "sys", SimpleNamespace(version_info=version, executable="python"))
    finding = machine.python()
    assert finding.state == state and (state == OK or "3.10 to 3.14" in finding.remedy)


def test_without_opencv_or_an_encoder_or_a_place_for_compiled_code(monkeypatch):
    import av

    monkeypatch.setitem(sys.modules, "cv2", None)
    assert machine.opencv().state == MISSING and "headsync setup-opencv" in machine.opencv().remedy
    monkeypatch.setattr(av, "codecs_available", {"aac", "png"})
    assert machine.encoders().state == MISSING and "no encoder libx264" in machine.encoders().detail
    monkeypatch.setitem(sys.modules, "render_stage.geometry.rasteriser", None)
    assert machine.folders()[0].state == MISSING and "again" in machine.folders()[0].remedy and machine.folders()[1].state == OK

    def refuse(name):
        raise RuntimeError("cannot cache function '_draw': no locator available")

    monkeypatch.setattr(machine.importlib, "import_module", refuse)
    assert machine.folders()[0].state == MISSING and "NUMBA_CACHE_DIR" in machine.folders()[0].remedy


def test_no_room_for_temporary_files(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.tempfile, "tempdir", str(tmp_path / "gone"))
    finding = machine.folders()[1]
    assert finding.state == MISSING and "TMPDIR" in finding.remedy


@pytest.mark.parametrize("faces", [[], [(10, 100)], [(30, 70), (80, 120)]])
def test_a_detector_that_sees_something_else(monkeypatch, faces):
    found = [SimpleNamespace(box=np.array([x0, 0, x1, 50])) for x0, x1 in faces]
    detector = SimpleNamespace(faces=lambda picture: found, close=lambda: None)
    monkeypatch.setattr("headsync.landmarks.detection.make_detector", lambda name: detector)
    finding = parts.embedded_detector()
    assert finding.state == MISSING and f"found {len(faces)} faces" in finding.detail


def test_weights_of_the_other_detector(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    assert parts.other_detector().state == OPTIONAL
    (tmp_path / "checkpoints").mkdir()
    for name in ("3DFAN4-4a694010b9.zip", "depth-6c4283c0e0.zip"):
        (tmp_path / "checkpoints" / name).write_bytes(b"")
    assert parts.other_detector().state == OK


def test_a_gpu_is_named(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "A Card")
    assert machine.gpu().state == OK and machine.gpu().detail.startswith("A Card")
