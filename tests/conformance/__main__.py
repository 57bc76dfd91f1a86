"""Print the list of rows: `python -m tests.conformance`."""

import sys
from collections import Counter

from tests.conformance.table import ROWS


def main() -> int:
    """Print every row as a line of a table, then how many of each section are done."""
    print("| Section | Row | State |")
    print("|---|---|---|")
    for row in ROWS:
        print(f"| {row.section} | {row.title.replace('|', '/')} | {row.state} |")
    total, done = Counter(), Counter()
    for row in ROWS:
        total[row.section] += 1
        done[row.section] += not row.reason
    counts = ", ".join(f"{name} {done[name]}/{total[name]}" for name in total)
    print(f"\n{done.total()} of {total.total()} rows done ({counts})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
