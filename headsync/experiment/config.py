"""What a run is told to do: YAML presets and overrides become one frozen dataclass, or one line says why not.

OmegaConf merges, checks and converts. It does not look into tuples of tuples or of dataclasses, so no schema has one.
"""

import dataclasses
import enum
import io
import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from headsync.experiment.renamed import new_name
from headsync.media import write_whole

Config = TypeVar("Config")
NESTING = 20  # levels of a configuration; the YAML library overflows the stack at some ten thousand
LARGEST_NUMBER = 2**31 - 1
OVERRIDE = re.compile(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*=")
BAD_YAML = (yaml.YAMLError, OmegaConfBaseException, UnicodeDecodeError, OSError)
BAD_MERGE = (OmegaConfBaseException, TypeError, ValueError, AttributeError)


def load_config(schema: type[Config], *, stage: str, preset: str | Path = "base", overrides: Sequence[str] = (),
                root: str | Path | None = None) -> Config:
    """The schema's dataclass: its defaults, then base.yaml, the preset, `key=value` overrides; the later wins.

    A preset is a name in the stage's folder or the path of a .yaml file. `root` holds a folder per stage (default: the
    presets that come with headsync). Raises ValueError naming the source, the key and what is allowed.
    """
    root = Path(str(files("headsync.configs"))) if root is None else Path(root)
    config = schema_config(schema)
    for source, tree in preset_trees(root, stage, preset):
        config = merged(config, tree, source)
    for override in overrides:
        config = merged(config, override_tree(override), f"override {override[:80]!r}")
    return finished(schema, config, f"config {stage}/{preset}")


def build_config(schema: type[Config], values: Mapping) -> Config:
    """The schema's dataclass from plain values, as `config_dict` gave them; ValueError as for `load_config`."""
    tree = OmegaConf.create(dict(values))
    return finished(schema, merged(schema_config(schema), tree, schema.__name__), schema.__name__)


def config_dict(config: Any) -> dict:
    """A dataclass as plain dicts, lists, numbers and strings, ready for JSON or YAML."""
    return {field.name: plain(getattr(config, field.name)) for field in dataclasses.fields(config) if field.init}


def save_config(config: Any, path: str | Path) -> Path:
    """The path, now holding the dataclass as YAML that `load_config` reads back as a preset."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return write_whole(path, yaml.safe_dump(config_dict(config), sort_keys=False, allow_unicode=True).encode())


def plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return config_dict(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.name if isinstance(value, enum.Enum) else str(value) if isinstance(value, os.PathLike) else value


def preset_trees(root: Path, stage: str, preset: str | Path) -> list[tuple[str, DictConfig]]:
    """(source, content) of base.yaml and, unless it is the base itself, of the preset."""
    stages = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("_"))
    if stage not in stages:
        raise ValueError(f"no presets for stage {stage!r}; there are some for: {', '.join(stages) or 'none'}")
    folder = root / stage
    names = sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    chosen = [folder / "base.yaml"]
    if isinstance(preset, Path) or str(preset).endswith((".yaml", ".yml")):
        chosen.append(Path(preset))
    elif preset not in names:
        raise ValueError(f"{stage} has no preset {preset!r}; choose one of {', '.join(names)}, or give a .yaml file")
    elif preset != "base":
        chosen.append(folder / f"{preset}.yaml")
    return [(str(path), yaml_tree(path)) for path in chosen]


def yaml_tree(path: Path) -> DictConfig:
    try:
        text = path.read_text(encoding="utf-8")
        refuse_explosive(text)
        tree = OmegaConf.load(io.StringIO(text))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; give the name of a preset or the path of a .yaml file") from None
    except BAD_YAML as error:
        raise ValueError(f"{path} is not readable YAML: {one_line(error)}") from None
    if not isinstance(tree, DictConfig):
        raise ValueError(f"{path} holds a list; a preset is lines of `key: value`")
    return tree


def refuse_explosive(text: str) -> None:
    """Raises YAMLError for what a small text can blow up with: deep nesting, and aliases of aliases."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):  # event by event, without recursion
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > NESTING:
            raise yaml.YAMLError(f"nested more than {NESTING} levels deep")
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"alias *{event.anchor}; write the values out")


