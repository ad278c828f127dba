# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal

__all__ = ['DEFECTS', 'Defect', 'Planted', 'Written', 'damaged', 'write', 'write_calls']

DEFECTS: tuple
Defect = Literal['columns', 'empty', 'encoding', 'integer', 'decimal', 'nul', 'quote', 'time']
class Planted:
    def __init__(
        self,
        record: int,
        line: int,
        offset: int,
        cause: RejectCause,
        column: str | None,
    ) -> None: ...
    cause: RejectCause
    column: str | None
    line: int
    offset: int
    record: int
class Written:
    def __init__(
        self,
        records: int,
        duration: int,
        planted: tuple[Planted, ...],
    ) -> None: ...
    duration: int
    @property
    def good(self) -> int: ...
    planted: tuple[Planted, ...]
    records: int
def damaged(content: bytes, random: Random) -> bytes: ...
def write(
    file: IO[bytes],
    records: int,
    *,
    layout: LayoutName = 'phone-terminated',
    seed: int = 0,
    day: date = datetime.date(2026, 11, 2),
    quoted: float = 0.2,
    defects: Collection[Defect] = (),
    defective: float = 0.01,
    header: bool = True,
    line_end: Literal['\n', '\r\n'] = '\n',
    byte_order_mark: bool = False,
) -> Written: ...
def write_calls(folder: Path, calls: Iterable[SandboxCall], day: date) -> list[Path]: ...
