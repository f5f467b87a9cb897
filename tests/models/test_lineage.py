"""The graph is joined by content alone."""

from hashlib import sha256
from pathlib import Path

import pytest

from models.tracking.lineage import (
    Edge,
    Node,
    alias,
    base_model_node,
    content_digest,
    edges,
    lineage,
    node,
    nodes,
    with_evaluation,
)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_a_file_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    one, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one.write_text("x")
    other.write_text("x")
    assert content_digest(one) == content_digest(other) == digest("x")
    other.write_text("y")
    assert content_digest(other) != content_digest(one)


def test_of_a_folder_what_never_changes_counts(tmp_path: Path) -> None:
    (tmp_path / "b.safetensors").write_text("weights")
    (tmp_path / "a.json").write_text("{}")
    expected = digest(digest("{}") + digest("weights"))  # in the order of the names
    assert content_digest(tmp_path) == expected
    (tmp_path / "README.md").write_text("a card, written later")
    assert content_digest(tmp_path) == expected
    found = node("adapter", "sft-adapter", "model", tmp_path)
    assert [file.name for file in found.files] == ["a.json", "b.safetensors"]


def test_what_is_not_there_is_an_error_and_what_has_gone_has_no_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file to take into the lineage"):
        content_digest(tmp_path)
    with pytest.raises(FileNotFoundError):
        node("pairs", "pairs", "dataset", tmp_path / "none.jsonl")
    assert Node("pairs", "pairs", "dataset", "ab", str(tmp_path / "none.jsonl")).files == []


def test_a_base_model_is_known_by_its_weights_and_has_no_files() -> None:
    found = base_model_node("tiny-random", "f" * 64)
    assert (found.name, found.digest, found.path, found.files) == ("tiny-random", "f" * 64, None, [])
    assert found.alias == alias("f" * 64) == "sha-ffffffffffff"


def test_the_whole_way_is_joined() -> None:
    examples, adapter = Node("examples", "examples", "dataset", "e"), Node("adapter", "sft-adapter", "model", "a")
    pairs, policy = Node("pairs", "pairs", "dataset", "p"), Node("adapter", "dpo-adapter", "model", "d")
    taken = Node("parent adapter", "sft-adapter", "model", "a")
    runs = {
        "data": lineage((), [examples]),
        "sft": lineage([examples], [adapter]),
        "pairs": lineage([examples, taken], [pairs]),
        "dpo": lineage([taken, pairs], [policy]),
        "eval": lineage([policy], [Node("evaluation", "evaluation-test", "evaluation", "v")]),
    }
    assert [(edge.source, edge.target, edge.name) for edge in edges(runs)] == [
        ("data", "sft", "examples"),
        ("data", "pairs", "examples"),
        ("sft", "pairs", "sft-adapter"),
        ("sft", "dpo", "sft-adapter"),
        ("pairs", "dpo", "pairs"),
        ("dpo", "eval", "dpo-adapter"),
    ]
    del runs["sft"]
    assert Edge("sft", "dpo", "sft-adapter", "a") not in edges(runs)


def test_a_value_goes_to_json_and_back_and_an_evaluation_is_replaced() -> None:
    first = Node("evaluation", "evaluation-test", "evaluation", "1", "/r/eval/test.json")
    found = lineage([Node("examples", "examples", "dataset", "e")], [Node("adapter", "sft-adapter", "model", "a")])
    once = with_evaluation(found, first)
    twice = with_evaluation(once, Node("evaluation", "evaluation-test", "evaluation", "2"))
    assert nodes(once, "evaluations") == [first]
    assert [one.digest for one in nodes(twice, "evaluations")] == ["2"]
    assert nodes(twice, "inputs") == nodes(found, "inputs")
    assert nodes(twice, "outputs") == nodes(found, "outputs")
    assert with_evaluation(None, first)["outputs"] == []
