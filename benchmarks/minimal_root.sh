#!/usr/bin/env bash
# Proves that headsync installs on a Debian that has Python, make and nothing else: no libGL, no libxcb, no GLib, no git.
#
# usage, as root, from anywhere:   benchmarks/minimal_root.sh ROOT [DIRECTORY...]
#   ROOT         folder of the small system; built with debootstrap (Debian bookworm, minbase) where it is empty or missing
#   DIRECTORY    folders of this machine that its pip is told to read (local wheels, say); seen there read-only, same path
#   TARGETS=...  what to make after `setup`, for example TARGETS="test demo"; nothing by default
#
# It copies the working tree (tracked and new files, nothing ignored), this machine's pip settings, certificates and host
# names into ROOT, builds .venv there, shows that OpenCV's desktop build cannot be imported, lets `make setup` mend that,
# and shows that cv2 and both detectors import. All mounts live in a mount namespace of this script and go with it.
set -euo pipefail

if [ $# -lt 1 ] || [ "$(id -u)" != 0 ]; then
    echo "headsync: usage, as root: ${BASH_SOURCE[0]} ROOT [DIRECTORY...]" >&2
    exit 2
fi
if [ "${HEADSYNC_OWN_MOUNTS:-}" != yes ]; then
    HEADSYNC_OWN_MOUNTS=yes exec unshare --mount --propagation private "${BASH_SOURCE[0]}" "$@"
fi
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mkdir -p "$1"
root=$(cd "$1" && pwd)
shift

if [ ! -x "$root/usr/bin/make" ]; then
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sed -n 1p)
    debootstrap --variant=minbase --include=python3,python3-venv,make,ca-certificates bookworm "$root" "$mirror"
fi

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for directory in "$@"; do
    mkdir -p "$root$directory"
    mount --bind -o ro "$directory" "$root$directory"
done
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf "$HOME/.config/pip/pip.conf" "${SSL_CERT_FILE:-}" "${PIP_CERT:-}"; do
    [ -f "$file" ] && install -D --mode=644 "$file" "$root$file"
done

rm -rf "$root/headsync"
mkdir "$root/headsync"
(cd "$project" && git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- --ignore-failed-read) |
    tar --extract --directory="$root/headsync"

mapfile -t settings < <(env | grep -E '^(PIP_|SSL_CERT_|REQUESTS_CA_BUNDLE=|https?_proxy=|no_proxy=|HTTPS?_PROXY=|NO_PROXY=|OMP_NUM_THREADS=)')
inside() {
    env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME="$HOME" "${settings[@]}" \
        chroot "$root" sh -euc "cd /headsync; $*"
}

echo "== a system without: $(for library in libGL.so.1 libxcb.so.1 libgthread-2.0.so.0 libportaudio.so.2 libsndfile.so.1; do
    inside "ldconfig -p" | grep --quiet "$library" || printf '%s ' "$library"; done)"
inside make .venv/.installed
echo "== as pip leaves it"
failure=$(inside '.venv/bin/python -c "import cv2" 2>&1 || true' | tail -n 1)
echo "$failure"
if [ -z "$failure" ]; then
    echo "headsync: cv2 imports before it is mended: $root is not minimal" >&2
    exit 1
fi
echo "== mended by make setup"
inside make setup
inside '.venv/bin/python -c "import cv2, mediapipe, face_alignment; print(\"cv2\", cv2.__version__, \"mediapipe, face_alignment import\")"'
for target in ${TARGETS:-}; do
    echo "== make $target"
    inside make "$target"
done
echo "== proved"
