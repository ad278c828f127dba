-- The signals of fraud, in SQL with the same meaning on DuckDB (2.0 or later) and on Spark (tested
-- with 4.3). The rules at the top of kpis.sql apply. A comment line `-- # NAME` begins a query, and
-- `{NAME}` is an earlier query as a subquery: unlike a CTE, which DuckDB would keep, it is read with
-- the needed columns alone.
--
-- Input is the table or view `records`. Parameters are integers, except
--
--   :past, :start, :until   the past is from :past to :start, the period from :start to :until;
--                           text: '2026-11-01 00:00:00'
--
-- Each query finds its candidates with a plain count first, so that the rest of its work and memory
-- depends on the number of candidates and not of calls. A result has a row for each call of the
-- evidence, at most :evidence per signal, earliest first. Its first columns are
--
--   subject, currency, begins, ends, measured, threshold, call_id
--
-- with times in seconds since 2000-01-01; the others are the counts that signals.py names.

-- # calls
SELECT
    call_id,
    layout,
    call_time,
    CAST(CAST(call_time AS DATE) - DATE '2000-01-01' AS BIGINT) AS call_day,
    (
        CAST(CAST(call_time AS DATE) - DATE '2000-01-01' AS BIGINT) * 24
        + CAST(EXTRACT(HOUR FROM call_time) AS BIGINT)
    ) * 2
        + CASE WHEN EXTRACT(MINUTE FROM call_time) < 30 THEN 0 ELSE 1 END AS half_hour,
    (
        CAST(CAST(call_time AS DATE) - DATE '2000-01-01' AS BIGINT) * 24
        + CAST(EXTRACT(HOUR FROM call_time) AS BIGINT)
    ) * 3600
        + CAST(EXTRACT(MINUTE FROM call_time) AS BIGINT) * 60
        + CAST(EXTRACT(SECOND FROM call_time) AS BIGINT) AS call_second,
    call_time < CAST(:start AS TIMESTAMP WITHOUT TIME ZONE) AS is_past,
    -- The app user who made the call, or else who called as shown in the record.
    COALESCE(
        NULLIF(CASE WHEN layout = 'phone-terminated' THEN user_id END, ''), NULLIF(from_, '')
    ) AS caller,
    NULLIF(to_, '') AS called,
    CASE
        WHEN layout = 'phone-terminated' THEN NULLIF(
            CASE
                WHEN SUBSTRING(to_, 1, 2) = '00' THEN SUBSTRING(to_, 3)
                ELSE REPLACE(to_, '+', '')
            END, ''
        )
    END AS called_number,
    CASE
        WHEN layout = 'phone-originated' THEN NULLIF(
            CASE
                WHEN SUBSTRING(from_, 1, 2) = '00' THEN SUBSTRING(from_, 3)
                ELSE REPLACE(from_, '+', '')
            END, ''
        )
    END AS calling_number,
    COALESCE(result = 'ANSWERED', FALSE) AS is_answered,
    COALESCE(result = 'ANSWERED' AND duration BETWEEN 0 AND :short_seconds, FALSE) AS is_short,
    CASE
        WHEN result = 'ANSWERED' AND duration >= 0 THEN CAST(duration AS DECIMAL(18, 0))
    END AS talk_seconds,
    -- Talk time rounded up to whole minutes.
    CASE
        WHEN result = 'ANSWERED' AND duration >= 0
            THEN CAST(duration AS DECIMAL(18, 0)) + (60 - duration % 60) % 60
    END AS started_seconds,
    NULLIF(currency, '') AS currency,
    amount
FROM records
WHERE
    call_time >= CAST(:past AS TIMESTAMP WITHOUT TIME ZONE)
    AND call_time < CAST(:until AS TIMESTAMP WITHOUT TIME ZONE)

-- # totals
SELECT
    COUNT(CASE WHEN NOT is_past THEN 1 END) AS calls,
    COUNT(DISTINCT CASE WHEN is_past THEN call_day END) AS past_days
FROM (SELECT call_day, is_past FROM {calls} AS calls) AS days

-- # short_calls
-- Windows slide from call to call. One with :min_calls short calls touches two bins of its length,
-- one of which has half of them.
WITH candidates AS (
    SELECT DISTINCT caller
    FROM (
        SELECT
            caller,
            call_second - call_second % :window AS bin
        FROM {calls} AS calls
        WHERE is_short AND NOT is_past AND caller IS NOT NULL
        GROUP BY caller, call_second - call_second % :window
        HAVING COUNT(*) * 2 >= :min_calls
    ) AS bins
),

