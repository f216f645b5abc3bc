"""Any folder of videos in, a corpus out: resumable, parallel, and never stopped by one bad file.

Shapes: T frames, V = 468 mesh vertices. Positions in time are frames at 25 per second of the source's common clock.
"""

import contextlib
import errno
import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from headsync.corpus.clips import OUTPUTS, PreprocessSettings, SourceResult, cut_source
from headsync.corpus.corpus import FEATURE_FILES, REJECTED, Clip, Corpus, Rejection, open_corpus, write_manifest, write_table
from headsync.corpus.sources import Source
from headsync.landmarks.detection import Detector, make_detector
from headsync.media import FPS, remove_left_behind, stage, write_whole

RECORDS = ".sources"
BATCH_SOURCES = 8
FORMER_SETTINGS = {"features": "logfbank"}     # said by records of 0.2, whose sources need not be done anew
OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}   # it ends the run: no video is to blame


class BuildReport(NamedTuple):
    """What `build_corpus` did."""

    corpus: Corpus
    rejections: list[Rejection]
    processed: int          # sources worked on in this run
    skipped: int            # sources that an earlier run had finished


def build_corpus(sources: Sequence[Source], out: str | Path, *, settings: PreprocessSettings | None = None,
                 jobs: int = 1, val: Collection[str] = ()) -> BuildReport:
    """The corpus of all sources, written under `out`; sources that an earlier run finished are not touched.

    `jobs` processes (-1: as many as there are) run through joblib, whose backend may be a cluster: see `cluster_workers`.
    With `val`, the identities named there make up the val split, and no source is done anew for it.
    A source that cannot be used is listed in `rejected.csv` with its reason and does not stop the others. OSError when
    the corpus cannot be written.
    """
    out, settings = Path(out), settings or PreprocessSettings()
    unknown = sorted(set(val) - {source.identity for source in sources})
    if unknown:
        raise ValueError(f"nobody is called {unknown[0]!r}, who is to be in the val split; people are "
                         f"{', '.join(sorted({source.identity for source in sources})[:8])} ...")
    folders = [out / name for name in (RECORDS, *OUTPUTS)]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    remove_left_behind(folders)
    waiting = [source for source in sources if not _is_finished(source, out, settings)]
    try:
        _process_all(waiting, out, settings, jobs)
    finally:
        remove_left_behind(folders)     # of processes that were ended with this one
    results = [read_record(path) for path in sorted((out / RECORDS).glob("*.json"))]
    rejections = [rejection for result in results for rejection in result.rejections]
    write_manifest(out, (clip._replace(split=_chosen_split(clip, val)) for result in results for clip in result.clips))
    write_table(out / REJECTED, Rejection, rejections)
    return BuildReport(open_corpus(out), rejections, len(waiting), len(sources) - len(waiting))


def _chosen_split(clip: Clip, val: Collection[str]) -> str:
    """The clip's own split, unless the val people were named: then those, and nobody else, are in val."""
    if not val:
        return clip.split
    return "val" if clip.identity in val else clip.split.replace("val", "train")


def _process_all(waiting: Sequence[Source], out: Path, settings: PreprocessSettings, jobs: int) -> None:
    """Process these sources in `jobs` processes, which do not outlive the call, and show how far it is."""
    batches = [waiting[start : start + BATCH_SOURCES] for start in range(0, len(waiting), BATCH_SOURCES)]
    streams = jobs == 1 or get_active_backend()[0].supports_return_generator        # Ray's does not
    work = Parallel(n_jobs=jobs, return_as="generator_unordered" if streams else "list")(
        delayed(_process_batch)(batch, out, settings) for batch in batches)
    with stage("preprocessing", total=len(waiting), unit="video") as step, \
            contextlib.closing(work) if streams else contextlib.nullcontext():
        for done in work:
            step(done)


def _process_batch(sources: Sequence[Source], out: Path, settings: PreprocessSettings) -> int:
    """Process some sources with one detector, whose start takes longer than a short clip; returns their number."""
    detector = make_detector(settings.detector)
    try:
        for source in sources:
            _process_and_record(source, out, settings, detector)
    finally:
        detector.close()
    return len(sources)


def _process_and_record(source: Source, out: Path, settings: PreprocessSettings, detector: Detector) -> None:
    """Process one source; its record is the last thing written, so that a killed run does it again."""
    record = _record_path(source, out)
    if record.exists():
        _remove_outputs(read_record(record), out)
        record.unlink()
    try:
        result = cut_source(source, out, settings, detector)
    except Exception as error:  # one bad file must not end a run of thousands; what is unexpected says so
        refuse_disk_error(error, out)
        expected = isinstance(error, ValueError | OSError)
        result = _failure(source, str(error) if expected else f"unexpected {type(error).__name__}: {error}")
    content = {"fingerprint": _fingerprint(source, settings), "clips": [clip._asdict() for clip in result.clips],
               "rejections": [rejection._asdict() for rejection in result.rejections]}
    write_whole(record, json.dumps(content, indent=1).encode())


def refuse_disk_error(error: BaseException | None, out: Path) -> None:
    """Raises OSError when the error, or one that led to it, is that the disk is full or may not be written on."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            raise OSError(error.errno, f"{out} cannot be written: {error.strerror}; make room and run the same again")
        error = error.__cause__ or error.__context__


def _failure(source: Source, message: str) -> SourceResult:
    reason = " ".join(message.split())
    return SourceResult([], [Rejection(source.relative, 0.0, 0, reason, True)])


def read_record(path: Path) -> SourceResult:
    """What an earlier run noted of a source."""
    content = json.loads(path.read_text())
    return SourceResult([Clip(**row) for row in content["clips"]],
                        [Rejection(**row) for row in content["rejections"]])


def _is_finished(source: Source, out: Path, settings: PreprocessSettings) -> bool:
    """True when this very source was processed with these settings and all its files are there."""
    path = _record_path(source, out)
    if not path.is_file() or json.loads(path.read_text())["fingerprint"] != _fingerprint(source, settings):
        return False
    return all((out / "landmarks" / f"{clip.clip}.npz").is_file() and (out / "clips" / f"{clip.clip}.mp4").is_file()
               for clip in read_record(path).clips)


def _record_path(source: Source, out: Path) -> Path:
    return out / RECORDS / f"{source.stem}.json"


def _fingerprint(source: Source, settings: PreprocessSettings) -> str:
    status = source.path.stat()
    fields = [source.relative, source.stem, source.identity, source.split, status.st_size, status.st_mtime_ns,
            asdict(settings) | FORMER_SETTINGS]
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _remove_outputs(result: SourceResult, out: Path) -> None:
    others = {folder: ".npy" for folder, _ in FEATURE_FILES.values()}
    for clip in result.clips:
        for folder, suffix in (OUTPUTS | others).items():
            (out / folder / f"{clip.clip}{suffix}").unlink(missing_ok=True)


def minutes(clips: Iterable[Clip]) -> float:
    """How long the clips last together."""
    return sum(clip.frames for clip in clips) / FPS / 60
