"""Videos are found by folder, named uniquely, and split so that no person is in two splits."""

import pytest

from headsync.corpus.corpus import split_of
from headsync.corpus.sources import find_sources

# a changed hash would move people between splits
PEOPLE = {"person 3": "test", "person 0": "train", "person 9": "val"}


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def test_people_are_folders_or_single_videos(tmp_path):
    touch(tmp_path, "id1/a.mp4", "id1/b.MOV", "alone.webm", "notes.txt")
    found = {source.stem: source.identity for source in find_sources([tmp_path])}
    assert found == {"alone": "alone", "id1__a": "id1", "id1__b": "id1"}


def test_names_never_collide(tmp_path):
    one, other = touch(tmp_path / "x", "a.mp4", "a.mov", "b.mp4"), touch(tmp_path / "y", "a.mp4", "b.mp4")
    stems = [source.stem for source in find_sources([one, other])]
    assert len(set(stems)) == 5


def test_a_manifest_decides_identity_and_split(tmp_path):
    touch(tmp_path / "v", "c1.mp4", "c2.mp4")
    manifest = tmp_path / "m.csv"
    manifest.write_text("clip_id,split,identity,more\nc1,val,anna,x\n")
    c1, c2 = find_sources([tmp_path / "v"], manifests=[manifest])
    assert (c1.identity, c1.split) == ("anna", "val") and (c2.identity, c2.split) == ("c2", split_of("c2"))


@pytest.mark.parametrize("text, message", [
    ("clip,identity\nc1,anna\n", "needs 'clip'"),
    ("clip,identity,split\nc1,anna,dev\n", "'dev'"),
    ("clip,identity,split\nc1,anna,val\nc2,anna,train\n", "must not share people"),
])
def test_bad_manifests_are_refused(tmp_path, text, message):
    touch(tmp_path / "v", "c1.mp4")
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        find_sources([tmp_path / "v"], manifests=[tmp_path / "m.csv"])


def test_a_folder_without_videos_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no video"):
        find_sources([touch(tmp_path, "a.txt")])
    with pytest.raises(ValueError, match="not a folder"):
        find_sources([tmp_path / "absent"])


def test_the_hash_splits_people_80_10_10_and_never_changes_its_mind():
    splits = [split_of(f"person {number}") for number in range(3001)]
    assert abs(splits.count("train") / 3001 - 0.8) < 0.03 and abs(splits.count("val") / 3001 - 0.1) < 0.02
    assert [split_of(name) for name in PEOPLE] == list(PEOPLE.values())
