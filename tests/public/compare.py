"""The record against today: what is lost or changed without being listed as deliberate."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tests.public.shapes import Entries, Entry

GONE = "(gone)"
"""What a deliberate change says of an entry that is no more."""


@dataclass(frozen=True)
class Change:
    """A deliberate change of the surface.

    `entry` names one entry of the record, or several by `*`; `now` is what each of them is today,
    `GONE` where there is none any more; `reason` is a sentence for the users.
    """

    entry: str
    now: Entry
    reason: str


def digest_of(text: str) -> str:
    """Return the digest of a record, whatever its white space and order."""
    canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def differences(
    record: Mapping[str, Entry], today: Entries, changes: Sequence[Change]
) -> list[str]:
    """Return a sentence for each entry that is not as it was, nor as a change says it is.

    A change that names nothing, or an entry that is as it was, is a difference too. What is new
    today is none.
    """
    return [
        *_names_nothing(record, changes),
        *_names_twice(record, changes),
        *(
            sentence
            for entry, was in record.items()
            for sentence in _judged(entry, was, today.get(entry, GONE), changes)
        ),
    ]


def _judged(entry: str, was: Entry, now: Entry, changes: Sequence[Change]) -> Iterator[str]:
    change = next((item for item in changes if fnmatchcase(entry, item.entry)), None)
    if change is None:
        if not _same(was, now):
            yield f"{entry}: was {_shown(was)}, is {_shown(now)}"
    elif _same(was, now):
        yield f"{entry}: is {_shown(was)} as it was; the change listed for it is none"
    elif not _same(change.now, now):
        yield f"{entry}: shall be {_shown(change.now)} by the list, is {_shown(now)}"


def _names_nothing(record: Mapping[str, Entry], changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        if not any(fnmatchcase(entry, change.entry) for entry in record):
            yield f"{change.entry}: listed as changed, but the record has no such entry"
        if not change.reason.strip().endswith("."):
            yield f"{change.entry}: listed as changed without a sentence that says why"


def _names_twice(record: Mapping[str, Entry], changes: Sequence[Change]) -> Iterator[str]:
    for entry in record:
        if sum(fnmatchcase(entry, change.entry) for change in changes) > 1:
            yield f"{entry}: listed as changed more than once"


def _same(one: Entry, other: Entry) -> bool:
    return type(one) is type(other) and one == other  # 1 is not true


def _shown(value: Any) -> str:
    return value if value == GONE else json.dumps(value, ensure_ascii=False)