own AS (
    SELECT calls.*
    FROM {calls} AS calls
    INNER JOIN candidates ON calls.caller = candidates.caller
    WHERE NOT calls.is_past
),

windows AS (
    SELECT
        caller,
        call_second,
        COUNT(CASE WHEN is_short THEN 1 END) OVER this_window AS short,
        COUNT(*) OVER this_window AS attempts
    FROM own
    WINDOW this_window AS (
        PARTITION BY caller ORDER BY call_second
        RANGE BETWEEN :window_before PRECEDING AND CURRENT ROW
    )
),

bursts AS (
    SELECT
        caller,
        call_second,
        short,
        LAG(call_second) OVER (PARTITION BY caller ORDER BY call_second) AS earlier
    FROM windows
    WHERE short >= :min_calls AND short * 100 >= attempts * :min_share
),

numbered AS (
    SELECT
        caller,
        call_second,
        short,
        SUM(CASE WHEN call_second - earlier <= :window_before THEN 0 ELSE 1 END) OVER (
            PARTITION BY caller ORDER BY call_second ROWS UNBOUNDED PRECEDING
        ) AS burst
    FROM bursts
),

merged AS (
    SELECT
        caller,
        MIN(call_second) - :window_before AS begins,
        MAX(call_second) AS ends,
        MAX(short) AS measured
    FROM numbered
    GROUP BY caller, burst
),

within AS (
    SELECT
        merged.caller,
        merged.begins,
        merged.ends,
        merged.measured,
        own.call_id,
        own.call_second,
        own.called,
        own.is_answered,
        own.is_short
    FROM merged
    INNER JOIN own
        ON
            merged.caller = own.caller
            AND merged.begins <= own.call_second
            AND merged.ends >= own.call_second
),

counted AS (
    SELECT
        caller,
        begins,
        ends,
        measured,
        MIN(call_second) AS first_second,
        COUNT(*) AS attempts,
        COUNT(CASE WHEN is_answered THEN 1 END) AS answered,
        COUNT(CASE WHEN is_short THEN 1 END) AS short,
        COUNT(DISTINCT called) AS numbers
    FROM within
    GROUP BY caller, begins, ends, measured
    HAVING COUNT(DISTINCT called) >= :min_numbers
),

ranked AS (
    SELECT
        within.*,
        ROW_NUMBER() OVER (
            PARTITION BY caller, begins ORDER BY call_second, call_id
        ) AS place
    FROM within
    WHERE is_short
)

SELECT
    counted.caller AS subject,
    CAST(NULL AS STRING) AS currency,
    counted.first_second AS begins,
    counted.ends,
    CAST(counted.measured AS DOUBLE) AS measured,
    CAST(:min_calls AS DOUBLE) AS threshold,
    ranked.call_id,
    counted.attempts,
    counted.answered,
    counted.short,
    counted.numbers
FROM counted
INNER JOIN ranked ON counted.caller = ranked.caller AND counted.begins = ranked.begins
WHERE ranked.place <= :evidence
ORDER BY 1, 3, ranked.place

-- # new_destination
-- Prices are of started minutes, because the price of a short call includes the rest of its minute.
WITH usual AS (
    SELECT
        currency,
        CAST(SUM(amount) AS DOUBLE)
            / (CAST(NULLIF(SUM(started_seconds), 0) AS DOUBLE) / 60) AS price
    FROM {calls} AS calls
    WHERE
        is_past
        AND layout = 'phone-terminated'
        AND currency IS NOT NULL
        AND amount IS NOT NULL
        AND started_seconds IS NOT NULL
    GROUP BY currency
),

destinations AS (
    SELECT
        SUBSTRING(called_number, 1, :digits) AS destination,
        currency,
        COUNT(*) AS attempts,
        COUNT(CASE WHEN is_answered THEN 1 END) AS answered,
        SUM(amount) AS cost,
        SUM(CASE WHEN started_seconds IS NOT NULL THEN amount END) AS timed_cost,
        SUM(CASE WHEN amount IS NOT NULL THEN started_seconds END) AS started_seconds
    FROM {calls} AS calls
    WHERE NOT is_past AND layout = 'phone-terminated' AND currency IS NOT NULL
    GROUP BY SUBSTRING(called_number, 1, :digits), currency
),

