-- The only definition of each KPI of call detail records, in SQL with the same meaning on DuckDB
-- (2.0 or later) and on Spark (tested with 4.3).
--
-- Input is the table or view `records`: one row per call, times in UTC without a zone, result and
-- reason in capitals as returned by `sinchvoice.cdr.read`. Parameters:
--
--   :by        array of dimensions to group by; an empty array counts all calls together
--   :filtered  array of dimensions that must have one of the values in :wanted
--   :wanted    array of 'dimension=value', such as 'country=SE', 'weekday=1', 'hour=8' and
--              'day=2026-11-02'; 'country=' is a call without a country
--   :start     calls made at or after this time, as text: '2026-11-01 00:00:00'; NULL for all
--   :until     calls made before this time; NULL for all
--
-- The result has one row per group and currency, because money is never added across currencies;
-- all other columns are the same in all rows of a group.
--
-- Constructs on which the engines differ are avoided: dayofweek, time differences, EXTRACT(SECOND),
-- integer division, avg and division of decimals, division by zero, QUALIFY, TIMESTAMP (with a zone
-- on Spark).

WITH calls AS (
    SELECT
        CAST(local_time AS DATE) AS call_day,
        CAST(EXTRACT(HOUR FROM local_time) AS INTEGER) AS call_hour,
        -- ISO 8601: 1 is Monday, and 0001-01-01 was a Monday.
        CAST(CAST(local_time AS DATE) - DATE '0001-01-01' AS INTEGER) % 7 + 1 AS call_weekday,
        NULLIF(to_country_id, '') AS country,
        layout,
        NULLIF(application_key, '') AS application,
        -- The app user who made the call: the caller in app-to-app records.
        NULLIF(CASE WHEN layout = 'app-to-app' THEN from_ ELSE user_id END, '') AS app_user,
        NULLIF(result, '') AS result,
        NULLIF(reason, '') AS reason,
        NULLIF(currency, '') AS currency,
        -- Each call has exactly one outcome: the first that applies.
        CASE
            WHEN result = 'ANSWERED' THEN 'answered'
            WHEN reason = 'BLOCKED' THEN 'blocked'
            WHEN reason = 'NOCREDITPARTNER' THEN 'no_credit'
            WHEN reason = 'CANCEL' THEN 'abandoned'
            WHEN result = 'BUSY' THEN 'busy'
            WHEN result = 'NOANSWER' THEN 'no_answer'
            WHEN result = 'FAILED' AND reason IN (
                'CALLERHANGUP', 'CALLEEHANGUP', 'HANGUP', 'MANAGERHANGUP'
            ) THEN 'hung_up'
            WHEN result = 'FAILED' AND (
                reason IS NULL OR reason <> 'INVALIDSVAMLACTION'
            ) THEN 'network_failure'
            ELSE 'undecided'
        END AS outcome,
        -- A negative duration counts as unknown. As decimal, so that no sum can overflow.
        CASE
            WHEN result = 'ANSWERED' AND duration >= 0 THEN CAST(duration AS DECIMAL(18, 0))
        END AS talk_seconds,
        -- Seconds to the end of the started minute.
        CASE WHEN result = 'ANSWERED' AND duration >= 0 THEN (60 - duration % 60) % 60 END AS rest,
        -- Time difference in seconds. Both engines agree on fractions of a second only in text:
        -- seconds start at the 18th character.
        CASE
            WHEN answer_time >= call_time THEN CAST(
                CAST(
                    CAST(CAST(answer_time AS DATE) - CAST(call_time AS DATE) AS BIGINT) * 86400
                    + (EXTRACT(HOUR FROM answer_time) - EXTRACT(HOUR FROM call_time)) * 3600
                    + (EXTRACT(MINUTE FROM answer_time) - EXTRACT(MINUTE FROM call_time)) * 60
                    AS DECIMAL(18, 6)
                )
                + CAST(SUBSTRING(CAST(answer_time AS STRING), 18) AS DECIMAL(8, 6))
                - CAST(SUBSTRING(CAST(call_time AS STRING), 18) AS DECIMAL(8, 6))
                AS DECIMAL(18, 6)
            )
        END AS setup_seconds,
        amount
    FROM (
        SELECT *, call_time AS local_time -- `kpis.sql()` adds the offsets of another time zone
        FROM records
    ) AS records
    WHERE
        (:start IS NULL OR call_time >= CAST(:start AS TIMESTAMP WITHOUT TIME ZONE))
        AND (:until IS NULL OR call_time < CAST(:until AS TIMESTAMP WITHOUT TIME ZONE))
),

