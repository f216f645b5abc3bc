"""What every test shares: the precision, the order of files (the longest first), no `gpu` tests without a CUDA device."""

import os

import pytest

# Tests compute in float32 on every machine, in their own processes too, unless they name another precision: bits differ
# between processors with and without bf16 units.
os.environ["HEADSYNC_PRECISION"] = "fp32"

# Processes share out whole files (see Makefile); a long one that came last would keep one of them busy alone.
LONG = ("test_fuzz", "test_notebooks", "test_landmark_train", "test_distributed", "test_kill", "test_syncers_train",
        "test_evaluate", "test_render_train", "test_packaging", "test_render_network", "test_evaluate_scale")


@pytest.fixture(params=["fp32", "bf16"])
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """For tests that must hold in both: the name of the precision that networks now compute in."""
    monkeypatch.setenv("HEADSYNC_PRECISION", request.param)
    return request.param


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands leave no lines about progress, however slow the machine."""
    from headsync.media import progress  # here, since some runs need no package

    monkeypatch.setattr(progress, "FIRST_S", 3600.0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONG)))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch  # here, since most runs hold no gpu test and need not wait for it

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