dear AS (
    SELECT
        destinations.destination,
        destinations.currency,
        destinations.attempts,
        destinations.answered,
        destinations.started_seconds,
        destinations.cost,
        CAST(destinations.timed_cost AS DOUBLE)
            / (CAST(destinations.started_seconds AS DOUBLE) / 60) AS price,
        usual.price AS usual_price
    FROM destinations
    INNER JOIN usual ON destinations.currency = usual.currency
    WHERE
        destinations.attempts >= :min_calls
        AND destinations.started_seconds >= :min_minutes * 60
        AND destinations.started_seconds > 0
        AND usual.price > 0
),

known AS (
    SELECT DISTINCT SUBSTRING(calls.called_number, 1, :digits) AS destination
    FROM {calls} AS calls
    INNER JOIN (SELECT DISTINCT destination FROM dear WHERE price >= usual_price * :factor) AS dear
        ON SUBSTRING(calls.called_number, 1, :digits) = dear.destination
    WHERE calls.is_past
),

expensive AS (
    SELECT dear.*
    FROM dear
    LEFT JOIN known ON dear.destination = known.destination
    WHERE dear.price >= dear.usual_price * :factor AND known.destination IS NULL
),

own AS (
    SELECT
        expensive.*,
        calls.call_id,
        calls.caller,
        calls.call_second,
        ROW_NUMBER() OVER (
            PARTITION BY expensive.destination, expensive.currency
            ORDER BY calls.call_second, calls.call_id
        ) AS place
    FROM expensive
    INNER JOIN {calls} AS calls
        ON
            expensive.destination = SUBSTRING(calls.called_number, 1, :digits)
            AND expensive.currency = calls.currency
    WHERE NOT calls.is_past
),

counted AS (
    SELECT
        destination,
        currency,
        MIN(call_second) AS begins,
        MAX(call_second) AS ends,
        COUNT(DISTINCT caller) AS callers
    FROM own
    GROUP BY destination, currency
)

SELECT
    own.destination AS subject,
    own.currency,
    counted.begins,
    counted.ends,
    own.price / own.usual_price AS measured,
    CAST(:factor AS DOUBLE) AS threshold,
    own.call_id,
    own.attempts,
    own.answered,
    counted.callers,
    CAST(own.started_seconds / 60 AS BIGINT) AS started_minutes,
    own.cost,
    own.price,
    own.usual_price
FROM own
INNER JOIN counted ON own.destination = counted.destination AND own.currency = counted.currency
WHERE own.place <= :evidence
ORDER BY 1, 2, own.place

-- # subjects
-- :digits is 0 for the rate of callers, otherwise that of prefixes of the called number.
SELECT
    CASE WHEN :digits = 0 THEN caller ELSE SUBSTRING(called_number, 1, :digits) END AS subject,
    call_id,
    layout,
    half_hour,
    call_second,
    is_past,
    is_answered,
    talk_seconds,
    caller,
    called
FROM {calls} AS calls

-- # caller_halves
-- There can be millions of callers. Only one with enough calls in an hour is counted in the past,
-- and one half of that hour has half of the calls.
SELECT
    subjects.subject,
    subjects.half_hour,
    subjects.is_past,
    COUNT(*) AS attempts
FROM {subjects} AS subjects
INNER JOIN (
    SELECT DISTINCT subject
    FROM (
        SELECT subject
        FROM {subjects} AS subjects
        WHERE NOT is_past AND subject IS NOT NULL
        GROUP BY subject, half_hour
        HAVING COUNT(*) * 2 >= :min_calls
    ) AS busy
) AS candidates
    ON subjects.subject = candidates.subject
GROUP BY subjects.subject, subjects.half_hour, subjects.is_past

-- # prefix_halves
SELECT
    subject,
    half_hour,
    is_past,
    COUNT(*) AS attempts
FROM {subjects} AS subjects
WHERE layout = 'phone-terminated'
GROUP BY subject, half_hour, is_past

-- # rate
-- `{halves}` is one of the two. Hours begin at every half hour, so that a burst of half an hour is
-- within one of them.
WITH hours AS (
    SELECT
        subject,
        half_hour,
        is_past,
        attempts AS half_attempts,
        SUM(attempts) OVER (
            PARTITION BY subject, is_past ORDER BY half_hour
            RANGE BETWEEN 1 PRECEDING AND CURRENT ROW
        ) AS attempts
    FROM {halves} AS halves
    WHERE subject IS NOT NULL
),

