"""The machine and what is installed on it: Python, packages, processor and GPU, OpenCV, encoders, folders to write in."""

import importlib
import os
import platform
import re
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from headsync.commands.doctor.findings import AGAIN, MISSING, OK, OPTIONAL, Finding, found

PYTHONS = ((3, 10), (3, 14))
INSTALL = "python -m pip install"
EXTRAS = {"train": "wandb logs", "eval": "checks of metrics against other people's",
          "cluster": "preprocessing on Dask or Ray", "dev": "tests and lint"}
IMPORT_NAMES = {"python-speech-features": "python_speech_features", "pillow": "PIL", "face-alignment": "face_alignment",
                "pytest-xdist": "xdist", "scikit-image": "skimage"}
SLOW = {"face-alignment", "mediapipe"}      # two seconds each to import; the detectors' findings tell of them
CPU_FLAGS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16")
ENCODERS = ("libx264", "aac", "png")
GIGABYTE = 2**30


def python() -> Finding:
    """This Python, and whether it is one of ours."""
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        return Finding("Python", OK, detail)
    lowest, highest = (".".join(map(str, version)) for version in PYTHONS)
    return Finding("Python", MISSING, detail, f"make an environment with Python {lowest} to {highest}")


def packages() -> list[Finding]:
    """headsync itself, a finding for each package that it needs, one for each extra."""
    try:
        findings = [Finding("headsync", OK, metadata.version("headsync"))]
    except metadata.PackageNotFoundError:
        return [Finding("headsync", OPTIONAL, "runs from its source folder, not installed", f"there: {INSTALL} .")]
    wanted = {}
    for line in metadata.requires("headsync") or ():
        if not asked_here(line):
            continue
        extra = re.search(r"""extra == ['"](\w+)['"]""", line)
        wanted.setdefault(extra.group(1) if extra else "", []).append(line.split(";")[0].strip())
    findings += [package(line) for line in wanted.pop("", [])]
    for extra, lines in wanted.items():
        bad = [line for line in lines if package(line).state != OK]
        detail = f"for {EXTRAS.get(extra, 'more')}: {', '.join(lines)}"
        remedy = " ".join([INSTALL, *(f"'{line}'" for line in bad)]) if bad else ""
        findings.append(Finding(f"[{extra}]", OPTIONAL if bad else OK, detail, remedy))
    return findings


def package(requirement: str) -> Finding:
    """Whether the package of a requirement such as "av>=17,<20" is installed, of a fitting version, and imports."""
    name = re.match(r"[\w.-]+", requirement).group()

    def look() -> str:
        version = metadata.version(name)
        if not fits(version, requirement[len(name):]):
            raise ValueError(f"{version} is installed, {requirement} is needed")
        if name not in SLOW:
            importlib.import_module(IMPORT_NAMES.get(name, name))
        return version

    return found(name, look, f"{INSTALL} '{requirement}'")


def asked_here(requirement: str) -> bool:
    """Whether a requirement's marker, if it has one, names this Python and machine; extras count as wanted.

    True when it cannot be told, for want of the package `packaging`.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return True
    marker = Requirement(requirement).marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *EXTRAS))


def fits(version: str, specifier: str) -> bool:
    """Whether a version is within a specifier; True when it cannot be told, for want of the package `packaging`."""
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True
    return SpecifierSet(specifier).contains(version, prereleases=True)


def processor() -> Finding:
    """Cores that this process may use, and the units that decide how fast networks run."""
    def look() -> str:
        import torch

        from headsync.experiment.precision import VARIABLE, chosen_precision

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        units = torch.cpu.get_capabilities()
        has = [flag for flag in CPU_FLAGS if units.get(flag)]
        numbers = chosen_precision("cpu") + (f", as {VARIABLE} says" if os.environ.get(VARIABLE) else "")
        kind = " ".join(has) or "no wide units"
        return f"{cores} cores, torch uses {torch.get_num_threads()}; {kind}; networks run in {numbers}"

    return found("processor", look, f"{INSTALL} torch")


def gpu() -> Finding:
    """CUDA devices; none are needed."""
    def look() -> str:
        import torch

        if not torch.cuda.is_available():
            raise LookupError("none that torch can use; everything runs on the processor")
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return f"{', '.join(names)}; CUDA {torch.version.cuda}"

    finding = found("GPU", look, "", absent=OPTIONAL)
    return finding._replace(detail=finding.detail.removeprefix("LookupError: "))


def opencv() -> Finding:
    """Which build of OpenCV is installed, and whether it loads on this machine."""
    def look() -> str:
        import cv2

        installed = [(one.metadata["Name"] or "", one.version) for one in metadata.distributions()]
        builds = sorted(f"{name} {version}" for name, version in installed if name.startswith("opencv"))

        return f"{cv2.__version__} ({', '.join(builds) or 'not from pip'})"

    return found("OpenCV", look, "run headsync setup-opencv")


def encoders() -> Finding:
    """The FFmpeg inside PyAV and its encoders for our files."""
    def look() -> str:
        import av

        missing = [name for name in ENCODERS if name not in av.codecs_available]
        if missing:
            raise ValueError(f"PyAV {av.__version__} has no encoder {', '.join(missing)}")
        library = ".".join(map(str, av.library_versions["libavcodec"]))
        return f"{', '.join(ENCODERS)} (libavcodec {library})"

    return found("encoders", look, f"{INSTALL} --only-binary=av --force-reinstall av")


def folders() -> list[Finding]:
    """Where compiled code is kept between runs, and room for files."""
    def compiled() -> str:
        module = importlib.import_module("render_stage.geometry.rasteriser")
        places = [one.stats.cache_path for one in vars(module).values() if hasattr(one, "stats")]
        return f"kept in {places[0]}" if places[0] else "kept nowhere: every program compiles anew, which takes some seconds"

    def room() -> str:
        with tempfile.TemporaryFile() as file:
            file.write(b"0" * 4096)
        free = {folder: shutil.disk_usage(folder).free / GIGABYTE for folder in (tempfile.gettempdir(), str(Path.cwd()))}
        return ", ".join(f"{folder}: {size:.1f} GB free" for folder, size in free.items())

    kept = found("compiled code", compiled, "set NUMBA_CACHE_DIR to a folder that can be written to")
    return [
        kept._replace(remedy=AGAIN) if kept.detail.startswith("ModuleNotFoundError") else kept,
        found("temporary files", room, "set TMPDIR to a folder that can be written to and has room"),
    ]
