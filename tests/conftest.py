"""What every test shares: the precision, the order of files (the longest first), no `gpu` tests without a CUDA device."""

import os
from collections.abc import Callable

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=1, help="tests that learn something run with so many seeds, and how far each "
                     "came is listed; for thresholds with a margin (in one process: without -n)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "training_seed" in metafunc.fixturenames:
        metafunc.parametrize("training_seed", range(metafunc.config.getoption("--seeds")), scope="session")


LEARNED = pytest.StashKey[dict[str, list[float]]]()


@pytest.fixture
def learned(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`learned(name, value, above=...)` or `below=...`: fails unless the value is; with --seeds all values are listed."""
    def told(name: str, value: float, *, above: float = float("-inf"), below: float = float("inf")) -> None:
        limit = f"above {above:g}" if below == float("inf") else f"below {below:g}"
        precision = request.node.callspec.params.get("precision", "fp32")
        row = f"{request.node.originalname} {precision}: {name}, {limit}"
        request.config.stash.setdefault(LEARNED, {}).setdefault(row, []).append(float(value))
        assert above < value < below, f"{name} is {value:.4g}, not {limit}"
    return told


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--seeds") > 1:
        terminalreporter.section("what was learned, seed by seed")
        for row, values in config.stash.get(LEARNED, {}).items():
            terminalreporter.write_line(f"{row}: {' '.join(f'{value:.3g}' for value in values)}")


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
