"""Recipes: YAML files and command-line options, read into a stage's dataclasses, every key and value checked.

A stage's settings are a few dataclasses; one of them extends TRL's ``SFTConfig`` or ``DPOConfig``, so every option of
TRL is a recipe key too. Keys of a file are checked by the same parser as the command line, which goes over the file.
Files are read by the rules of YAML 1.2: ``no`` is a word and ``3e-4`` a number.
"""

import argparse
import dataclasses
import difflib
import inspect
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import yaml
from trl import TrlParser

from models.arguments import RunArguments
from models.runs import open_unfinished

_DROPPED = frozenset({"output_dir", "report_to", "run_name", "resume_from_checkpoint"})
"""Keys that belong to one run, not to a recipe; ondo sets them itself."""

_SECRET = "hub_token"
"""Would end up in checkpoints and in the command that a manifest holds, so it is taken from the environment alone."""

_NOT_RECORDED = _DROPPED | {_SECRET, "runs_dir", "resume", "dry_run", "tracking", "threads"}
"""Keys that say nothing of the result, or must not be told."""


class RecipeError(ValueError):
    """A recipe cannot be used; the message names the file and the key."""


class RecipeParser(TrlParser):
    """Reads ``--config FILE`` and options into dataclasses.

    Args:
        types: the dataclasses; ``--help`` shows the fields that they or a base of ours declare, what comes from TRL is
            accepted and not listed.
        description: the text above the options in ``--help``.
    """

    def __init__(self, types: Sequence[type], description: str) -> None:
        super().__init__(
            tuple(types),
            description=description,
            formatter_class=_Help,
            usage="%(prog)s [--config RECIPE] [--key value ...]",
            allow_abbrev=False,
        )
        self.types = tuple(types)
        self.epilog = "Every other option of TRL's configuration and transformers' TrainingArguments is accepted too."
        self._file: Path | None = None
        theirs = ("trl.", "transformers.")
        ours = [part for kind in types for part in kind.__mro__ if not part.__module__.startswith(theirs)]
        own = {name for part in ours for name in inspect.get_annotations(part)}
        self._flags = {"--help"}
        for action in self._actions:
            negation = action.option_strings[0].startswith("--no_")
            if negation:
                self._flags.update(action.option_strings)
            if action.dest not in (own | {"help"}) or negation or action.help is None:
                action.help = argparse.SUPPRESS

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and leave with exit code 2.

        Raises:
            SystemExit: always.
        """
        where = "" if self._file is None else f"{self._file}: "
        message = re.sub(r"argument --(\w+)(/--[\w-]+)?", r"\1" if self._file else r"argument --\1", message)
        print(f"{Path(self.prog).stem}: {where}{message}; --help lists the options", file=sys.stderr)
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
        self._file = file
        self.parse_known_args(options)  # so that an error names the file
        self._file = None
        for option in rest:
            if option.startswith("--") and option.split("=")[0] not in self._flags:
                self.check_key(option.removeprefix("--").split("=")[0].replace("-", "_"), "--")
        unexpected = self.parse_known_args([*options, *rest])[1]
        if unexpected:
            self.error(f"unexpected {' '.join(unexpected)}")
        parts = tuple(self.parse_args_into_dataclasses(args=[*options, *rest], look_for_args_file=False))
        for part in parts:
            if file is not None and isinstance(part, RunArguments):
                part.recipe_name = f"{file.resolve().parent.name}/{file.stem}"
        return parts

    def _options(self, file: Path) -> list[str]:
        options: list[str] = []
        for key, value in read_recipe(file).items():
            self.check_key(key, f"{file}: ")
            action = next(action for action in self._actions if action.dest == key)
            if value is None:
                self._check_null(key, file)
                self.set_defaults(**{key: None})
            elif isinstance(value, list) and action.nargs != "+":
                raise RecipeError(f"{file}: {key}: expected one value, got the list {value}")
            else:
                options += option(key, value)
        return options

    def check_key(self, key: str, where: str) -> None:
        """Make sure that ``key`` is an option of a recipe; ``where`` begins the message.

        Raises:
            RecipeError: it is none, or one that a recipe must not set.
        """
        if key in _DROPPED:
            raise RecipeError(f"{where}{key}: ondo sets this itself; --runs_dir says where runs go")
        if key == _SECRET:
            raise RecipeError(f"{where}{key}: would be kept in the run; set HF_TOKEN in the environment instead")
        known = {action.dest for action in self._actions} - {"help"} - _DROPPED
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            raise RecipeError(f"{where}{key} is unknown" + (f"; did you mean {close[0]}?" if close else ""))

    def _check_null(self, key: str, file: Path) -> None:
        hints = {name: hint for kind in self.types for name, hint in get_type_hints(kind).items()}
        if type(None) not in get_args(hints[key]):
            raise RecipeError(f"{file}: {key}: null is not possible; leave the key out for its default")


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """One spelling an option, with its default."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if action.dest == "help":
            return "--help"
        if isinstance(action.nargs, str) and action.nargs == "+":
            return f"--{action.dest} VALUE ..."
        return f"--{action.dest} " + ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else "VALUE")

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def read_recipe(file: Path) -> dict[str, Any]:
    """The keys and values of a recipe file.

    Raises:
        RecipeError: it is missing, not YAML, no mapping, or names a key twice.
    """
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"recipe {file} is not YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RecipeError(f"recipe {file}: expected lines of 'key: value'")
    return content


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key that stands twice in one mapping; booleans and numbers are YAML 1.2's."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"key {key!r} stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


_BOOL, _FLOAT = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:float"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in (_BOOL, _FLOAT)]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    _FLOAT, re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"), list("-+.0123456789")
)


def resolved(*settings: Any) -> dict[str, Any]:
    """Every setting of the parsed dataclasses that bears on the result, as plain JSON values."""
    values = {
        field.name: getattr(part, field.name)
        for part in settings
        for field in dataclasses.fields(part)
        if field.init and field.name not in _NOT_RECORDED
    }
    plain: dict[str, Any] = json.loads(json.dumps(values, default=_plain))
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


def _plain(value: Any) -> Any:
    """What JSON has no word for: a part of transformers' settings as its own mapping, anything else as text."""
    return value.to_dict() if hasattr(value, "to_dict") else str(value)


def option(key: str, value: Any) -> list[str]:
    """A key of a recipe and its value as command-line arguments."""
    if isinstance(value, list):
        return [f"--{key}", *map(str, value)]
    # one argument, so that a value may begin with a dash
    return [f"--{key}={json.dumps(value) if isinstance(value, Mapping) else value}"]


def with_resumed_recipe(arguments: Sequence[str]) -> list[str]:
    """The arguments, with the recipe of the run that ``--resume`` names when no ``--config`` is given.

    Raises:
        models.runs.RunError: there is no such run, or it is finished.
    """
    if any(given.split("=")[0] == "--config" for given in arguments):
        return list(arguments)
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--resume" and (value or place + 1 < len(arguments)):
            run = open_unfinished(value or arguments[place + 1])
            return ["--config", str(run.recipe_file), *arguments]
    return list(arguments)
