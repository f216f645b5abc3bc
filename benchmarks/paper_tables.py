"""The four papers' tables as far as they can be filled here: ours from reports, theirs as printed, side by side.

    .venv/bin/python benchmarks/paper_tables.py --reports DIR      (the --out of benchmarks/evaluation_runs.py)

Prints Markdown. Rows that begin with a paper's name are quoted, from other data and other networks: not to be ranked with ours.
"""

import argparse
import json
from pathlib import Path

SCALES = (200, 400, 800, 1600)
OURS = {"real": "ground truth", "still face": "still face", "mismatched audio": "mismatched audio", "short": "MS-Sync `short`",
        "long": "MS-Sync `long`", "redrawn": "real landmarks + renderer", "dubbed": "`long` under the real head + renderer",
        "rhythmic": "expression + learned head + renderer"}

# as printed: MS-Sync tables 3 and 4 (VoxCeleb2 II, HDTF), |AV-Off| / AV-Conf at four scales
SYNCHRONY = {
    "MS-Sync, VoxCeleb2: ground truth": "0.87 / 2.41 | 0.52 / 2.50 | 2.39 / 1.57 | 2.97 / 1.69",
    "MS-Sync, VoxCeleb2: static": "9.45 / 0.63 | 10.22 / 1.07 | 9.01 / 1.06 | 5.72 / 0.99",
    "MS-Sync, VoxCeleb2: short": "0.00 / 3.37 | 0.01 / 3.62 | 0.07 / 2.48 | 2.60 / 2.18",
    "MS-Sync, VoxCeleb2: long": "0.01 / 3.26 | 0.01 / 3.56 | 0.10 / 2.49 | 1.84 / 2.20",
    "MS-Sync, HDTF: ground truth": "1.03 / 1.95 | 1.14 / 2.25 | 1.90 / 1.58 | 1.22 / 1.17",
    "MS-Sync, HDTF: static": "9.77 / 0.63 | 9.92 / 1.10 | 9.29 / 1.00 | 3.75 / 0.58",
    "MS-Sync, HDTF: short": "0.76 / 2.68 | 0.93 / 2.80 | 0.48 / 2.03 | 0.86 / 1.42",
    "MS-Sync, HDTF: long": "0.72 / 2.58 | 0.87 / 2.63 | 0.48 / 2.01 | 0.96 / 1.38"}
# table 5, VoxCeleb2 I: |AV-Off|, AV-Conf, LMD, LMD_front
PICTURED = {
    "MS-Sync: ground truth": "1.89 / 6.29 | 0 | 0", "MS-Sync: GT landmarks + MakeItTalk": "3.52 / 3.55 | 1.60 | 1.53",
    "MS-Sync: short + MakeItTalk": "2.00 / 4.53 | 3.15 | 2.85", "MS-Sync: long + MakeItTalk": "2.20 / 4.35 | 3.06 | 2.80"}
# Rhythmic Head table 1, VoxCeleb2: LMD, CSIM, SSIM, FID
SPOKEN = {"Rhythmic Head: Chen et al. 2019": "4.9 | 0.31 | 0.82 | 142",
          "Rhythmic Head: Vougioukas et al.": "6.3 | 0.33 | 0.85 | 127",
          "Rhythmic Head: theirs, K = 1": "3.37 | 0.42 | 0.74 | 47"}
# PC-AVS table 1, VoxCeleb2: SSIM, CPBD, LMD, Sync_conf
POSED = {"PC-AVS: ground truth": "1.000 | 0.090 | 0.00 | 5.9", "PC-AVS: Wav2Lip": "0.846 | 0.078 | 12.26 | 4.5",
         "PC-AVS: MakeItTalk": "0.817 | 0.068 | 31.44 | 2.8", "PC-AVS: Rhythmic Head": "0.779 | 0.802 | 14.76 | 3.8",
         "PC-AVS: theirs, fixed pose": "0.820 | 0.084 | 7.68 | 5.8", "PC-AVS: theirs": "0.886 | 0.083 | 6.88 | 5.9"}
# G4G table 1, HDTF: PSNR, SSIM, MSE, LPIPS, LSE-D, LSE-C
DUBBED = {
    "G4G: Wav2Lip": "27.94 | 0.894 | .0017 | .1455 | 7.01 / 8.37", "G4G: DINet": "23.72 | 0.856 | .0045 | .1017 | 8.03 / 7.07",
    "G4G: IP_LAP": "27.96 | 0.909 | .0018 | .0918 | 8.27 / 6.35", "G4G: theirs": "27.56 | 0.908 | .0020 | .0904 | 7.89 / 7.34"}


class Report:
    """One metrics.json."""

    def __init__(self, folder: Path):
        self.told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        self.of = {**self.told["anchors"], **self.told["methods"]}

    def figure(self, method: str, name: str, digits: int = 2, *, deviation: bool = False) -> str:
        """A mean, or a dash."""
        found = self.of[method]["figures"].get(name)
        if found is None:
            return "–"
        return f"{found['mean']:.{digits}f}" + (f" ± {found['deviation']:.{digits}f}" if deviation else "")

    def each(self, *methods: str) -> list[str]:
        """Those of the methods that the report has."""
        return [method for method in methods if method in self.of]