chosen AS (
    SELECT
        CASE WHEN ARRAY_CONTAINS(:by, 'day') THEN call_day END AS by_day,
        CASE WHEN ARRAY_CONTAINS(:by, 'hour') THEN call_hour END AS by_hour,
        CASE WHEN ARRAY_CONTAINS(:by, 'weekday') THEN call_weekday END AS by_weekday,
        CASE WHEN ARRAY_CONTAINS(:by, 'country') THEN country END AS by_country,
        CASE WHEN ARRAY_CONTAINS(:by, 'layout') THEN layout END AS by_layout,
        CASE WHEN ARRAY_CONTAINS(:by, 'application') THEN application END AS by_application,
        CASE WHEN ARRAY_CONTAINS(:by, 'user') THEN app_user END AS by_user,
        CASE WHEN ARRAY_CONTAINS(:by, 'result') THEN result END AS by_result,
        CASE WHEN ARRAY_CONTAINS(:by, 'reason') THEN reason END AS by_reason,
        CASE WHEN ARRAY_CONTAINS(:by, 'currency') THEN currency END AS by_currency,
        currency,
        outcome,
        talk_seconds,
        rest,
        setup_seconds,
        amount
    FROM calls
    WHERE
        (NOT ARRAY_CONTAINS(:filtered, 'day')
            OR ARRAY_CONTAINS(:wanted, CONCAT('day=', CAST(call_day AS STRING))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'hour')
            OR ARRAY_CONTAINS(:wanted, CONCAT('hour=', CAST(call_hour AS STRING))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'weekday')
            OR ARRAY_CONTAINS(:wanted, CONCAT('weekday=', CAST(call_weekday AS STRING))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'country')
            OR ARRAY_CONTAINS(:wanted, CONCAT('country=', COALESCE(country, ''))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'layout')
            OR ARRAY_CONTAINS(:wanted, CONCAT('layout=', layout)))
        AND (NOT ARRAY_CONTAINS(:filtered, 'application')
            OR ARRAY_CONTAINS(:wanted, CONCAT('application=', COALESCE(application, ''))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'user')
            OR ARRAY_CONTAINS(:wanted, CONCAT('user=', COALESCE(app_user, ''))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'result')
            OR ARRAY_CONTAINS(:wanted, CONCAT('result=', COALESCE(result, ''))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'reason')
            OR ARRAY_CONTAINS(:wanted, CONCAT('reason=', COALESCE(reason, ''))))
        AND (NOT ARRAY_CONTAINS(:filtered, 'currency')
            OR ARRAY_CONTAINS(:wanted, CONCAT('currency=', COALESCE(currency, ''))))
),

-- One pass over the calls. All aggregates are sums, so memory grows with the number of groups and
-- not of calls.
by_currency AS (
    SELECT
        by_day,
        by_hour,
        by_weekday,
        by_country,
        by_layout,
        by_application,
        by_user,
        by_result,
        by_reason,
        by_currency,
        currency,
        COUNT(*) AS attempts,
        COUNT(CASE WHEN outcome = 'answered' THEN 1 END) AS answered,
        COUNT(CASE WHEN outcome = 'busy' THEN 1 END) AS busy,
        COUNT(CASE WHEN outcome = 'no_answer' THEN 1 END) AS no_answer,
        COUNT(CASE WHEN outcome = 'abandoned' THEN 1 END) AS abandoned,
        COUNT(CASE WHEN outcome = 'hung_up' THEN 1 END) AS hung_up,
        COUNT(CASE WHEN outcome = 'blocked' THEN 1 END) AS blocked,
        COUNT(CASE WHEN outcome = 'no_credit' THEN 1 END) AS no_credit,
        COUNT(CASE WHEN outcome = 'network_failure' THEN 1 END) AS network_failures,
        COUNT(CASE WHEN outcome = 'undecided' THEN 1 END) AS undecided,
        COUNT(talk_seconds) AS timed,
        COUNT(CASE WHEN talk_seconds <= 6 THEN 1 END) AS short,
        COALESCE(SUM(talk_seconds), 0) AS talk_seconds,
        COUNT(setup_seconds) AS connected,
        COALESCE(SUM(setup_seconds), 0) AS setup_seconds,
        COUNT(amount) AS priced,
        SUM(amount) AS cost,
        COALESCE(SUM(CASE WHEN amount IS NOT NULL THEN talk_seconds END), 0)
            AS priced_seconds,
        COALESCE(SUM(CASE WHEN amount IS NOT NULL THEN talk_seconds END), 0)
            + COALESCE(SUM(CASE WHEN amount IS NOT NULL THEN rest END), 0)
            AS started_seconds
    FROM chosen
    GROUP BY
        by_day,
        by_hour,
        by_weekday,
        by_country,
        by_layout,
        by_application,
        by_user,
        by_result,
        by_reason,
        by_currency,
        currency
),

