# What sinchvoice promises; recorded by: nox -s api_diff -- --record
from typing import Literal
from sinchvoice import Counter as Counter
from sinchvoice import ReportDomain as ReportDomain
from sinchvoice import ReportWindow as ReportWindow
from sinchvoice import ServiceStatus as ServiceStatus
from sinchvoice import UserCallReport as UserCallReport

__all__ = [
    'AsyncReports',
    'Counter',
    'ReportDomain',
    'ReportWindow',
    'Reports',
    'ServiceStatus',
    'UserCallReport',
    'format_day',
    'parse_day',
]

class AsyncReports:
    async def counter(self, counter_id: str) -> Counter: ...
    async def service_status(self, service_id: str) -> ServiceStatus: ...
    async def user_calls(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: date | datetime | str | None = None,
        stop: date | datetime | str | None = None,
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> UserCallReport: ...
    def user_calls_by_window(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: Day,
        stop: Day,
        step: timedelta = datetime.timedelta(days=1),
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> AsyncIterator[ReportWindow]: ...
class Reports:
    def counter(self, counter_id: str) -> Counter: ...
    def service_status(self, service_id: str) -> ServiceStatus: ...
    def user_calls(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: date | datetime | str | None = None,
        stop: date | datetime | str | None = None,
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> UserCallReport: ...
    def user_calls_by_window(
        self,
        endpoint: PstnEndpoint | MxpEndpoint | str,
        start: Day,
        stop: Day,
        step: timedelta = datetime.timedelta(days=1),
        *,
        domain: Domain = ReportDomain.DATA,
    ) -> Iterator[ReportWindow]: ...
def format_day(value: date | datetime, name: str = 'day') -> str: ...
def parse_day(
    value: date | datetime | str | None,
    name: str = 'day',
) -> date | datetime | None: ...
