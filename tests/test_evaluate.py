"""One command evaluates clips: planted differences come out as planted, every failure is named, the page stands alone."""

import csv
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from headsync.commands.program import main
from headsync.corpus import Clip
from headsync.corpus.corpus import write_table
from headsync.evaluation.anchors import MISMATCHED, REAL, SHIFTED, STILL, Shift
from headsync.evaluation.evaluate import EvaluationSettings, evaluate_videos
from headsync.evaluation.report.page import write_report
from headsync.evaluation.summary import as_csv, as_json, calibration, scores, summaries
from headsync.experiment import read_log
from headsync.landmarks import LandmarkSequence
from syncers import load_syncers
from tests.face_files import write_tone
from tests.talking import made_up_people, write_corpus
from tests.wandb_files import recorded

FRAMES = (67, 83, 101)
SHIFT_PX = 3.0


class NoDetector:
    """Sequences need none."""

    name = "none"

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    people = [made_up_people(1, frames, seed=number)[0]._replace(name=f"clip{number}", identity=f"person{number}")
              for number, frames in enumerate(FRAMES)]
    corpus = write_corpus(tmp_path_factory.mktemp("c") / "corpus", {"val": people})
    (corpus.folder / "audio").mkdir()
    for clip in corpus.clips:
        write_tone(corpus.audio_path(clip), clip.frames, seed=clip.frames)
    return corpus


@pytest.fixture(scope="module")
def methods(corpus, tmp_path_factory):
    """The real motion as it is, and moved to the right by three pixels."""
    folder = tmp_path_factory.mktemp("made")
    for name, shift in (("same", 0.0), ("moved", SHIFT_PX)):
        (folder / name).mkdir()
        for clip in corpus.clips:
            sequence = corpus.landmarks(clip)
            points = sequence.points + np.float32([shift, 0, 0])
            sequence.replace(points=points).save(folder / name / f"{clip.clip}.npz")
    return {name: folder / name for name in ("same", "moved")}


@pytest.fixture(scope="module")
def evaluated(corpus, methods):
    return evaluate_videos(methods, corpus.folder, split="val", detector=NoDetector(), progress=False,
                           pyramid=load_syncers("loss"), settings=EvaluationSettings(worst=2))


def test_planted_differences_come_out(evaluated):
    same, moved = (summaries(evaluated, name) for name in ("same", "moved"))
    assert same["lmd"].mean == pytest.approx(0, abs=1e-5) and same["lmd"].count == len(FRAMES)
    assert moved["lmd"].mean == pytest.approx(SHIFT_PX, abs=1e-4)
    assert moved["lmd_mouth"].mean == pytest.approx(SHIFT_PX, abs=1e-4)
    assert moved["lmd_frontal"].mean == pytest.approx(0, abs=1e-3) and moved["opening_error"].mean == pytest.approx(0, abs=1e-4)
    assert moved["rotation_error_deg"].mean == pytest.approx(0, abs=0.02)
    assert moved["jitter_px"].mean == pytest.approx(summaries(evaluated, REAL)["jitter_px"].mean, abs=1e-3)


def test_anchors_are_what_they_say(evaluated):
    real, still = summaries(evaluated, REAL), summaries(evaluated, STILL)
    assert real["lmd"].mean == 0 and real["lmd"].high == 0
    assert still["turn_deg"].mean == pytest.approx(0, abs=1e-3) and still["jitter_px"].mean == pytest.approx(0, abs=1e-6)
    assert still["lmd_mouth"].mean > 0.1
    assert real["av_conf_200_valid"].count == len(FRAMES) and summaries(evaluated, MISMATCHED)["av_conf_200_valid"].count == 2
    assert SHIFTED in {row.method for row in evaluated.rows} and {shift.window_ms for shift in evaluated.shifts} >= {200, 400}
    found = scores(evaluated, REAL)
    assert all(value == pytest.approx(1) for value in found.values()) and all(v == 0 for v in scores(evaluated, STILL).values())
    assert scores(evaluated, "same") == pytest.approx(found, abs=1e-4)


