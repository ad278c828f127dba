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
]

class AsyncReports:
    async def counter(self, counter_id: str) -> Counter: ...
    async def service_status(self, service_id: str) -> ServiceStatus: ...
    async def user_calls(
        self,
        endpoint: PstnEndpoint | MxpEndpoint,
        *,
        domain: ReportDomain | Literal['data', 'pstn'] = ReportDomain.DATA,
        start: date | datetime | None = None,
        stop: date | datetime | None = None,
    ) -> UserCallReport: ...
    def user_calls_by_window(
        self,
        endpoint: PstnEndpoint | MxpEndpoint,
        start: date | datetime,
        stop: date | datetime,
        step: timedelta = datetime.timedelta(days=1),
        *,
        domain: ReportDomain | Literal['data', 'pstn'] = ReportDomain.DATA,
    ) -> AsyncIterator[ReportWindow]: ...
class Reports:
    def counter(self, counter_id: str) -> Counter: ...
    def service_status(self, service_id: str) -> ServiceStatus: ...
    def user_calls(
        self,
        endpoint: PstnEndpoint | MxpEndpoint,
        *,
        domain: ReportDomain | Literal['data', 'pstn'] = ReportDomain.DATA,
        start: date | datetime | None = None,
        stop: date | datetime | None = None,
    ) -> UserCallReport: ...
    def user_calls_by_window(
        self,
        endpoint: PstnEndpoint | MxpEndpoint,
        start: date | datetime,
        stop: date | datetime,
        step: timedelta = datetime.timedelta(days=1),
        *,
        domain: ReportDomain | Literal['data', 'pstn'] = ReportDomain.DATA,
    ) -> Iterator[ReportWindow]: ...
