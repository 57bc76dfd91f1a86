"""Which printed lines claim that the pair is covered, and when a log line was written."""

import re
import time
from datetime import datetime

# Claims only: "once everything is covered" and "NOT COVERED" claim nothing.
CLAIM = re.compile(
    r"(?<!not )(?<!once )(?<!If )\bNeutral\b(?=[:.,;])"
    r"|\bneutral=true\b|\bnothing owed\b|\] covered detail="
    r"|(?<!once )(?<!shown that )\b(?:everything|all) is covered\b"
)
NO_CLAIM = re.compile(
    r"NOT COVERED|UNKNOWN|[Nn]ot covered|[Uu]ncovered|not everything|neutral=false"
)
STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})([+-]\d{4})")


def claims_neutral(line: str) -> bool:
    """Whether a line says that nothing is open."""
    return bool(CLAIM.search(line)) and not NO_CLAIM.search(line)


def written_ns(line: str) -> int | None:
    """Monotonic moment of a log line by its own time stamp, None where it has none."""
    found = STAMP.search(line)
    if found is None:
        return None
    at = datetime.strptime(" ".join(found.groups()), "%Y-%m-%d %H:%M:%S.%f %z")
    return time.monotonic_ns() - int((time.time() - at.timestamp()) * 1e9)
