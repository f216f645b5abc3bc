"""Videos -> is their sound early or late, for sure, in which shots, and what to do about it; or put right without encoding."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headsync.commands.checks import check_inputs, reserved
from headsync.commands.command import run_each
from headsync.commands.motion_arguments import add_device_argument, add_sound_argument
from headsync.commands.parser import CommandParser

if TYPE_CHECKING:
    from syncers.verdict import Report, Verdict

EXAMPLE = "sync talking.mp4 --fix right.mp4"
OUT_OF_SYNC, UNSURE = 3, 4      # exit codes of --exit-code
LEAST_MARGIN = 0.2              # of one time scale by itself


def add_arguments(parser: CommandParser) -> None:
    """Its options."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO_OR_DIR", help="videos, and folders that are searched for videos")
    parser.add_argument("--fix", metavar="OUT.mp4", help="write the one video with its sound moved to where it belongs, "
                        "nothing encoded anew")
    parser.add_argument("--json", action="store_true", help="all figures as one JSON list instead of text")
    parser.add_argument("--exit-code", action="store_true", help=f"end with {OUT_OF_SYNC} when a sound is for sure outside of "
                        f"ITU-R BT.1359, with {UNSURE} when one cannot be told")
    parser.add_argument("--over-time", action="store_true", help="also list every four seconds")
    add_sound_argument(parser)
    parser.add_argument("--mode", choices=("valid", "syncnet"), default="valid", help="syncnet: as published figures")
    parser.add_argument("--weights", default="metric", help="metric (default), metric-hama, loss, or a weight file")
    parser.add_argument("--plot", metavar="DIR", help="one picture per video: similarity over time, distance over lag")
    add_device_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Measure each video; 1 when some could not be measured."""
    videos = all_videos(options.videos)
    if options.fix and len(videos) != 1:
        raise ValueError(f"--fix writes one video, and {len(videos)} are given; run it for each")
    if len(videos) == 1:
        check_inputs(videos, videos, of="the video")
    with reserved(options.fix, inputs=videos):
        return measure_all(options, videos)


def all_videos(places: list[str]) -> list[str]:
    """The videos that are named, and those in the folders that are. ValueError for a folder without any."""
    from headsync.corpus.sources import videos_in

    found: list[str] = []
    for place in places:
        inside = [str(path) for path in videos_in(Path(place))] if Path(place).is_dir() else [place]
        if not inside:
            raise ValueError(f"there is no video in {place}; name a folder that holds some")
        found += inside
    return found


def measure_all(options: argparse.Namespace, videos: list[str]) -> int:
    """The exit code of measuring and telling all of them."""
    from headsync import media
    from headsync.media import stage

    with stage("reading networks"):
        from headsync.landmarks.detection.shots import cuts_in
        from syncers import as_sync_sample, load_syncers, plot_sync, sample_offsets, sync_report

        pyramid = load_syncers(options.weights, device=options.device)
    records: list[dict[str, Any]] = []
    kept: list[bool | None] = []

    def measure(video: str) -> None:
        sample = as_sync_sample(media.open_sound(video, stream=options.audio_stream), video, features=pyramid.features)
        report = sync_report(pyramid, sample, cuts=cuts_in(media.read_frames(video)))
        scales, fps = sample_offsets(sample, pyramid, mode=options.mode), float(media.video_info(video).rate)
        kept.append(report.keeps())
        records.append(record(video, report, scales, fps))
        if not options.json:
            tell(video, report, scales, fps, over_time=options.over_time)
        if options.plot:
            Path(options.plot).mkdir(parents=True, exist_ok=True)
            plot_sync(Path(options.plot) / f"{Path(video).stem}.png", sample, pyramid, title=Path(video).name)
        if options.fix:
            fix(video, options.fix, report)

    code = run_each(measure, [(video,) for video in videos])
    if options.json:
        print(json.dumps(records, indent=2))
    if code or not options.exit_code:
        return code
    return OUT_OF_SYNC if False in kept else UNSURE if None in kept else 0


def tell(video: str, report: "Report", scales: list, fps: float, *, over_time: bool) -> None:
    """Print the answer, then what it rests on."""
    from syncers.verdict import IN_SYNC_MS, LIMITS, spoken

    print(f"{video}: {report.told(fps)}")
    if report.whole.sure:
        words = [f"{limit.name} ({limit.early_ms:.0f} ms early to {limit.late_ms:.0f} late) "
                 f"{'kept' if limit.holds(report.whole.ms) else 'not kept'}" for limit in LIMITS]
        print(f"  {'; '.join(words)}")
    for part, verdicts in (("shot", report.shots), ("stretch", report.over_time if over_time else ())):
        for one in verdicts:
            print(f"  {part} {one.start_s:.2f} to {one.end_s:.2f} s: {one.told(fps)}")
    for found in scales:
        near = abs(found.ms - report.whole.ms) <= IN_SYNC_MS * (1 + 2 ** (found.level - 1))
        doubt = "" if near and found.margin >= LEAST_MARGIN else "  (unsure)"
        print(f"  {found.window_ms:5d} ms: {spoken(found.ms)} ({found.ms * fps / 1000:+.1f} frames), confidence "
              f"{found.confidence:.2f}, distance {found.distance:.2f}{doubt}")


def record(video: str, report: "Report", scales: list, fps: float) -> dict[str, Any]:
    """All figures of a video as JSON takes them."""
    from syncers.verdict import LIMITS

    def figures(one: "Verdict") -> dict[str, Any]:
        return {"start_s": one.start_s, "end_s": one.end_s, "late_ms": round(one.ms, 1), "sure": one.sure,
                "late_frames": round(one.ms * fps / 1000, 2), "margin": round(one.margin, 4)}

    return {"video": video, "answer": report.told(fps), "fps": fps, **figures(report.whole),
            "limits": {limit.name: limit.holds(report.whole.ms) if report.whole.sure else None for limit in LIMITS},
            "shots": [figures(one) for one in report.shots], "shots_differ": report.differ,
            "over_time": [figures(one) for one in report.over_time], "drift_ms_per_minute": report.drift_ms_per_minute,
            "time_scales": [{"window_ms": one.window_ms, "late_ms": round(one.ms, 1), "confidence": round(one.confidence, 4),
                             "distance": round(one.distance, 4), "margin": round(one.margin, 4)} for one in scales]}


def fix(video: str, out: str, report: "Report") -> None:
    """Write the video with its sound moved. ValueError where nothing is sure, or one move does not do."""
    from fractions import Fraction

    from headsync.media.resync import move_sound

    if report.differ or report.drift_ms_per_minute is not None:
        raise ValueError(f"{video}: one move of the sound does not put it right: {report.told()}")
    if not report.whole.sure:
        raise ValueError(f"{video}: its offset cannot be told for sure, so nothing is moved")
    move_sound(video, out, -Fraction(report.whole.ms) / 1000)
    print(f"{out}: sound moved by {-report.whole.ms:+.0f} ms; pictures and sound are copied as they were")
