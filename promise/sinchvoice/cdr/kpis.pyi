# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice.cdr import Dimension as Dimension
from sinchvoice.cdr import KpiCost as KpiCost
from sinchvoice.cdr import KpiFilter as KpiFilter
from sinchvoice.cdr import KpiRow as KpiRow
from sinchvoice.cdr import KpiRows as KpiRows
from sinchvoice.cdr import Ratio as Ratio

__all__ = [
    'DEFINITIONS',
    'DIMENSIONS',
    'Definition',
    'Dimension',
    'KpiCost',
    'KpiFilter',
    'KpiRow',
    'KpiRows',
    'KpiStream',
    'Ratio',
    'Run',
    'WEEKDAYS',
    'Weekday',
    'compute',
    'on_duckdb',
    'on_spark',
    'sql',
]

DEFINITIONS: tuple
DIMENSIONS: tuple
WEEKDAYS: tuple
class Definition:
    def __init__(
        self,
        field: str,
        name: str,
        formula: str,
        meaning: str,
        unit: str = 'calls',
    ) -> None: ...
    field: str
    formula: str
    meaning: str
    name: str
    unit: str
class KpiStream:
    def __init__(self, relation: Any) -> None: ...
Run = Callable[[str, dict[str, Any]], Iterable[Sequence[Any]]]
Weekday = Literal['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']
def compute(
    run: Run,
    by: Dimension | Sequence[Dimension] = (),
    where: KpiFilter | None = None,
    *,
    min_attempts: int = 1,
) -> list[KpiRow]: ...
def on_duckdb(connection: DuckDBConnection) -> Run: ...
def on_spark(session: SparkSession) -> Run: ...
sql: str
