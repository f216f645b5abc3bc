"""Filters over time for landmarks and poses: centred, with reflected ends, so that nothing is delayed or cut.

Shapes: T frames.
"""

import numpy as np


def smooth(signal: np.ndarray, taps: int, *, window: str = "box") -> np.ndarray:
    """The signal (T, ...) after a centred filter of odd length along time, same shape and type.

    `window` is `box` or `hanning` (the paper smooths head poses with 11 of the latter). Ends are reflected; a signal
    shorter than the reach of the filter is reflected again and again. ValueError for an even length.
    """
    if taps < 1 or taps % 2 == 0:
        raise ValueError(f"a centred filter has an odd number of taps, got {taps}")
    if window not in ("box", "hanning"):
        raise ValueError(f"window must be 'box' or 'hanning', got {window!r}")
    weights = np.ones(taps) if window == "box" else np.hanning(taps + 2)[1:-1]
    reach = taps // 2
    padded = np.pad(np.asarray(signal, np.float64), [(reach, reach)] + [(0, 0)] * (signal.ndim - 1),
                    mode="reflect" if len(signal) > 1 else "edge")
    total = sum(weight * padded[shift : shift + len(signal)] for shift, weight in enumerate(weights / weights.sum()))
    return total.astype(signal.dtype)  # (T, ...)
