"""All rows in the order of their sections."""

from typing import Final

from tests.conformance import rows_market_access, rows_trading
from tests.conformance.rows import Row

ROWS: Final[tuple[Row, ...]] = (*rows_market_access.ROWS, *rows_trading.ROWS)