past AS (
    SELECT
        subject,
        MAX(attempts) AS busiest,
        SUM(half_attempts) AS past_calls
    FROM hours
    WHERE is_past
    GROUP BY subject
),

unusual AS (
    SELECT
        hours.subject,
        hours.half_hour,
        hours.attempts,
        COALESCE(past.busiest, 0) AS busiest,
        COALESCE(past.past_calls, 0) AS past_calls,
        LAG(hours.half_hour) OVER (
            PARTITION BY hours.subject ORDER BY hours.half_hour
        ) AS earlier
    FROM hours
    LEFT JOIN past ON hours.subject = past.subject
    WHERE
        NOT hours.is_past
        AND hours.attempts >= :min_calls
        AND hours.attempts >= :factor * COALESCE(past.busiest, 0)
),

numbered AS (
    SELECT
        unusual.*,
        SUM(CASE WHEN half_hour - earlier <= 2 THEN 0 ELSE 1 END) OVER (
            PARTITION BY subject ORDER BY half_hour ROWS UNBOUNDED PRECEDING
        ) AS rush
    FROM unusual
),

rushes AS (
    SELECT
        subject,
        rush,
        busiest,
        past_calls,
        MIN(half_hour) - 1 AS first_half,
        MAX(half_hour) AS last_half,
        MAX(attempts) AS measured
    FROM numbered
    GROUP BY subject, rush, busiest, past_calls
),

own AS (
    SELECT
        rushes.*,
        subjects.call_id,
        subjects.call_second,
        subjects.is_answered,
        subjects.talk_seconds,
        subjects.caller,
        subjects.called,
        ROW_NUMBER() OVER (
            PARTITION BY rushes.subject, rushes.rush
            ORDER BY subjects.call_second, subjects.call_id
        ) AS place
    FROM rushes
    INNER JOIN {subjects} AS subjects
        ON
            rushes.subject = subjects.subject
            AND rushes.first_half <= subjects.half_hour
            AND rushes.last_half >= subjects.half_hour
    WHERE NOT subjects.is_past
),

counted AS (
    SELECT
        subject,
        rush,
        MIN(call_second) AS begins,
        MAX(call_second) AS ends,
        COUNT(*) AS attempts,
        COUNT(CASE WHEN is_answered THEN 1 END) AS answered,
        COALESCE(SUM(talk_seconds), 0) AS talk_seconds,
        COUNT(DISTINCT called) AS numbers,
        COUNT(DISTINCT caller) AS callers
    FROM own
    GROUP BY subject, rush
)

SELECT
    own.subject,
    CAST(NULL AS STRING) AS currency,
    counted.begins,
    counted.ends,
    CAST(own.measured AS DOUBLE) AS measured,
    CAST(
        CASE WHEN :factor * own.busiest > :min_calls THEN :factor * own.busiest ELSE :min_calls END
        AS DOUBLE
    ) AS threshold,
    own.call_id,
    counted.attempts,
    counted.answered,
    counted.numbers,
    counted.callers,
    CAST(counted.talk_seconds AS BIGINT) AS talk_seconds,
    CAST(own.past_calls AS BIGINT) AS past_calls,
    CAST(own.busiest AS BIGINT) AS past_most
FROM own
INNER JOIN counted ON own.subject = counted.subject AND own.rush = counted.rush
WHERE own.place <= :evidence
ORDER BY 1, 3, own.place

-- # ranges
-- A range has all numbers that differ in the last :digits digits. :calling is 1 for ranges of
-- callers, whose answered calls count only if they are short, and 0 for ranges of called numbers.
SELECT
    SUBSTRING(number, 1, LENGTH(number) - :digits) AS number_range,
    number,
    call_id,
    call_day,
    call_second,
    is_past,
    is_answered,
    talk_seconds,
    other
FROM (
    SELECT
        calls.*,
        CASE WHEN :calling = 1 THEN calling_number ELSE called_number END AS number,
        CASE WHEN :calling = 1 THEN called ELSE caller END AS other
    FROM {calls} AS calls
    WHERE :calling = 0 OR is_short OR NOT is_answered
) AS calls
WHERE LENGTH(number) > :digits

-- # number_range
WITH candidates AS (
    SELECT
        number_range,
        call_day
    FROM {ranges} AS numbered
    WHERE NOT is_past
    GROUP BY number_range, call_day
    HAVING COUNT(*) >= :min_numbers
),

