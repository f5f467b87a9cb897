"""Recipes: YAML files and command-line options, read into a stage's dataclasses, every key and value checked.

A stage's settings are a few dataclasses; one of them extends TRL's ``SFTConfig`` or ``DPOConfig``, so every option of
TRL is a recipe key too. Keys of a file are checked by the same parser as the command line, which goes over the file.
"""

import argparse
import dataclasses
import difflib
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml
from trl import TrlParser

from models.runs import RECIPE

_DROPPED = frozenset({"output_dir", "report_to", "run_name", "resume_from_checkpoint"})
"""Keys that belong to one run, not to a recipe; ondo sets them itself."""

_NOT_RECORDED = _DROPPED | {"hub_token", "runs_dir", "resume", "dry_run", "tracking"}
"""Keys that say nothing of the result, or must not be told."""


class RecipeError(ValueError):
    """A recipe cannot be used; the message names the file and the key."""


class RecipeParser(TrlParser):
    """Reads ``--config FILE`` and options into dataclasses.

    Args:
        types: the dataclasses; a field that one of them declares itself is shown by ``--help``, what it inherits from
            TRL is accepted and not listed.
        description: the text above the options in ``--help``.
    """

    def __init__(self, types: Sequence[type], description: str) -> None:
        super().__init__(tuple(types), description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.types = tuple(types)
        self.epilog = "Every other option of TRL's configuration and transformers' TrainingArguments is accepted too."
        own = {name for kind in types for name in inspect.get_annotations(kind)}
        for action in self._actions:
            if action.dest not in own and action.dest not in ("help", "config"):
                action.help = argparse.SUPPRESS

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and leave with exit code 2.

        Raises:
            SystemExit: always.
        """
        print(f"{Path(self.prog).stem}: {message}; --help lists the options", file=sys.stderr)
        raise SystemExit(2)

    def parse(self, arguments: Sequence[str]) -> tuple[Any, ...]:
        """The dataclasses, in the order of ``types``.

        Raises:
            RecipeError: the file is missing, no mapping of keys to values, or holds a key nobody knows.
            SystemExit: an option or a value is wrong (exit code 2, the message is on standard error).
            ValueError: values that do not go together, from the dataclasses' own checks.
        """
        file, rest = _take_config(arguments)
        options = [] if file is None else self._options(file)
        dropped = _DROPPED & {argument.removeprefix("--").split("=")[0] for argument in rest}
        if dropped:
            raise RecipeError(f"--{sorted(dropped)[0]}: ondo sets this itself; --runs_dir says where runs go")
        return tuple(self.parse_args_into_dataclasses(args=[*options, *rest], look_for_args_file=False))

    def _options(self, file: Path) -> list[str]:
        options: list[str] = []
        known = {action.dest for action in self._actions} - {"help", "config"} - _DROPPED
        for key, value in read_recipe(file).items():
            if key not in known:
                close = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise RecipeError(f"{file}: unknown key {key!r}{hint}")
            if value is None:
                self.set_defaults(**{key: None})
            else:
                options += _option(key, value)
        return options


def read_recipe(file: Path) -> dict[str, Any]:
    """The keys and values of a recipe file.

    Raises:
        RecipeError: it is missing, not YAML, no mapping, or names a key twice.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_OnceLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe {file} is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RecipeError(f"recipe {file}: expected lines of 'key: value'")
    return content


class _OnceLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key that stands twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def resolved(*settings: Any) -> dict[str, Any]:
    """Every setting of the parsed dataclasses that bears on the result, as plain JSON values."""
    values = {
        field.name: getattr(part, field.name)
        for part in settings
        for field in dataclasses.fields(part)
        if field.init and field.name not in _NOT_RECORDED
    }
    plain: dict[str, Any] = json.loads(json.dumps(values, default=str))
    return plain


def recipe_text(settings: Sequence[Any], before: Sequence[Any]) -> str:
    """YAML that repeats ``settings``: every value that differs from ``before``, the same dataclasses at their defaults.

    Both are taken after the dataclasses' own checks, so that what these fill in does not count as set.
    """
    plain = resolved(*before)
    values = {key: value for key, value in resolved(*settings).items() if value != plain[key]}
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def _take_config(arguments: Sequence[str]) -> tuple[Path | None, list[str]]:
    rest: list[str] = []
    file: Path | None = None
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--config":
            value = next(waiting, None)
            if value is None:
                raise RecipeError("--config needs a file")
            file = Path(value)
        elif argument.startswith("--config="):
            file = Path(argument.removeprefix("--config="))
        else:
            rest.append(argument)
    return file, rest


def _option(key: str, value: Any) -> list[str]:
    if isinstance(value, list):
        return [f"--{key}", *map(str, value)]
    if isinstance(value, dict):
        return [f"--{key}", json.dumps(value)]
    return [f"--{key}", str(value)]


def with_resumed_recipe(arguments: Sequence[str]) -> list[str]:
    """The arguments, with the recipe of the run that ``--resume`` names when no ``--config`` is given."""
    found = [given for given in arguments if given == "--config" or given.startswith("--config=")]
    for place, argument in enumerate(arguments):
        run = argument.removeprefix("--resume=") if argument.startswith("--resume=") else None
        if argument == "--resume" and place + 1 < len(arguments):
            run = arguments[place + 1]
        if run is not None and not found:
            return ["--config", str(Path(run) / RECIPE), *arguments]
    return list(arguments)
