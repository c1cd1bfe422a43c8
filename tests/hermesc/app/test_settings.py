"""What `--set` says of a compilation."""

from math import inf

import pytest

from hermesc.app.settings import parse_settings
from hermesc.pipeline import Options
from hermesrt.errors import OptionError


def test_the_fallback_s_budget_is_set_beside_the_layers_that_stay_digital() -> None:
    options, budget = parse_settings(
        [("partition.digital", "head"), ("partition.max_accuracy_drop", "0.5")]
    )
    assert options.partition.digital == ("head",)
    assert budget.max_accuracy_drop == 0.5


def test_without_settings_nothing_is_looked_for() -> None:
    options, budget = parse_settings([])
    assert options == Options()
    assert budget.max_accuracy_drop == inf


def test_an_unknown_option_lists_the_budget_under_the_name_that_users_know() -> None:
    with pytest.raises(OptionError, match=r"partition\.max_accuracy_drop") as caught:
        parse_settings([("partition.nothing", "1")])
    assert "fallback." not in str(caught.value)


def test_a_budget_beyond_all_accuracy_is_refused() -> None:
    with pytest.raises(OptionError, match="max_accuracy_drop=101: must be a number from 0 to 100"):
        parse_settings([("partition.max_accuracy_drop", "101")])