by_group AS (
    SELECT
        by_day,
        by_hour,
        by_weekday,
        by_country,
        by_layout,
        by_application,
        by_user,
        by_result,
        by_reason,
        by_currency,
        CAST(SUM(attempts) OVER same_group AS BIGINT) AS attempts,
        CAST(SUM(answered) OVER same_group AS BIGINT) AS answered,
        CAST(SUM(busy) OVER same_group AS BIGINT) AS busy,
        CAST(SUM(no_answer) OVER same_group AS BIGINT) AS no_answer,
        CAST(SUM(abandoned) OVER same_group AS BIGINT) AS abandoned,
        CAST(SUM(hung_up) OVER same_group AS BIGINT) AS hung_up,
        CAST(SUM(blocked) OVER same_group AS BIGINT) AS blocked,
        CAST(SUM(no_credit) OVER same_group AS BIGINT) AS no_credit,
        CAST(SUM(network_failures) OVER same_group AS BIGINT) AS network_failures,
        CAST(SUM(undecided) OVER same_group AS BIGINT) AS undecided,
        -- Calls that the network delivered to the other end, whatever people then did.
        CAST(SUM(answered + busy + no_answer + abandoned + hung_up) OVER same_group AS BIGINT)
            AS delivered,
        CAST(SUM(timed) OVER same_group AS BIGINT) AS timed,
        CAST(SUM(short) OVER same_group AS BIGINT) AS short,
        SUM(talk_seconds) OVER same_group AS talk_seconds,
        CAST(SUM(connected) OVER same_group AS BIGINT) AS connected,
        SUM(setup_seconds) OVER same_group AS setup_seconds,
        currency,
        priced,
        cost,
        priced_seconds,
        started_seconds
    FROM by_currency
    WINDOW same_group AS (
        PARTITION BY
            by_day,
            by_hour,
            by_weekday,
            by_country,
            by_layout,
            by_application,
            by_user,
            by_result,
            by_reason,
            by_currency
    )
)

SELECT
    by_day,
    by_hour,
    by_weekday,
    by_country,
    by_layout,
    by_application,
    by_user,
    by_result,
    by_reason,
    by_currency,
    attempts,
    answered,
    busy,
    no_answer,
    abandoned,
    hung_up,
    blocked,
    no_credit,
    network_failures,
    undecided,
    delivered,
    timed,
    short,
    talk_seconds,
    connected,
    setup_seconds,
    CAST(talk_seconds AS DOUBLE) / 60 AS minutes_of_use,
    CAST(answered AS DOUBLE) / CAST(NULLIF(attempts, 0) AS DOUBLE) AS asr,
    CAST(delivered AS DOUBLE) / CAST(NULLIF(delivered + network_failures, 0) AS DOUBLE) AS ner,
    CAST(talk_seconds AS DOUBLE) / CAST(NULLIF(timed, 0) AS DOUBLE) AS acd,
    CAST(setup_seconds AS DOUBLE) / CAST(NULLIF(connected, 0) AS DOUBLE) AS setup_time,
    CAST(short AS DOUBLE) / CAST(NULLIF(timed, 0) AS DOUBLE) AS short_calls,
    currency,
    priced,
    cost,
    priced_seconds,
    started_seconds,
    CAST(cost AS DOUBLE) / (CAST(NULLIF(priced_seconds, 0) AS DOUBLE) / 60)
        AS cost_per_talk_minute,
    CAST(cost AS DOUBLE) / (CAST(NULLIF(started_seconds, 0) AS DOUBLE) / 60)
        AS cost_per_started_minute
FROM by_group
