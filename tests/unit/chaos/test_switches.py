"""The exchange's fault switches as chaos sets them are switches that the exchange has."""

import pytest

from paper.fault_catalogue import COMMON, SWITCHES
from tests.chaos.kinds import Kind
from tests.chaos.switches import PARAMETERS, SWITCH_KINDS, request_of

NOT_PLAYED = {"liquidation", "tx_refused", "upgrade_refused"}
"""The first takes the account's collateral: a pair that cannot trade again shows nothing more. The
others refuse for good, which ends in a halt; `make accept` plays them.
"""


def test_every_switch_of_the_exchange_is_played() -> None:
    """A new switch must be given parameters here, or a reason."""
    assert set(PARAMETERS) | NOT_PLAYED == set(SWITCHES)


@pytest.mark.parametrize("amount", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("kind", SWITCH_KINDS, ids=lambda kind: kind.name)
def test_a_switch_is_set_with_parameters_that_it_knows(kind: Kind, amount: float) -> None:
    """The exchange refuses an unknown parameter, and a required one that is missing."""
    for target in kind.targets:
        name, parameters = request_of(kind.name, target, amount)
        switch = SWITCHES[name]
        allowed = {*COMMON, *switch.scope, *switch.options}
        needed = {option for option, how in switch.options.items() if how.required}
        assert set(parameters) <= allowed
        assert needed <= set(parameters)
