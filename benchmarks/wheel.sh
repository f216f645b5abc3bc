#!/usr/bin/env bash
# The wheel in an empty virtual environment in an empty folder, per Python: everything installed by pip, every command, a talk.
#     benchmarks/wheel.sh FOLDER PYTHON...        for example: benchmarks/wheel.sh ../wheels python3.10 python3.12 python3.14
# Builds wheel and source distribution of the last commit in FOLDER/dist, prints their sizes and the time of each step.
# TORCH_OPTIONS: pip options for torch alone, as in the Makefile. FOLDER must be away from the repository.
set -euo pipefail
[ $# -ge 2 ] || { sed -n 3p "$0" >&2; exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1/dist"
folder=$(cd "$1" && pwd)
shift
exec < /dev/null
say() { printf '%7.1f s  %s\n' "$(python3 -c "import time; print(time.monotonic() - $begun)")" "$*"; }
begin() { begun=$(python3 -c 'import time; print(time.monotonic())'); }

begin
"$1" -m venv "$folder/builder"
"$folder/builder/bin/python" -m pip install --quiet --constraint "$root/constraints.txt" setuptools
mkdir -p "$folder/tree"
git -C "$root" archive HEAD | tar -x -C "$folder/tree"
for kind in sdist wheel; do
    (cd "$folder/tree" && "$folder/builder/bin/python" -c \
        "from setuptools import build_meta; build_meta.build_$kind('$folder/dist')" > "$folder/$kind.log" 2>&1)
done
say "built"
ls -l "$folder/dist"

for python in "$@"; do
    place=$folder/$(basename "$(dirname "$(dirname "$(command -v "$python")")")")-$(basename "$python")
    mkdir -p "$place/empty"
    begin
    "$python" -m venv "$place/venv"
    bin=$place/venv/bin
    # shellcheck disable=SC2086
    "$bin/python" -m pip install --quiet --constraint "$root/constraints.txt" ${TORCH_OPTIONS:-} torch
    "$bin/python" -m pip install --quiet --constraint "$root/constraints.txt" "$folder"/dist/*.whl
    "$bin/headsync" setup-opencv
    say "$("$bin/python" --version): installed, $(du -sm "$place/venv" | cut -f1) MB"
    cd "$place/empty"
    begin
    "$bin/headsync" doctor
    say "doctor"
    begin
    "$bin/headsync" gen-landmarks --audio "$root/examples/speech.flac" --refs "$root/examples/astronaut.jpg" --out motion.npz
    say "motion of the shipped example"
    begin
    "$bin/headsync" talk --audio "$root/examples/speech.flac" --refs "$root/examples/astronaut.jpg" --out talk.mp4
    say "video of the shipped example"
    begin
    "$bin/headsync" --help
    say "help"
    begin
    mkdir media     # a folder of the caller's own, and Hugging Face's package beside ours: nothing shadows anything
    touch media/__init__.py
    "$bin/python" -m pip install --quiet evaluate
    "$bin/python" -c "
import evaluate, headsync, media
print(evaluate.__version__, evaluate.load.__module__, headsync.__version__, media.__file__)
print(len(headsync.generate_landmarks('$root/examples/speech.flac')), 'frames in Python')"
    say "beside evaluate and media/"
    ls -l
done