many AS (
    SELECT
        numbered.number_range,
        numbered.call_day,
        COUNT(DISTINCT numbered.number) AS numbers
    FROM {ranges} AS numbered
    INNER JOIN candidates
        ON
            numbered.number_range = candidates.number_range
            AND numbered.call_day = candidates.call_day
    GROUP BY numbered.number_range, numbered.call_day
    HAVING COUNT(DISTINCT numbered.number) >= :min_numbers
),

past AS (
    SELECT
        number_range,
        MAX(numbers) AS most,
        SUM(attempts) AS past_calls
    FROM (
        SELECT
            numbered.number_range,
            numbered.call_day,
            COUNT(DISTINCT numbered.number) AS numbers,
            COUNT(*) AS attempts
        FROM {ranges} AS numbered
        INNER JOIN (SELECT DISTINCT number_range FROM many) AS candidates
            ON numbered.number_range = candidates.number_range
        WHERE numbered.is_past
        GROUP BY numbered.number_range, numbered.call_day
    ) AS days
    GROUP BY number_range
),

unusual AS (
    SELECT
        many.number_range,
        many.call_day,
        many.numbers,
        COALESCE(past.most, 0) AS most,
        COALESCE(past.past_calls, 0) AS past_calls
    FROM many
    LEFT JOIN past ON many.number_range = past.number_range
    WHERE many.numbers >= :factor * COALESCE(past.most, 0)
),

own AS (
    SELECT
        unusual.number_range,
        unusual.call_day,
        numbered.number,
        numbered.call_id,
        numbered.call_second,
        numbered.is_answered,
        numbered.talk_seconds,
        numbered.other
    FROM unusual
    INNER JOIN {ranges} AS numbered
        ON
            unusual.number_range = numbered.number_range
            AND unusual.call_day = numbered.call_day
    WHERE NOT numbered.is_past
),

counted AS (
    SELECT
        number_range,
        call_day,
        MIN(call_second) AS begins,
        MAX(call_second) AS ends,
        COUNT(*) AS attempts,
        COUNT(CASE WHEN is_answered THEN 1 END) AS answered,
        COALESCE(SUM(talk_seconds), 0) AS talk_seconds,
        COUNT(DISTINCT other) AS others
    FROM own
    GROUP BY number_range, call_day
),

neighbours AS (
    SELECT
        number_range,
        call_day,
        COUNT(
            CASE
                WHEN TRY_CAST(number AS BIGINT) - TRY_CAST(number_before AS BIGINT) = 1 THEN 1
            END
        ) AS sequential
    FROM (
        SELECT
            number_range,
            call_day,
            number,
            LAG(number) OVER (
                PARTITION BY number_range, call_day ORDER BY number
            ) AS number_before
        FROM (SELECT DISTINCT number_range, call_day, number FROM own) AS numbers
    ) AS pairs
    GROUP BY number_range, call_day
),

earliest AS (
    SELECT
        number_range,
        call_day,
        call_id,
        place
    FROM (
        SELECT
            number_range,
            call_day,
            call_id,
            ROW_NUMBER() OVER (
                PARTITION BY number_range, call_day ORDER BY call_second, call_id
            ) AS place
        FROM own
    ) AS placed
    WHERE place <= :evidence
)

SELECT
    unusual.number_range AS subject,
    CAST(NULL AS STRING) AS currency,
    counted.begins,
    counted.ends,
    CAST(unusual.numbers AS DOUBLE) AS measured,
    CAST(
        CASE
            WHEN :factor * unusual.most > :min_numbers THEN :factor * unusual.most
            ELSE :min_numbers
        END AS DOUBLE
    ) AS threshold,
    earliest.call_id,
    counted.attempts,
    counted.answered,
    unusual.numbers,
    neighbours.sequential,
    counted.others,
    CAST(counted.talk_seconds AS BIGINT) AS talk_seconds,
    CAST(unusual.past_calls AS BIGINT) AS past_calls,
    unusual.most
FROM unusual
INNER JOIN counted
    ON unusual.number_range = counted.number_range AND unusual.call_day = counted.call_day
INNER JOIN neighbours
    ON unusual.number_range = neighbours.number_range AND unusual.call_day = neighbours.call_day
INNER JOIN earliest
    ON unusual.number_range = earliest.number_range AND unusual.call_day = earliest.call_day
ORDER BY 1, 3, earliest.place