def test_lips_are_told_of_methods_and_of_the_real_clips(evaluated):
    for name in ("same", "moved", REAL):
        found, sets = summaries(evaluated, name), evaluated.sets.get(name, {})
        assert found["lips_crossed"].mean == 0 and found["opening_r"].mean == pytest.approx(1, abs=1e-3)
        assert found["lips_closed"].mean == pytest.approx(summaries(evaluated, REAL)["lips_closed"].mean)
        assert not sets.keys() & {"lips_first_r", "lips_deviation"}, "three clips are too few to tell"
    assert summaries(evaluated, STILL)["opening_r"].mean == pytest.approx(0, abs=1e-6)


def test_the_table_has_a_line_for_every_figure(evaluated):
    lines = list(csv.DictReader(as_csv(evaluated).splitlines()))
    told = json.loads(as_json(evaluated))
    every = {**told["methods"], **told["anchors"]}
    assert len(lines) == sum(len(one["figures"]) + len(one["sets"]) for one in every.values()) + len(evaluated.sets["floor"])
    for line in lines:
        if line["deviation"]:
            one = every[line["method"]]["figures"][line["figure"]]
            assert [float(line[key]) for key in ("count", "value", "deviation", "low", "high")] == [
                one[key] for key in ("count", "mean", "deviation", "low", "high")]


def synchrony(evaluated, method):
    """The synchrony figures of a method's only clip."""
    (figures,) = [row.figures for row in evaluated.rows if row.method == method]
    return {name: value for name, value in figures.items() if name.startswith("av_")}


def test_known_lateness_is_taken_off_real_clips_and_off_what_follows_them(corpus, methods, tmp_path):
    shutil.copytree(corpus.folder, tmp_path / "late")
    write_table(tmp_path / "late" / "manifest.csv", Clip, [clip._replace(av_offset=3) for clip in corpus.clips])
    (tmp_path / "made").mkdir()
    shutil.copy(methods["same"] / "clip0.npz", tmp_path / "made")
    found = {follows: evaluate_videos({"same": tmp_path / "made"}, tmp_path / "late", detector=NoDetector(), progress=False,
                                      pyramid=load_syncers("loss"), settings=EvaluationSettings(follows=follows, worst=0))
             for follows in ("reference", "sound")}
    assert synchrony(found["reference"], "same") == synchrony(found["reference"], REAL) == synchrony(found["sound"], REAL)
    assert synchrony(found["sound"], "same") != synchrony(found["sound"], REAL)


def test_a_sound_beside_the_generated_clip_comes_before_the_references(corpus, methods, tmp_path):
    for name in ("without", "with"):
        (tmp_path / name).mkdir()
        shutil.copy(methods["same"] / "clip0.npz", tmp_path / name)
    write_tone(tmp_path / "with" / "clip0.flac", FRAMES[0], seed=99)
    found = evaluate_videos({name: tmp_path / name for name in ("without", "with")}, corpus.folder, detector=NoDetector(),
                            progress=False, pyramid=load_syncers("loss"), settings=EvaluationSettings(worst=0))
    assert synchrony(found, "without") == synchrony(found, REAL) != synchrony(found, "with")


def test_calibration_counts_shifts_that_are_found_within_a_step(evaluated):
    shifts = [Shift(200, 5.0, 1), Shift(200, 6.0, 1), Shift(200, 9.0, 1), Shift(800, 8.0, 4), Shift(800, -4.0, 4)]
    told = calibration(evaluated._replace(shifts=shifts))["shift_found"]
    assert told["200"] == {"clips": 3, "median_frames": 6.0, "within_a_step": pytest.approx(2 / 3)}
    assert told["800"] == {"clips": 2, "median_frames": 2.0, "within_a_step": 0.5}