def table(head: str, quoted: dict[str, str], ours: dict[str, str]) -> None:
    """Quoted rows, then ours."""
    print(f"\n| {head} |\n|{'---|' * (head.count('|') + 1)}")
    for rows in (quoted, ours):
        for name, cells in rows.items():
            print(f"| {name} | {cells} |")


def synchrony(pieces: Report) -> None:
    """MS-Sync tables 3 and 4 in both modes."""
    clips = pieces.of["real"]["clips"]
    for mode in ("syncnet", "valid"):
        ours = {f"here, {clips} pieces: {OURS[method]}": " | ".join(
            f"{pieces.figure(method, f'av_off_{scale}_{mode}', deviation=True)} / "
            f"{pieces.figure(method, f'av_conf_{scale}_{mode}', deviation=True)}" for scale in SCALES)
            for method in pieces.each("real", "still face", "mismatched audio", "short", "long")}
        head = f"mode `{mode}`: AV-Off in steps / AV-Conf | " + " | ".join(f"{scale} ms" for scale in SCALES)
        table(head, SYNCHRONY if mode == "syncnet" else {}, ours)


def pictured(videos: Report) -> None:
    """MS-Sync table 5, Rhythmic Head table 1, PC-AVS table 1, G4G table 1."""
    made = videos.each("redrawn", "short", "long", "dubbed", "rhythmic")
    of, conf = videos.figure, "av_conf_200_syncnet"
    table("rendered: AV-Off / AV-Conf, 200 ms | LMD mouth, aligned px | LMD_front mouth px", PICTURED, {
        f"here: {OURS[one]}": f"{of(one, 'av_off_200_syncnet')} / {of(one, conf)} | "
                              f"{of(one, 'lmd_mouth_aligned')} | {of(one, 'lmd_mouth_turned')}" for one in ("real", *made)})
    table("sound and one picture | LMD px | CSIM (here CSIM-S) | SSIM | FID", SPOKEN, {
        f"here: {OURS[one]}": f"{of(one, 'lmd_mouth_aligned')} | {of(one, 'csim', 3)} | {of(one, 'ssim', 3)} | –"
        for one in ("still face", *made)})
    table("pose from elsewhere | SSIM | CPBD | LMD px, as it lies | Sync_conf (here AV-Conf 200 ms)", POSED, {
        f"here: {OURS[one]}": f"{of(one, 'ssim', 3)} | {of(one, 'cpbd', 3)} | {of(one, 'lmd')} | {of(one, conf)}"
        for one in ("real", "still face", *made)})
    table("dubbing | PSNR dB | SSIM | MSE | LPIPS | LSE-D / LSE-C", DUBBED, {
        f"here: {OURS[one]}": f"{of(one, 'psnr_db')} | {of(one, 'ssim', 3)} | {error(videos, one)} | – | –"
        for one in videos.each("dubbed", "redrawn")})


def error(report: Report, method: str) -> str:
    """The mean squared error, of values in [0, 1], from each clip's pooled PSNR."""
    found = [10 ** (-row["figures"]["psnr_db"] / 10) for row in report.told["clips"]
             if row["method"] == method and "psnr_db" in row["figures"]]
    return f"{sum(found) / len(found):.4f}"[1:] if found else "–"


def sets(pieces: Report, whole: Report) -> None:
    """What stands in the place of MS-Sync table 2."""
    for name, report in (("whole clips", whole), ("pieces of 80 frames", pieces)):
        columns = [*report.each("short", "long", "still face")]
        floor = report.told["calibration"].get("frechet_floors", {})
        kinds = list(dict.fromkeys(kind for column in columns for kind in report.of[column]["sets"]))
        rows = {}
        for kind in kinds:
            cells, digits = [*(report.of[one]["sets"].get(kind) for one in columns), floor.get(kind)], 4 if "fd" in kind else 1
            rows[kind.replace("_", " ")] = " | ".join(
                "–" if one is None else f"{one['value']:.{digits}f} (n = {one['samples']})" for one in cells)
        table(" | ".join([f"Fréchet, {name}", *(OURS[one] for one in columns), "floor"]), {}, rows)


def main() -> None:
    """Print every table whose report is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=Path, required=True)
    options = parser.parse_args()
    reports = {part: Report(options.reports / part / "report") for part in ("whole", "pieces", "videos")
               if (options.reports / part / "report" / "metrics.json").is_file()}
    if {"whole", "pieces"} <= reports.keys():
        sets(reports["pieces"], reports["whole"])
    if "pieces" in reports:
        synchrony(reports["pieces"])
    if "videos" in reports:
        pictured(reports["videos"])


if __name__ == "__main__":
    main()
