"""Pictures come back from a JPEG as they were, nearly, and in their own colours."""

import numpy as np
import pytest

from headsync import media


def test_a_picture_comes_back_in_its_colours():
    picture = np.zeros((53, 71, 3), np.uint8)
    picture[:, :31] = (200, 40, 10)
    coded = media.encode_jpeg(picture, 97)
    for again in (media.decode_jpeg(coded), media.decode_jpeg(np.frombuffer(coded, np.uint8))):
        assert again.shape == picture.shape and np.abs(again.astype(int) - picture).mean() < 2
        assert again[20, 10, 0] > 190 and again[20, 10, 2] < 20


def test_a_side_too_long_for_the_format_is_refused():
    with pytest.raises(ValueError, match="70000x1 cannot be made a JPEG"):
        media.encode_jpeg(np.zeros((1, 70000, 3), np.uint8), 90)
