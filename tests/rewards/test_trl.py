import pickle

import pytest

from rewards.trl import RuleReward, rule_rewards
from rewards.verdict import RULES

GOOD = "어제보다 7도 올라 한결 포근해졌으니 가벼운 겉옷을 걸치고 공원 둘레길을 천천히 걸어 보세요."
COLUMNS = {"yesterday": [10, 10], "today": [17, 17], "completion_ids": [[1], [2]], "trainer_state": None}


def test_texts_and_chats_get_the_same_reward() -> None:
    plain = [GOOD, GOOD.replace("7도", "8도")]
    chats = [[{"role": "assistant", "content": text}] for text in plain]
    for completions in (plain, chats):
        assert RuleReward()(["", ""], completions, **COLUMNS) == [1.0, 0.0]
        assert RuleReward("delta")(["", ""], completions, **COLUMNS) == [1.0, 0.0]
        assert RuleReward("park")(["", ""], completions, **COLUMNS) == [1.0, 1.0]


def test_every_rule_has_a_named_picklable_reward() -> None:
    rewards = rule_rewards()
    assert [reward.__name__ for reward in rewards] == [*[f"rule_{rule}" for rule in RULES], "rule_all"]
    copy = pickle.loads(pickle.dumps(rewards[-1]))
    assert copy(["", ""], [GOOD, ""], **COLUMNS) == [1.0, 0.0]


def test_missing_columns_are_an_error() -> None:
    with pytest.raises(TypeError, match="today"):
        RuleReward()([""], [GOOD], yesterday=[1])
    with pytest.raises(ValueError, match="shorter"):
        RuleReward()(["", ""], [GOOD, GOOD], yesterday=[1, 1], today=[2])
