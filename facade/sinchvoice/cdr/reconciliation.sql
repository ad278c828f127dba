-- What reconciliation.py asks beyond the KPIs, in SQL with the same meaning on DuckDB (2.0 or
-- later) and on Spark (tested with 4.3). The rules at the top of kpis.sql apply. A comment line
-- `-- # NAME` begins a query. `{windows}` is a list of rows: number, begins, until, and the time
-- after the end if that is included.

-- # user_calls
SELECT
    windows.number,
    COUNT(CASE WHEN calls.call_time < windows.until AND calls.is_answered THEN 1 END)
        AS success,
    COUNT(CASE WHEN calls.call_time < windows.until AND NOT calls.is_answered THEN 1 END)
        AS failed,
    COALESCE(SUM(CASE WHEN calls.call_time < windows.until THEN calls.talk_seconds END), 0)
        AS talk_seconds,
    COUNT(CASE WHEN calls.is_answered THEN 1 END) AS success_with_end,
    COUNT(CASE WHEN NOT calls.is_answered THEN 1 END) AS failed_with_end,
    COALESCE(SUM(calls.talk_seconds), 0) AS talk_seconds_with_end
FROM (
    SELECT
        call_time,
        COALESCE(result = 'ANSWERED', FALSE) AS is_answered,
        CASE
            WHEN result = 'ANSWERED' AND duration >= 0 THEN CAST(duration AS DECIMAL(18, 0))
        END AS talk_seconds
    FROM records
    WHERE {condition}
) AS calls
INNER JOIN (VALUES {windows}) AS windows (number, begins, until, end_included)
    ON calls.call_time >= windows.begins AND calls.call_time < windows.end_included
GROUP BY windows.number
ORDER BY 1

-- # calls
SELECT
    call_id,
    layout,
    call_time,
    from_,
    to_,
    result,
    duration,
    amount,
    currency
FROM records
WHERE
    {condition}
    AND call_time >= CAST(:start AS TIMESTAMP WITHOUT TIME ZONE)
    AND call_time < CAST(:until AS TIMESTAMP WITHOUT TIME ZONE)
ORDER BY call_time, call_id, layout
LIMIT {most}
