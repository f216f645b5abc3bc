"""Where a corpus is made: in processes of this machine, or on a Dask or Ray cluster, by joblib's own backends."""

import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType

import joblib

SCHEMES = ("dask://", "ray://")
PATIENCE_S = 30         # for a cluster that does not answer


@contextlib.contextmanager
def cluster_workers(address: str | None) -> Iterator[None]:
    """Around joblib's work: `dask://HOST:PORT` of a scheduler or `ray://HOST:PORT` of a head; None: this machine.

    Workers must have headsync installed and see videos and corpus under the same paths. ValueError, one line, for another
    address or where the cluster's package is missing; OSError where nobody answers.
    """
    if address is None:
        yield
    elif address.startswith("dask://") and len(address) > len("dask://"):
        client = cluster_package("dask.distributed", address).Client(
            address.replace("dask://", "tcp://", 1), timeout=PATIENCE_S, set_as_default=False)
        with client, joblib.parallel_config(backend="dask", client=client, wait_for_workers_timeout=PATIENCE_S):
            yield
    elif address.startswith("ray://") and len(address) > len("ray://"):
        ray = cluster_package("ray", address)
        cluster_package("ray.util.joblib", address).register_ray()
        ray.init(address, log_to_driver=False)
        try:
            with joblib.parallel_config(backend="ray"):
                yield
        finally:
            ray.shutdown()
    else:
        raise ValueError(f"a cluster is {' or '.join(f'{scheme}HOST:PORT' for scheme in SCHEMES)}, not {address!r}")


def cluster_package(name: str, address: str) -> ModuleType:
    """A module of the cluster's package. ValueError when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ValueError(f"{address} needs {name.split('.')[0]}, which is not installed; "
                         "pip install 'headsync[cluster]'") from None
