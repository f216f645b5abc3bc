"""What every test shares: the longest files come first, and tests marked `gpu` are skipped where there is no CUDA device."""

import pytest

# Processes share out whole files (see Makefile); a long one that came last would keep one of them busy alone.
LONG = ("test_fuzz", "test_notebooks", "test_landmark_train", "test_distributed", "test_kill", "test_syncers_train",
        "test_evaluate", "test_render_train", "test_packaging", "test_render_network", "test_evaluate_scale")


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