def override_tree(override: str) -> DictConfig:
    if not OVERRIDE.match(override):
        raise ValueError(f"override {override[:80]!r} is malformed; write key=value, for example model.width=8")
    try:
        refuse_explosive(override.split("=", 1)[1])
        return OmegaConf.from_dotlist([override])
    except BAD_YAML as error:
        raise ValueError(f"override {override[:80]!r} is not readable YAML: {one_line(error)}") from None


def schema_config(schema: type) -> DictConfig:
    try:
        return OmegaConf.structured(schema)
    except OmegaConfBaseException as error:
        raise ValueError(f"{schema.__name__} cannot be a configuration: {one_line(error)}") from None


def merged(config: DictConfig, tree: DictConfig, source: str) -> DictConfig:
    """The configuration after one source; key by key, so that every error can name its key."""
    for key in list(tree.keys()):
        try:
            config = OmegaConf.merge(config, OmegaConf.masked_copy(tree, [key]))
        except BAD_MERGE as error:
            value = tree._get_node(key)
            raise ValueError(f"{source}: {merge_error(error, key, value, config)}") from None
    return config


def merge_error(error: Exception, key: Any, value: Any, config: DictConfig) -> str:
    where = getattr(error, "full_key", None) or str(key)
    if isinstance(error, KeyError):
        owner = getattr(error, "object_type", None)
        if (new := new_name(where, dotted_keys(value, str(key)))) is not None:
            return "{!r} is {!r} since version 0.2".format(*new)
        allowed = (field.name for field in dataclasses.fields(owner)) if dataclasses.is_dataclass(owner) else config
        return f"unknown key {where!r}; allowed there: {', '.join(map(str, allowed))}"
    reason = one_line(error).replace(" of type '$VALUE_TYPE'", "").replace("'$VALUE'", repr(str(value)))
    return f"{where}: {reason}"


def dotted_keys(node: Any, key: str) -> list[str]:
    """The full keys of a value's leaves; its own where it has none."""
    if not isinstance(node, DictConfig) or not node:
        return [key]
    return [leaf for name in node for leaf in dotted_keys(node._get_node(name), dotted(key, str(name)))]


def finished(schema: type[Config], config: DictConfig, source: str) -> Config:
    """The dataclass of a merged configuration: nothing missing, references resolved, its own rules kept."""
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        made = None if missing else OmegaConf.to_object(config)
        check_numbers(made, "")
    except BAD_MERGE as error:
        key = getattr(error, "full_key", None) or broken_part(config)
        raise ValueError(f"{source}: {key and f'{key}: '}{one_line(error)}") from None
    if missing:
        raise ValueError(f"{source}: no value for {', '.join(missing)}; set it in the preset or as key=value")
    return made


def broken_part(config: DictConfig) -> str:
    """The key of the innermost dataclass whose own rules do not hold; "" for the whole, and where all hold."""
    for name in config:
        part = config._get_node(name)
        if isinstance(part, DictConfig) and not part._is_none():
            try:
                OmegaConf.to_object(part)
            except BAD_MERGE:
                return dotted(str(name), broken_part(part))
    return ""


def check_numbers(value: Any, key: str) -> None:
    """ValueError naming the first number in a configuration that none of ours can be: negative (but for seeds) or endless."""
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            check_numbers(getattr(value, field.name), dotted(key, field.name))
    elif isinstance(value, Mapping | list | tuple):
        for name, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            check_numbers(item, f"{key}[{name}]")
    elif isinstance(value, int | float):
        least = -LARGEST_NUMBER if key.endswith("seed") else 0
        if not least <= value <= LARGEST_NUMBER:
            raise ValueError(f"{key} is {str(value)[:20]}; it must be {least} or more, and at most {LARGEST_NUMBER}")


def dotted(key: str, name: str) -> str:
    return f"{key}.{name}" if key and name else key or name


def one_line(error: object) -> str:
    text = str(error).split("\n    full_key:")[0]  # OmegaConf adds lines for programmers
    return " ".join(text.split()) or type(error).__name__
