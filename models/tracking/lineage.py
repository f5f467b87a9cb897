"""Where things come from: examples, adapters, pairs and evaluations as nodes that are told apart by their content.

A run's lineage is a plain value, ``{"inputs": [...], "outputs": [...]}`` of nodes with ``role``, ``name``, ``type``,
``digest`` and ``path``. It stands in the run's manifest and in its W&B configuration. Two runs are joined where what
one put out and what the other took in have one digest, so the graph needs neither W&B nor the files. A manifest has
``evaluations`` of the run's adapter beside them; in W&B these are outputs of runs of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

Lineage = Mapping[str, Sequence[Mapping[str, Any]]]

_FIXED = (".json", ".jsonl", ".safetensors", ".bin")
"""What of a folder counts: files that never change once they are written. Cards and pictures are written anew."""


@dataclass(frozen=True)
class Node:
    """A thing that runs take in or put out.

    Attributes:
        role: what it is to the run, e.g. ``parent adapter``.
        name: of the W&B artifact, e.g. ``sft-adapter``; its versions are the different contents.
        type: ``dataset``, ``model``, ``evaluation``, ``code``, ``report``, or ``base-model``, which is never sent.
        digest: hexadecimal SHA-256 of the content.
        path: file or folder; None when it is nowhere as a file of ours.
    """

    role: str
    name: str
    type: str
    digest: str
    path: str | None = None

    @property
    def alias(self) -> str:
        """The version's name in W&B, from its content."""
        return alias(self.digest)

    @property
    def files(self) -> list[Path]:
        """The files it is made of; empty when they are gone."""
        return [] if self.path is None else content_files(Path(self.path))


@dataclass(frozen=True)
class Edge:
    """One run took in what another put out."""

    source: str
    target: str
    name: str
    digest: str


def alias(digest: str) -> str:
    """``sha-`` and the first twelve digits."""
    return f"sha-{digest[:12]}"


def node(role: str, name: str, type: str, path: Path) -> Node:
    """The node of a file or folder as it is now.

    Raises:
        FileNotFoundError: nothing is there.
    """
    return Node(role, name, type, content_digest(path), str(path.resolve()))


def base_model_node(name: str, weights_hash: str) -> Node:
    """A base model: known by the hash of its weights, never sent."""
    return Node("base model", name, "base-model", weights_hash)


def content_files(path: Path) -> list[Path]:
    """A file itself; of a folder the files that never change, by name."""
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file() and file.suffix in _FIXED)
    return [path] if path.is_file() else []


def content_digest(path: Path) -> str:
    """SHA-256 of a file's content; of a folder, over the SHA-256 of its files in the order of their names.

    Raises:
        FileNotFoundError: nothing is there.
    """
    files = content_files(path)
    if not files:
        raise FileNotFoundError(f"{path}: no file to take into the lineage")
    each = [sha256(file.read_bytes()).hexdigest() for file in files]
    return each[0] if path.is_file() else sha256("".join(each).encode()).hexdigest()


def lineage(inputs: Sequence[Node] = (), outputs: Sequence[Node] = ()) -> dict[str, list[dict[str, Any]]]:
    """The value that manifests and W&B configurations hold."""
    return {"inputs": [asdict(one) for one in inputs], "outputs": [asdict(one) for one in outputs]}


def nodes(found: Lineage | None, side: str) -> list[Node]:
    """The nodes of one side: ``inputs``, ``outputs`` or, in a manifest, ``evaluations``."""
    return [Node(**one) for one in (found or {}).get(side, ())]


def with_evaluation(found: Lineage | None, evaluation: Node) -> dict[str, list[dict[str, Any]]]:
    """A manifest's lineage with what its adapter was evaluated to, in place of an earlier one of the same name."""
    kept = [one for one in nodes(found, "evaluations") if one.name != evaluation.name]
    sides = lineage(nodes(found, "inputs"), nodes(found, "outputs"))
    return {**sides, "evaluations": [asdict(one) for one in (*kept, evaluation)]}


def edges(lineages: Mapping[str, Lineage]) -> list[Edge]:
    """The graph over some runs, by id: who took in what whom had put out.

    When several runs put out the same content, the first of them in the mapping's order counts as its source.
    """
    made: dict[str, str] = {}
    for run, found in lineages.items():
        for output in nodes(found, "outputs"):
            made.setdefault(output.digest, run)
    return [
        Edge(made[taken.digest], run, taken.name, taken.digest)
        for run, found in lineages.items()
        for taken in nodes(found, "inputs")
        if taken.digest in made and made[taken.digest] != run
    ]
