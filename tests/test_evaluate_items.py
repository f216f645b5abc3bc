"""What is evaluated is found by name in files, folders, manifests and corpora, and what is missing is named."""

import pytest

from headsync.corpus import Clip
from headsync.corpus.corpus import write_table
from headsync.evaluation.items import find_items, named_methods


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_folders_are_paired_by_name_and_kinds_are_distinguished(tmp_path):
    made = touch(tmp_path / "made", "a.mp4", "a.npz", "sub/b.npz", "notes.txt")
    real = touch(tmp_path / "real", "a.mkv", "a.wav", "sub/b.mp4", "c.mp4")
    found = find_items({"one": made}, real)
    assert [item.clip for item in found.items] == ["a", "sub/b"] and not found.problems
    first, second = found.items
    assert (first.generated.video, first.generated.sequence) == (made / "a.mp4", made / "a.npz")
    assert (first.reference.video, first.reference.audio) == (real / "a.mkv", real / "a.wav")
    assert second.generated.video is None and first.identity == "a"


def test_a_clip_without_a_partner_is_named(tmp_path):
    found = find_items({"one": touch(tmp_path / "made", "a.npz", "x.npz")}, touch(tmp_path / "real", "a.npz"))
    assert [item.clip for item in found.items] == ["a"]
    assert [(problem.clip, "reference" in problem.reason) for problem in found.problems] == [("x", True)]


def test_single_files_need_not_share_a_name(tmp_path):
    touch(tmp_path, "made.npz", "real.mp4", "sound.wav")
    found = find_items({"one": tmp_path / "made.npz"}, tmp_path / "real.mp4", audio=tmp_path / "sound.wav")
    assert len(found.items) == 1 and found.items[0].reference.video == tmp_path / "real.mp4"
    assert found.items[0].generated.audio == tmp_path / "sound.wav"


def test_methods_come_clip_by_clip(tmp_path):
    methods = {name: touch(tmp_path / name, "a.npz", "b.npz") for name in ("x", "y")}
    found = find_items(methods, touch(tmp_path / "real", "b.npz", "a.npz"), audio=touch(tmp_path / "sounds", "b.flac"))
    assert [(item.clip, item.method) for item in found.items] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert [item.generated.audio is None for item in found.items] == [True, True, False, False]


def test_a_manifest_names_both_sides(tmp_path):
    touch(tmp_path / "m", "made/1.npz", "real/one.mp4", "one.wav")
    lines = ("clip,generated,reference,audio,identity", "uno,made/1.npz,real/one.mp4,one.wav,ann",
             "due,made/1.npz,real/two.mp4,,")
    (tmp_path / "m" / "pairs.csv").write_text("\n".join(lines))
    found = find_items({"one": tmp_path / "m" / "pairs.csv"}, None)
    item = found.items[0]
    assert (item.clip, item.identity, item.generated.audio) == ("uno", "ann", tmp_path / "m" / "one.wav")
    assert [problem.clip for problem in found.problems] == ["due"]


@pytest.fixture
def corpus(tmp_path):
    folder = touch(tmp_path / "corpus", "clips/a.mp4", "clips/b.mp4", "landmarks/a.npz")
    common = dict(frames=7, source="s", start_s=0.0, face_rate=1.0, face_height_px=99.0, rival=0.0, lip_audio_corr=0.0,
                  lip_audio_lag=0, audio_dbfs=-20.0, lip_range=0.1)
    write_table(folder / "manifest.csv", Clip, [
        Clip(clip="a", identity="ann", split="val", has_audio=True, av_offset=2, **common),
        Clip(clip="b", identity="bob", split="val", has_audio=False, av_offset=0, **common),
        Clip(clip="c", identity="cem", split="train", has_audio=True, av_offset=0, **common),
        Clip(clip="d", identity="dan", split="val", has_audio=True, av_offset=0, **common)])
    return folder


def test_a_corpus_tells_people_offsets_and_silence(tmp_path, corpus):
    made = touch(tmp_path / "made", "a.npz", "b.npz", "c.npz")
    first, second, third = find_items({"one": made}, corpus).items
    assert (first.identity, first.reference.late_frames, first.reference.silent) == ("ann", 2, False)
    assert second.reference.silent and second.reference.audio is None and third.reference.video is None


def test_a_split_asks_for_all_of_its_clips_and_knows_no_others(tmp_path, corpus):
    found = find_items({"one": touch(tmp_path / "made", "a.npz", "c.npz")}, corpus, split="val")
    assert [item.clip for item in found.items] == ["a"]
    assert {(problem.clip, problem.reason.split()[1]) for problem in found.problems} == {("d", "generated"), ("c", "reference")}
    assert len(found.notes) == 1 and found.notes[0].startswith("one: nothing made for 1 clips known to be silent (b)")


@pytest.mark.parametrize(("place", "reference", "told"), [
    ("gone", "real", "not there"), ("empty", "real", "holds no video"), ("real", None, "give --reference"),
    ("made", "real", "nothing to evaluate"), ("bad.csv", None, "has no reference column"), ("text.txt", "real", "is no video"),
])
def test_nothing_to_do_is_one_line(tmp_path, place, reference, told):
    (tmp_path / "empty").mkdir()
    touch(tmp_path, "real/a.mp4", "made/z.npz", "text.txt")
    (tmp_path / "bad.csv").write_text("generated\nx.npz\n")
    with pytest.raises(ValueError, match=told) as error:
        find_items({"one": tmp_path / place}, tmp_path / reference if reference else None)
    assert len(str(error.value).splitlines()) == 1


def test_methods_have_names_of_their_own(tmp_path):
    assert list(named_methods(["x=a", "y=b=c"], tmp_path)) == ["generated", "x", "y"]
    assert named_methods(["y=b=c"])["y"].name == "b=c"
    for bad in (["x"], ["=a"], ["x="], [], ["x=a", "x=b"]):
        with pytest.raises(ValueError, match="method"):
            named_methods(bad)


def test_an_unknown_split_is_refused(corpus, tmp_path):
    with pytest.raises(ValueError, match="no split 'odd'"):
        find_items({"one": touch(tmp_path / "made", "a.npz")}, corpus, split="odd")
