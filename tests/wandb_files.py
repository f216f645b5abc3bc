"""What an offline wandb run has recorded, read back from its file as `wandb sync` would read it."""

import json
from pathlib import Path
from typing import NamedTuple


class Recorded(NamedTuple):
    """One run."""

    project: str
    config: dict
    lines: list[dict[str, float]]       # one per `log`, without wandb's own entries


def recorded(folder: Path) -> Recorded:
    """The only offline run in a run's folder."""
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    store, lines, project, config = DataStore(), [], "", {}
    store.open_for_scan(str(path))
    try:
        while (data := store.scan_data()) is not None:
            record = Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "run":
                project, config = record.run.project, _values(record.run.config.update)
            elif record.WhichOneof("record_type") == "history":
                lines.append(_values(record.history.item))
    finally:
        store._fp.close()       # scanning leaves it open
    return Recorded(project, config, lines)


def _values(items) -> dict:
    named = {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
    return {name: value for name, value in named.items() if not name.startswith("_")}
