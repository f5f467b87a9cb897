"""schemathesis goes through the OpenAPI document and looks for answers that the document does not allow.

Its pytest plugin (4.32) does not work with pytest 9.2, so its strategies are given to hypothesis here.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup

from serve.app import create_app
from serve.settings import Settings
from tests.serve.fakes import WRONG, FakeEngine, right

OPERATIONS = {"POST /generate/temperature", "GET /health", "GET /metrics"}


@pytest.fixture(scope="module", params=[None, "key"], ids=["open", "with a key"])
def schema(request, tmp_path_factory):
    journal = tmp_path_factory.mktemp("openapi") / "journal.jsonl"
    asked = Settings(journal=journal, retries=0, api_key=request.param)
    app = create_app(asked, FakeEngine(lambda reading, heat, call: WRONG if call % 2 else right(reading)))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    schema.key = request.param
    return schema


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_answer_is_one_that_the_document_allows(schema, mode):
    headers = {"Authorization": f"Bearer {schema.key}"} if schema.key else {}
    seen, statuses = set(), set()
    for result in schema.get_all_operations():
        operation = result.ok()
        seen.add(operation.label)
        if mode is GenerationMode.NEGATIVE and operation.body.items == []:
            continue  # nothing that could be wrong

        @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def attack(case):
            response = case.call(headers=headers)
            statuses.add(response.status_code)
            case.validate_response(response, headers=headers)

        attack()
    assert seen == OPERATIONS
    assert (200 if mode is GenerationMode.POSITIVE else 422) in statuses


def test_an_answer_that_the_document_does_not_allow_is_found(tmp_path):
    """The test above can fail."""
    app = create_app(Settings(journal=tmp_path / "journal.jsonl", retries=0), FakeEngine(lambda reading, *_: WRONG))
    document = app.openapi()
    document["components"]["schemas"]["NoticeAnswer"]["properties"]["delta"] = {"type": "string"}
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    case = schema["/generate/temperature"]["POST"].Case(
        body={"yesterday_temp": 1, "today_temp": 2}, media_type="application/json"
    )
    with pytest.raises(FailureGroup, match=r"delta|string"):
        case.call_and_validate()
