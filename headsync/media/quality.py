"""How good an encoded video is to be: one list of names for all that write videos, and what it means to an encoder."""

QUALITIES = {"small": 23, "good": 18, "visually-lossless": 8, "lossless": 0}       # constant rate factors of x264
FAITHFUL = {"tune": "psnr", "x264-params": "mbtree=0"}      # keeps grain: 45 dB and more away from what is changed
X265_MORE = 2               # x265 reaches the same error at a factor so much higher


def encoder_options(codec: str, quality: str, preset: str) -> dict[str, str]:
    """Returns the options of libx264 or libx265 for a name of `QUALITIES`; ValueError, one line, for another name."""
    if quality not in QUALITIES:
        raise ValueError(f"there is no quality {quality!r}; choose one of {', '.join(QUALITIES)}")
    factor = QUALITIES[quality]
    if codec == "libx264":
        faithful = FAITHFUL if quality == "visually-lossless" else {}
        return {"preset": preset, **({"qp": "0"} if quality == "lossless" else {"crf": str(factor)}), **faithful}
    lossless = "lossless=1:" if quality == "lossless" else ""
    return {"preset": preset, "crf": str(factor + X265_MORE), "x265-params": f"{lossless}log-level=error"}
