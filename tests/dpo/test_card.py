"""The card of a pair file: what the hub reads, and figures that are the pairs' own."""

import json
from hashlib import sha256
from pathlib import Path

from huggingface_hub import DatasetCard

from data.source import source_notices
from dpo.card import pair_card
from dpo.make import make_pairs
from dpo.pair_files import card_path, write_pair_files

EXAMPLES = [(notice.reading, notice.text) for notice in source_notices("train")[:12]]


def test_the_card_lies_beside_the_pairs_and_tells_their_hash(tmp_path: Path) -> None:
    made = make_pairs(EXAMPLES, per_example=2, pool=10, per_pool_cell=1)
    path = tmp_path / "pairs.jsonl"
    write_pair_files(path, made.pairs, made.description)
    found = DatasetCard.load(card_path(path))
    assert (found.data.language, found.data.license) == ("ko", "apache-2.0")
    assert found.data.size_categories == "n<1K"
    assert sha256(path.read_bytes()).hexdigest() in found.text
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert f"| pairs | {len(lines)} |" in found.text
    moved = sum(line["source"] == "moved" for line in lines)
    assert f"| moved | {moved} |" in found.text
    paired = made.description["cues"]["all"]["length"]["paired"]
    assert f"| all | {len(lines)} | {paired:.0%} |" in found.text


def test_of_a_file_nobody_knows_how_it_was_made() -> None:
    made = make_pairs(EXAMPLES, per_example=1)
    text = pair_card(made.pairs, None).text
    assert "how they were made is not known here" in text
    assert "| fault | pairs |" in text
