"""When a proof confirms its option: the key's claim is seen, a distractor's is not and the recorded reason is."""

from typing import Any

import pytest

from quizzes.proofs.run import Proof, judge

REFUSED = {"status": 400, "error_code": "INVALID_PARAMETER_VALUE"}
OTHER_REFUSAL = {"status": 400, "error_code": "BAD_REQUEST"}
ACCEPTED = {"status": 200}


@pytest.mark.parametrize(
    ("facts", "is_key", "confirmed", "sentence"),
    [
        (ACCEPTED, True, True, "Holds"),
        (REFUSED, True, False, "Does not hold"),
        (REFUSED, False, True, "Fails for the recorded reason"),
        (OTHER_REFUSAL, False, False, "not for the recorded reason"),
        (ACCEPTED, False, False, "it is not wrong"),
    ],
)
def test_the_verdict(facts: dict[str, Any], is_key: bool, confirmed: bool, sentence: str) -> None:
    proof = Proof("create_endpoint", {}, claims={"status": 200}, observed={} if is_key else REFUSED)
    result = judge(proof, facts, is_key=is_key)
    assert result.confirmed is confirmed
    assert sentence in result.message


def test_a_distractor_whose_claim_is_also_seen_is_not_confirmed() -> None:
    proof = Proof("embed", {}, claims={"status": 200}, observed={"vectors": 1})
    assert judge(proof, {"status": 200, "vectors": 1}, is_key=False).confirmed is False
