"""The audio pyramid as a stream: equal to the whole however sound is cut, every step computed once, 30 frames behind."""

import pytest
import torch

from headsync.media import FEATURES
from landmark_stage.ms_sync.audio_pyramid import LOOK_AHEAD_FRAMES, AudioPyramid, AudioPyramidSettings, with_margins
from landmark_stage.ms_sync.pyramid_stream import PyramidStream
from syncers import ConvNextBlock, ConvNextStream

FRAMES = 83


def pyramid(levels=4):
    torch.manual_seed(1)
    made = AudioPyramid(AudioPyramidSettings((5, 7, 11), 13), levels=levels).eval().double()
    made.standardise_by(-8 + 3 * torch.randn(97, FEATURES).double())
    return made.requires_grad_(False)


def sound(frames=FRAMES):
    return -8 + 3 * torch.randn(4 * frames, FEATURES, generator=torch.Generator().manual_seed(2)).double()


def pushed(stream, rows, size):
    pieces = [stream.push(rows[4 * begin : 4 * (begin + size)]) for begin in range(0, len(rows) // 4, size)]
    return torch.cat([*pieces, stream.finish()], 1)


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("size", [1, 3, 29, FRAMES])
def test_streamed_equals_whole(size, levels):
    module = pyramid(levels)
    whole = module(with_margins(sound()[None]))[0]                      # (K, T, C)
    made = pushed(PyramidStream(module), sound(), size)
    assert made.shape == (levels, FRAMES, 13)
    torch.testing.assert_close(made, whole)


@pytest.mark.parametrize("frames", [1, 7, 8, 31])
def test_short_sounds_are_whole_too(frames):
    module = pyramid()
    torch.testing.assert_close(pushed(PyramidStream(module), sound(frames), 5), module(with_margins(sound(frames)[None]))[0])


def test_a_frame_comes_once_its_look_ahead_has_arrived():
    stream = PyramidStream(pyramid())
    counts = [stream.push(sound()[4 * t : 4 * t + 4]).shape[1] for t in range(FRAMES)]
    assert counts == [0] * (LOOK_AHEAD_FRAMES - 1) + [1] * (FRAMES - LOOK_AHEAD_FRAMES + 1)
    assert stream.finish().shape[1] == LOOK_AHEAD_FRAMES - 1


def test_small_pieces_cost_no_step_twice(monkeypatch):
    steps, answer = [], ConvNextStream._answer

    def counted(self, window, count):
        steps.append(count)
        return answer(self, window, count)

    monkeypatch.setattr(ConvNextStream, "_answer", counted)
    cost = {}
    for size in (1, FRAMES):
        steps.clear()
        pushed(PyramidStream(pyramid()), sound(), size)
        cost[size] = sum(steps)
    assert cost[1] == cost[FRAMES] > 10 * FRAMES


def test_rows_of_another_shape_are_refused():
    for wrong in (torch.zeros(4, 25), torch.zeros(6, FEATURES), torch.zeros(1, 4, FEATURES)):
        with pytest.raises(ValueError, match=r"rows \(4n, 26\), got"):
            PyramidStream(pyramid()).push(wrong)


@pytest.mark.parametrize("size", [1, 5, 41])
@pytest.mark.parametrize("out, kernel, stride", [(7, 3, 1), (11, 3, 2), (7, 7, 2), (13, 5, 3)])
def test_a_streamed_block_equals_the_block(out, kernel, stride, size):
    torch.manual_seed(3)
    block = ConvNextBlock(7, out, kernel=kernel, stride=stride, per_step=True).eval().double().requires_grad_(False)
    x = torch.randn(41, 7).double()
    whole = block(x.T[None])[0].T                                       # (n', C')
    stream = ConvNextStream(block)
    made = torch.cat([stream.push(x[begin : begin + size]) for begin in range(0, 41, size)])
    assert len(made) == (41 - kernel // 2 - 1) // stride + 1            # the last ones wait for what the kernel sees next
    torch.testing.assert_close(made, whole[: len(made)])


@pytest.mark.parametrize("how", [dict(), dict(per_step=True, groups=7)])
def test_a_block_that_cannot_be_streamed_is_refused(how):
    with pytest.raises(ValueError, match="per_step=True"):
        ConvNextStream(ConvNextBlock(7, **how))
