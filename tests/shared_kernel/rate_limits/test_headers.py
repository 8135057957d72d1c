"""What clients are told about limits."""

from hypothesis import given
from hypothesis import strategies as st

from shared_kernel.rate_limits.admission import Admission, admission_from_lua
from shared_kernel.rate_limits.headers import (
    address_policy_value,
    allowed_limit_value,
    headers,
    limit_value,
    policy_value,
)
from shared_kernel.rate_limits.limiter import LIMIT_NAMES
from shared_kernel.rate_limits.settings import RateLimitSettings

SETTINGS = RateLimitSettings(tenant_per_minute=6000, key_per_minute=1200, address_per_minute=300, address_burst=60)
POLICY = '"tenant";q=6000;w=60, "key";q=1200;w=60'


def test_an_admitted_request_is_told_the_policies_and_what_is_left() -> None:
    """Structured-field lists of strings with parameters, as in the draft's examples."""
    allowed = Admission(allowed=True, limit="key", remaining=1180, reset_seconds=30, retry_after_seconds=0)
    assert policy_value(SETTINGS) == POLICY
    assert headers(POLICY, allowed) == {"RateLimit-Policy": POLICY, "RateLimit": '"key";r=1180;t=30'}


def test_a_refused_request_is_told_when_to_come_again_the_same_in_both_fields() -> None:
    """The draft: Retry-After should not be earlier than `t`; the bucket is full again much later than one unit is."""
    refused = Admission(allowed=False, limit="tenant", remaining=0, reset_seconds=60, retry_after_seconds=2)
    assert headers(POLICY, refused) == {
        "RateLimit-Policy": POLICY,
        "RateLimit": '"tenant";r=0;t=2',
        "Retry-After": "2",
    }


def test_before_authentication_only_the_address_has_a_policy() -> None:
    """Nobody is known yet."""
    assert address_policy_value(SETTINGS) == '"address";q=300;w=60'


def test_seconds_are_rounded_up() -> None:
    """Whoever waits as long as told is admitted."""
    refused = admission_from_lua(("tenant", "key"), [0, 5, 0, 100, 0, 1, 59_000_001])
    assert refused == Admission(allowed=False, limit="key", remaining=0, reset_seconds=60, retry_after_seconds=1)


def test_of_two_refusals_the_longer_wait_decides_and_of_two_admissions_the_smaller_rest() -> None:
    """Else a client would come back to be refused by the other."""
    assert admission_from_lua(("tenant", "key"), [0, 0, 9_000_000, 1, 0, 2_000_000, 1]).limit == "tenant"
    assert admission_from_lua(("tenant", "key"), [1, 7, 0, 1, 3, 0, 1]).limit == "key"
    assert admission_from_lua(("tenant", "key"), [1, 2, 0, 1, 3, 0, 1]).limit == "tenant"


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=4, max_size=4))
def test_the_short_way_to_the_value_is_the_long_one(numbers: list[int]) -> None:
    """What the script answers of an admitted request says the same either way."""
    answer = [1, numbers[0], 0, numbers[1], numbers[2], 0, numbers[3]]
    assert allowed_limit_value(answer) == limit_value(admission_from_lua(LIMIT_NAMES, answer))
