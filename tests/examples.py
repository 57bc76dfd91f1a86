"""How many examples a property that costs more than most is tried with."""

from hypothesis import settings


def examples(few: int) -> settings:
    """Return settings with `few` examples, or with fewer or many more if a profile says so."""
    named = settings.get_current_profile_name()
    return settings(max_examples=few if named == "pair" else settings.default.max_examples)
