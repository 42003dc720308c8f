"""The agents' part in the cluster's authority is declared whole, as that of `services` is."""

from __future__ import annotations

from tests.addons.services.test_trust import (
    test_a_stack_that_does_not_say_whom_it_trusts_has_no_add_ons_that_do,
    test_all_that_the_authority_has_signed_is_declared,
    test_all_that_trusts_the_authority_is_declared,
)

__all__ = [
    "test_a_stack_that_does_not_say_whom_it_trusts_has_no_add_ons_that_do",
    "test_all_that_the_authority_has_signed_is_declared",
    "test_all_that_trusts_the_authority_is_declared",
]