def test_the_json_is_whole_and_says_how_it_was_made(evaluated, methods):
    told = json.loads(as_json(evaluated))
    assert told["schema"] == "headsync-evaluation/1" and told["settings"]["split"] == "val"
    assert told["settings"]["methods"] == {name: str(place) for name, place in methods.items()}
    assert told["methods"]["moved"]["figures"]["lmd"]["mean"] == pytest.approx(SHIFT_PX, abs=1e-4)
    assert len(told["clips"]) == len(FRAMES) * 2 + len(FRAMES) * 3 + 2 and not told["problems"]
    assert set(told["methods"]["same"]["figures"]) <= set(told["figures"]) and told["environment"]["headsync"]
    assert told["cost"]["peak_mb"] > 50 and 0 < told["cost"]["processor_s"] and 0 < told["cost"]["wall_s"]


class Links(HTMLParser):
    """Collects what a page would fetch, and whether its tags close."""

    def __init__(self):
        super().__init__()
        self.fetched, self.open, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.fetched += [value for name, value in attributes if name in ("src", "href", "xlink:href") and value]
        if tag not in ("meta", "img", "br", "link", "path", "use", "rect", "circle"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_stands_alone_and_shows_everything(evaluated, tmp_path):
    files = write_report(tmp_path / "new" / "report", evaluated)
    page = files.page.read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert all(link.startswith(("data:", "#")) for link in links.fetched) and not re.search(r"@import|url\((?!#)", page)
    assert not links.open
    text = " ".join(links.texts)
    for wanted in ("LMD frontalised", "moved", "still face", "clip2", "Distance over lag", "No problems", "FID", "seed"):
        assert wanted in text, wanted
    assert page.count("<svg") == 3 and page.count("data:image/jpeg") == 4


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_a_browser_shows_the_page(evaluated, tmp_path):
    page = write_report(tmp_path, evaluated).page
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1200,7000",
               f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    picture = cv2.imread(str(tmp_path / "page.png"))
    assert picture.shape == (7000, 1200, 3) and picture[0, 0].min() == 255
    inked = (picture.min(2) < 128).any(1)
    assert inked[:6000].reshape(12, -1).any(1).all()        # something to read from top to bottom
    assert (np.ptp(picture.reshape(-1, 3).astype(int), axis=1) > 90).sum() > 50     # the plots' colours are there


def test_the_worst_come_first(evaluated):
    worst = evaluated.worst.of("moved")
    assert len(worst) == 2 and worst[0].value >= worst[1].value and worst[0].figure == "lmd_mouth_frontal"
    sheet = cv2.imdecode(np.frombuffer(worst[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape[:2] == (320, 800) and sheet.std() > 5


def test_the_command_writes_logs_and_names_what_failed(corpus, tmp_path):
    broken, report = tmp_path / "broken", tmp_path / "r"
    broken.mkdir()
    for clip in corpus.clips[:2]:
        corpus.landmarks(clip).slice(0, 47).save(broken / f"{clip.clip}.npz")
    (broken / "clip2.npz").write_text("nothing")
    wandb = ["--wandb", "offline"] if importlib.util.find_spec("wandb") else []     # which starts a process of its own
    done = subprocess.run([sys.executable, "-m", "headsync", "evaluate", "--generated", str(broken),
                           "--reference", str(corpus.folder),
                           "--report", str(report), "--identity", "none", "--split", "val", "--syncers", "loss", *wandb],
                          capture_output=True, text=True, timeout=500)
    assert done.returncode == 1 and "clip2" in done.stderr and done.stderr.count("47 frames, its reference") == 2
    told = json.loads((report / "metrics.json").read_text())
    assert [problem["clip"] for problem in told["problems"]] == ["clip0", "clip1", "clip2"]
    assert told["methods"]["generated"]["clips"] == 2 and str(report / "report.html") in done.stdout
    if wandb:
        (logged,), mean = read_log(report), told["methods"]["generated"]["figures"]["lmd"]["mean"]
        assert logged["kind"] == "generated" and logged["lmd"] == pytest.approx(mean)
        found = recorded(report)
        assert found.lines == [{f"generated/{name}": value for name, value in logged.items()
                                if name not in ("step", "kind", "time_s")} | {"step": 0}]
        assert found.config["split"] == "val" and found.config["methods"] == {"generated": str(broken)}


@pytest.mark.parametrize(("arguments", "told"), [
    (["--reference", "R"], "give --generated"), (["--method", "bad", "--reference", "R"], "--method NAME=G"),
    (["--generated", "nowhere", "--reference", "R"], "nowhere is not there"),
    (["--generated", "G"], "give --reference"), (["--generated", "G", "--reference", "R", "--every", "0"], "every must be 1"),
    (["--generated", "G", "--reference", "R", "--rank-by", "beauty"], "no figure 'beauty'"),
    (["--generated", "G", "--reference", "R", "--split", "some"], "no split 'some'"),
])
def test_bad_input_is_one_line(corpus, methods, tmp_path, capsys, arguments, told):
    places = {"R": str(corpus.folder), "G": str(methods["same"])}
    given = [places.get(argument, argument) for argument in arguments]
    assert main(["evaluate", *given, "--report", str(tmp_path / "r"), "--identity", "none"]) == 2
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1 and not (tmp_path / "r").exists()


def test_every_kind_of_bad_input_is_in_the_report_and_the_exit_code_tells(corpus, tmp_path, capsys):
    real, made, weights = (tmp_path / name for name in ("real", "made", "weights"))
    for folder in (real, made, weights):
        folder.mkdir()
    sequence = corpus.landmarks(corpus.clips[0])
    for clip in ("good", "short", "faceless", "mute"):
        sequence.save(real / f"{clip}.npz")
        (sequence.slice(0, 31) if clip == "short" else sequence).save(made / f"{clip}.npz")
        if clip != "mute":
            write_tone(real / f"{clip}.flac", len(sequence))
    sequence.replace(visible=np.zeros(len(sequence), bool)).save(made / "faceless.npz")
    sequence.save(made / "lonely.npz")
    (weights / "syncnet_v2.model").write_text("somebody else's")
    given = ["--generated", str(made), "--reference", str(real), "--report", str(tmp_path / "report"), "--identity", "none",
             "--published", str(weights), "--syncers", "loss"]
    assert main(["evaluate", *given]) == 1
    said, page = capsys.readouterr().err, (tmp_path / "report" / "report.html").read_text()
    told = json.loads((tmp_path / "report" / "metrics.json").read_text())
    reasons = {problem["clip"]: problem["reason"] for problem in told["problems"]}
    expected = {"lonely": "no reference clip", "short": "31 frames, its reference 67", "faceless": "no frame shows a face",
                "mute": "no sound", "": "syncnet_v2.model holds no weights"}
    assert reasons.keys() == expected.keys() and all(words in reasons[clip] for clip, words in expected.items())
    assert all(words in page and words in said for words in expected.values())
    evaluated = {row["clip"]: row["figures"] for row in told["clips"] if row["method"] == "generated"}
    assert evaluated.keys() == {"good", "short", "mute"} and "av_conf_200_valid" not in evaluated["mute"]
    assert all(figures["lmd"] < 1e-4 for figures in evaluated.values())


def test_foreign_rates_and_canvases_are_problems(corpus, tmp_path):
    sequence = corpus.landmarks(corpus.clips[0])
    wide = LandmarkSequence(points=sequence.points, visible=sequence.visible, fps=25.0, size=(256, 512), crop=(0, 0, 512, 256))
    wide.save(tmp_path / "clip0.npz")
    found = evaluate_videos({"wide": tmp_path}, corpus.folder, detector=NoDetector(), progress=False,
                            pyramid=load_syncers("loss"))
    assert len(found.problems) == 1 and "square" in found.problems[0].reason
