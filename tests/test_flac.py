"""FLAC files hold exactly what `quantised` says."""

import numpy as np
import pytest

from headsync import media


@pytest.mark.parametrize("samples", [1, 639, 4096, 10007])
def test_what_is_written_is_read_back_exactly(tmp_path, samples):
    waveform = np.random.default_rng(3).uniform(-1.2, 1.2, samples).astype(np.float32)
    media.write_flac(tmp_path / "a b'#ü.flac", waveform)
    back = media.read_audio(tmp_path / "a b'#ü.flac")
    np.testing.assert_array_equal(back, media.quantised(waveform))
    assert np.abs(back - np.clip(waveform, -1, 1)).max() <= 1 / 32768


def test_nothing_to_write_is_refused(tmp_path):
    with pytest.raises(ValueError, match="needs samples"):
        media.write_flac(tmp_path / "a.flac", np.zeros(0, np.float32))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"a\.flac: cannot be written"):
        media.write_flac(tmp_path / "absent" / "a.flac", np.zeros(7, np.float32))
