"""The signals of fraud in plain Python, for comparison with the SQL, and calls with signals.

It does not use `sinchvoice.cdr.signals`, except for the names and defaults of the thresholds.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
from sinchvoice import cdr

PERIOD = "2026-11-23..2026-11-29"  # Monday to Sunday
START, UNTIL = datetime.fromisoformat("2026-11-23"), datetime.fromisoformat("2026-11-30")


@attrs.frozen
class Call:
    """A record, with the columns that the signals use."""

    layout: str
    call_id: str
    time: datetime
    result: str
    duration: int | None
    from_: str
    to: str
    amount: Decimal | None
    currency: str
    user: str

    @property
    def is_answered(self) -> bool:
        return self.result == "ANSWERED"

    @property
    def timed(self) -> int | None:
        return self.duration if self.is_answered and (self.duration or 0) >= 0 else None

    @property
    def caller(self) -> str | None:
        return (self.user if self.layout == "phone-terminated" else "") or self.from_ or None

    @property
    def called(self) -> str | None:
        return self.to or None


def file(calls: Iterable[Call]) -> bytes:
    """Return a file with these calls, layout by layout."""
    by_layout: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_layout[call.layout].append(call)
    lines = []
    for layout, own in by_layout.items():
        names = [column.name for column in cdr.LAYOUTS[layout].columns]  # type: ignore[index]
        lines.append(";".join(names))
        for call in own:
            cells = {
                "CallId": call.call_id,
                "CallTime": f"{call.time.isoformat()}Z",
                "Result": call.result,
                "Duration": "" if call.duration is None else str(call.duration),
                "From": call.from_,
                "To": call.to,
                "FromUserId": call.from_,
                "ToUserId": call.to,
                "Amount": "" if call.amount is None else str(call.amount),
                "Currency": call.currency,
                "UserId": call.user,
            }
            lines.append(";".join(cells.get(name, "") for name in names))
    return "\n".join([*lines, ""]).encode()


# --- Signals -------------------------------------------------------------------------------------


def expected(kind: str, calls: Sequence[Call], limits: Any) -> list[dict[str, Any]]:
    """Return the signals of a kind, sorted by subject, currency and start."""
    past = START - timedelta(days=limits.past_days)
    of_past = [call for call in calls if past <= call.time < START]
    now = [call for call in calls if START <= call.time < UNTIL]
    if kind == "short_calls":
        found = _short_calls(now, limits)
    elif kind == "new_destination":
        found = _new_destination(of_past, now, limits)
    elif kind == "caller_rate":
        found = _rate(of_past, now, limits, lambda call: call.caller)
    elif kind == "prefix_rate":
        found = _rate(of_past, now, limits, lambda call: _prefix(call, limits))
    else:
        found = _ranges(of_past, now, limits, calling=kind == "calling_range")
    return sorted(found, key=lambda each: (each["subject"], each["currency"] or "", each["start"]))


def _signal(
    subject: str,
    measured: float,
    threshold: float,
    calls: Iterable[Call],
    limits: Any,
    currency: str | None = None,
    **counts: Any,
) -> dict[str, Any]:
    own = sorted(calls, key=lambda call: (call.time.replace(microsecond=0), call.call_id))
    return {
        "subject": subject,
        "currency": currency,
        "start": own[0].time.replace(microsecond=0),
        "last": own[-1].time.replace(microsecond=0),
        "measured": measured,
        "threshold": threshold,
        "call_ids": tuple(call.call_id for call in own[: limits.evidence]),
        "counts": counts,
    }


def _is_short(call: Call, limits: Any) -> bool:
    return (
        call.is_answered
        and call.duration is not None
        and (0 <= call.duration <= limits.short_seconds)
    )


def _short_calls(now: Sequence[Call], limits: Any) -> Iterable[dict[str, Any]]:
    by_caller: dict[str, list[Call]] = defaultdict(list)
    for call in now:
        if call.caller:
            by_caller[call.caller].append(call)
    length = timedelta(minutes=limits.burst_minutes)
    for caller, calls in by_caller.items():
        calls.sort(key=lambda call: call.time)
        bursts: list[tuple[datetime, datetime, int]] = []
        for moment in sorted({call.time.replace(microsecond=0) for call in calls}):
            window = [
                call
                for call in calls
                if moment - length < call.time.replace(microsecond=0) <= moment
            ]
            short = sum(_is_short(call, limits) for call in window)
            if short < limits.burst_calls or short * 100 < limits.burst_share * len(window):
                continue
            if bursts and moment - bursts[-1][1] < length:
                first, _, most = bursts.pop()
                bursts.append((first, moment, max(most, short)))
            else:
                bursts.append((moment - length + timedelta(seconds=1), moment, short))
        for first, last, most in bursts:
            own = [call for call in calls if first <= call.time.replace(microsecond=0) <= last]
            if len({call.called for call in own} - {None}) < limits.burst_numbers:
                continue
            short_ones = [call for call in own if _is_short(call, limits)]
            found = _signal(
                caller,
                most,
                limits.burst_calls,
                short_ones,
                limits,
                attempts=len(own),
                answered=sum(call.is_answered for call in own),
                short=len(short_ones),
                numbers=len({call.called for call in own} - {None}),
            )
            yield found | {
                "start": min(call.time for call in own).replace(microsecond=0),
                "last": last,
            }


def digits(number: str) -> str:
    """Return a number without + or 00."""
    return number[2:] if number.startswith("00") else number.replace("+", "")


def _prefix(call: Call, limits: Any) -> str | None:
    """Return the prefix of the called number; None without one."""
    if call.layout != "phone-terminated" or not call.to:
        return None
    return digits(call.to)[: limits.prefix_digits] or None


def _new_destination(
    past: Sequence[Call], now: Sequence[Call], limits: Any
) -> Iterable[dict[str, Any]]:
    def price(calls: Iterable[Call]) -> tuple[Decimal, int]:
        """Return cost and started minutes of calls with a price and a duration."""
        cost, minutes = Decimal(0), 0
        for call in calls:
            if call.amount is not None and call.is_answered and (call.duration or -1) >= 0:
                cost += call.amount
                minutes += -(-call.duration // 60)  # type: ignore[operator]
            elif call.amount is not None and call.is_answered and call.duration == 0:
                cost += call.amount
        return cost, minutes

    seen = {_prefix(call, limits) for call in past}
    by_destination: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in now:
        where = _prefix(call, limits)
        if where is not None and call.currency and where not in seen:
            by_destination[where, call.currency].append(call)
    for (where, currency), calls in by_destination.items():
        usual_cost, usual_minutes = price(
            call for call in past if call.layout == "phone-terminated" and call.currency == currency
        )
        cost, minutes = price(calls)
        if not usual_minutes or usual_cost <= 0 or not minutes:
            continue
        usual, own = float(usual_cost) / usual_minutes, float(cost) / minutes
        if (
            len(calls) >= limits.destination_calls
            and minutes >= limits.destination_minutes
            and own >= usual * limits.destination_factor
        ):
            yield _signal(
                where,
                own / usual,
                limits.destination_factor,
                calls,
                limits,
                currency,
                attempts=len(calls),
                answered=sum(call.is_answered for call in calls),
                callers=len({call.caller for call in calls} - {None}),
                started_minutes=minutes,
                cost=sum((call.amount or Decimal(0) for call in calls), Decimal(0)),
                price=own,
                usual_price=usual,
            )


def _half(call: Call) -> datetime:
    return call.time.replace(minute=call.time.minute // 30 * 30, second=0, microsecond=0)


def _hours(halves: Iterable[datetime]) -> dict[datetime, int]:
    """Return the number of calls in each hour, by its second half, if that has calls."""
    counts = Counter(halves)
    return {half: count + counts[half - timedelta(minutes=30)] for half, count in counts.items()}


def _rate(
    past: Sequence[Call], now: Sequence[Call], limits: Any, subject: Callable[[Call], str | None]
) -> Iterable[dict[str, Any]]:
    before: dict[str | None, list[datetime]] = defaultdict(list)
    for call in past:
        before[subject(call)].append(_half(call))
    by_subject: dict[str | None, list[Call]] = defaultdict(list)
    for call in now:
        by_subject[subject(call)].append(call)
    for who, calls in by_subject.items():
        most = max(_hours(before[who]).values(), default=0)
        threshold = max(limits.rate_calls, limits.rate_factor * most)
        hours = _hours(map(_half, calls))
        rushes: list[list[datetime]] = []
        for half in sorted(hours):
            if who is not None and hours[half] >= threshold:
                if rushes and half - rushes[-1][-1] <= timedelta(hours=1):
                    rushes[-1].append(half)
                else:
                    rushes.append([half])
        for rush in rushes:
            first = rush[0] - timedelta(minutes=30)
            own = [call for call in calls if first <= _half(call) <= rush[-1]]
            yield _signal(
                who or "",
                max(hours[half] for half in rush),
                threshold,
                own,
                limits,
                attempts=len(own),
                answered=sum(call.is_answered for call in own),
                numbers=len({call.called for call in own} - {None}),
                callers=len({call.caller for call in own} - {None}),
                talk_seconds=sum(call.timed or 0 for call in own),
                past_calls=len(before[who]),
                past_most=most,
            )


def _ranges(
    past: Sequence[Call], now: Sequence[Call], limits: Any, *, calling: bool
) -> Iterable[dict[str, Any]]:
    layout = "phone-originated" if calling else "phone-terminated"

    def number(call: Call) -> str:
        return digits(call.from_ if calling else call.to)

    def days(calls: Sequence[Call]) -> dict[tuple[str, Any], list[Call]]:
        found: dict[tuple[str, Any], list[Call]] = defaultdict(list)
        for call in calls:
            counts = not calling or _is_short(call, limits) or not call.is_answered
            if call.layout == layout and counts and len(number(call)) > limits.range_digits:
                found[number(call)[: -limits.range_digits], call.time.date()].append(call)
        return found

    most: dict[str, int] = defaultdict(int)
    before: Counter[str] = Counter()
    for (where, _), calls in days(past).items():
        most[where] = max(most[where], len(set(map(number, calls))))
        before[where] += len(calls)
    for (where, _), calls in days(now).items():
        numbers = set(map(number, calls))
        threshold = max(limits.range_numbers, limits.range_factor * most[where])
        if len(numbers) >= threshold:
            sides = {call.called if calling else call.caller for call in calls} - {None}
            others: dict[str, Any] = {"called" if calling else "callers": len(sides)}
            yield _signal(
                where,
                len(numbers),
                threshold,
                calls,
                limits,
                attempts=len(calls),
                answered=sum(call.is_answered for call in calls),
                numbers=len(numbers),
                sequential=sum(
                    each.isdigit() and str(int(each) - 1).zfill(len(each)) in numbers
                    for each in numbers
                ),
                **others,
                talk_seconds=sum(call.timed or 0 for call in calls),
                past_calls=before[where],
                past_most=most[where],
            )


# --- Calls ---------------------------------------------------------------------------------------


def noise(count: int, seed: int) -> list[Call]:
    """Return random calls of every kind, dense enough for low thresholds."""
    dice = random.Random(seed)
    pick = dice.choice
    calls = []
    for number in range(count):
        layout = pick(("phone-terminated",) * 3 + ("phone-originated", "app-to-app"))
        seconds = pick((0, 86_399, 3_600, 43_200)) + dice.randrange(900)
        moment = START + timedelta(days=dice.randrange(12) - 4, seconds=seconds)
        priced = layout != "app-to-app" and dice.random() < 0.7
        caller = pick(("", *(f"+46730170{n:03}" for n in range(6)), "0046730170007", "anonymous"))
        prefix = pick(("+4673", "4673", "004673", "+1212", "1212", "+8821", "8821"))
        called = f"{prefix}017{dice.randrange(pick((30, 30, 1000))):03}"
        if dice.random() < 0.1:
            called = pick(("", "+", "00", "+12", "12125550101"))
        if layout == "app-to-app":
            caller, called = pick(("alice", "bob", "")), pick(("carol", "dave"))
        calls.append(
            Call(
                layout=layout,
                call_id=f"{seed}-{number:06}",
                time=moment.replace(microsecond=pick((0, 0, 999_999))),
                result=pick(("ANSWERED", "ANSWERED", "BUSY", "FAILED", "")),
                duration=pick((None, -1, 0, 1, 6, 7, 60, 61, 300)),
                from_=caller,
                to=called,
                amount=Decimal(pick(("0.01", "0.5", "2", "0"))) if priced else None,
                currency=pick(("EUR", "USD", "SEK", "GBP", "JPY", "")) if priced else "",
                user=pick(("alice", "bob", "")) if layout == "phone-terminated" else "",
            )
        )
    return calls


@attrs.frozen
class World:
    """Calls of five weeks, with planted fraud and innocent look-alikes in the last one.

    Attributes:
        calls: The calls.
        truth: Kind and subject of each planted fraud.
        innocents: Kind and subject of each look-alike.
    """

    calls: list[Call] = attrs.field(factory=list)
    truth: set[tuple[str, str]] = attrs.field(factory=set)
    innocents: set[tuple[str, str]] = attrs.field(factory=set)


class Maker:
    """Makes a world, which is the same for the same seed."""

    usual = (("46730", "0.04"), ("12125", "0.01"), ("49301", "0.02"), ("44790", "0.03"))

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = World()

    def call(self, moment: datetime, user: str, to: str, seconds: int, **given: Any) -> None:
        """Add an answered call of a user, at 0.02 a started minute unless a price is given."""
        price = Decimal(given.pop("price", "0.02"))
        values = {
            "layout": "phone-terminated",
            "call_id": f"{len(self.world.calls):06}",
            "time": moment,
            "result": "ANSWERED",
            "duration": seconds,
            "from_": "+12125550100",
            "to": to,
            "amount": price * -(-seconds // 60),
            "currency": "EUR",
            "user": user,
        }
        self.world.calls.append(Call(**{**values, **given}))

    def received(self, moment: datetime, number: str, seconds: int) -> None:
        """Add a call from a number to the application; unanswered if it has no seconds."""
        self.call(
            moment,
            "",
            "+12125550199",
            seconds,
            layout="phone-originated",
            from_=number,
            result="ANSWERED" if seconds else "NOANSWER",
        )

    def planted(self, kind: str, subject: str) -> str:
        self.world.truth.add((kind, subject))
        return subject

    def innocent(self, kind: str, subject: str) -> str:
        self.world.innocents.add((kind, subject))
        return subject

    def talk(self) -> int:
        """Return the seconds of an ordinary call; one of ten is short."""
        dice = self.dice
        return dice.randrange(1, 7) if dice.random() < 0.1 else 7 + int(dice.expovariate(1 / 120))

    def number(self, prefix: str, digits: int = 6) -> str:
        return f"+{prefix}{self.dice.randrange(10**digits):0{digits}}"

    def ordinary(self) -> None:
        """Fifty users at work, who call five times as often on Monday from nine to ten."""
        dice = self.dice
        for day in range(-28, 7):
            date = START + timedelta(days=day)
            if date.weekday() > 4:
                continue
            for user in range(50):
                for _ in range(dice.randrange(3, 7)):
                    prefix, price = dice.choice(self.usual)
                    moment = date + timedelta(seconds=dice.randrange(8 * 3600, 17 * 3600))
                    to = self.number(prefix)
                    self.call(moment, f"user-{user}", to, self.talk(), price=price)
                if date.weekday() == 0:
                    for _ in range(8):
                        moment = date + timedelta(hours=9, seconds=dice.randrange(3600))
                        self.call(moment, f"user-{user}", self.number("46730"), self.talk())
            for _ in range(40):
                moment = date + timedelta(seconds=dice.randrange(8 * 3600, 17 * 3600))
                self.received(moment, self.number("4670", 7), self.talk())
        self.innocent("prefix_rate", "46730")

    def fraud(self) -> None:
        """Add every kind of fraud."""
        dice = self.dice
        for number in range(6):  # robots, and one that is too slow
            user = self.planted("short_calls", f"robot-{number}")
            pause = 90 if number == 5 else 12
            moment = START + timedelta(days=number, hours=3, minutes=55)
            for _ in range(45):
                moment += timedelta(seconds=pause)
                self.call(moment, user, self.number("46730"), dice.randrange(1, 6))
            self.planted("caller_rate", user)
        for number in range(3):  # stolen accounts that talk
            user = self.planted("caller_rate", f"stolen-{number}")
            for _ in range(60):
                moment = START + timedelta(days=5, hours=number, seconds=dice.randrange(3600))
                self.call(moment, user, self.number("49301"), 60 + dice.randrange(600))
        for number in range(4):  # expensive destinations, called by several users
            where = self.planted("new_destination", f"8821{number}")
            for call in range(6):
                moment = START + timedelta(days=1, hours=number, minutes=9 * call)
                self.call(moment, f"user-{call}", self.number(where), 200, price="1.5")
        for number in range(3):  # a range of premium numbers, in the evening
            where = self.planted("called_range", f"25261{number}555")
            for last in range(100, 160):
                moment = START + timedelta(days=2, hours=18, seconds=37 * last)
                self.call(moment, f"user-{last % 9}", f"+{where}{last}", 120, price="0.05")
        self.planted("prefix_rate", "25261")
        for number in range(2):  # fifty users on one prefix
            where = self.planted("prefix_rate", f"2257{number}")
            for call in range(150):
                moment = START + timedelta(days=3, hours=number, seconds=24 * call)
                self.call(moment, f"user-{call % 50}", self.number(where), 30)
        for number in range(3):  # short calls that invite an expensive call back
            where = self.planted("calling_range", f"37160{number}777")
            for last in dice.sample(range(1000), 70):
                moment = START + timedelta(days=4, hours=2, seconds=dice.randrange(7200))
                self.received(moment, f"+{where}{last:03}", 0 if last % 3 else 2)

    def look_alikes(self) -> None:
        """Add look-alikes of fraud; the last two are found as fraud."""
        dice = self.dice
        for day in range(-28, 7):
            date = START + timedelta(days=day)
            if date.weekday() > 4:
                continue
            for call in range(240):  # a campaign with voice mails
                moment = date + timedelta(hours=10, seconds=30 * call)
                to = self.number(dice.choice(self.usual)[0])
                self.call(moment, "campaign", to, 4 if dice.random() < 0.3 else self.talk())
            for last in range(30):  # a company with a range, and its staff who call
                moment = date + timedelta(hours=9, seconds=dice.randrange(28_000))
                self.call(moment, f"user-{last}", f"+46850555{last:03}", self.talk())
                self.received(moment, f"+46850777{last:03}", 60 + self.talk())
            if date.weekday() == 2:  # a weekly conference
                for member in range(45):
                    moment = date + timedelta(hours=15, seconds=member)
                    self.call(moment, "host", self.number("12125"), 1800)
        for kind in ("short_calls", "caller_rate"):
            self.innocent(kind, "campaign")
            self.innocent(kind, "host")
        self.innocent("called_range", "46850555")
        self.innocent("calling_range", "46850777")
        self.innocent("new_destination", "41443")
        for call in range(12):  # a new country at its usual price
            moment = START + timedelta(days=1, hours=11, minutes=call)
            self.call(moment, "user-1", self.number("41443"), 240, price="0.06")
        self.innocent("short_calls", "fax")
        self.innocent("caller_rate", "fax")
        for retry in range(36):  # a fax that retries one number
            moment = START + timedelta(days=3, hours=14, seconds=25 * retry)
            self.call(moment, "fax", "+46730170101", 5)
        self.innocent("short_calls", "new-host")
        self.innocent("caller_rate", "new-host")
        for member in range(45):  # the first conference of its host
            moment = START + timedelta(days=4, hours=15, seconds=member)
            self.call(moment, "new-host", self.number("12125"), 1800)


def world(seed: int) -> World:
    """Return a world with fraud and look-alikes."""
    maker = Maker(seed)
    maker.ordinary()
    maker.fraud()
    maker.look_alikes()
    return maker.world


class Described(Maker):
    """A second world, made from descriptions of fraud and of business before any result was seen.

    Nothing in it was chosen by the thresholds, so the signals miss some of it.
    """

    def business(self) -> None:
        """Users of an office, a support line, and what happens there in a particular week."""
        dice = self.dice
        for day in range(-28, 7):
            date = START + timedelta(days=day)
            if date.weekday() > 4:
                continue
            for user in range(80):
                for _ in range(dice.randrange(2, 9)):
                    prefix, price = dice.choice(self.usual)
                    moment = date + timedelta(seconds=dice.randrange(8 * 3600, 18 * 3600))
                    self.call(moment, f"desk-{user}", self.number(prefix), self.talk(), price=price)
            # Support makes twenty calls an hour, and fifty on the Monday of a sale.
            rate = 50 if day == 0 else 20
            for call in range(rate * 8):
                moment = date + timedelta(hours=9, seconds=call * 3600 // rate)
                self.call(moment, "support", self.number("46730"), self.talk())
            if date.weekday() == 4:  # reminders of the next week's appointments, mostly voice mail
                for call in range(90):
                    moment = date + timedelta(hours=16, seconds=20 * call)
                    self.call(moment, "reminders", self.number("46730"), dice.choice((3, 4, 5, 40)))
        for kind in ("short_calls", "caller_rate"):
            for user in ("support", "reminders", "new-hire", "deliveries"):
                self.innocent(kind, user)
        for call in range(35):  # the first morning of a salesperson
            moment = START + timedelta(days=1, hours=9, seconds=95 * call)
            self.call(moment, "new-hire", self.number("12125"), self.talk())
        for call in range(25):  # a courier announces parcels with short calls, in an hour
            moment = START + timedelta(days=2, hours=10, seconds=140 * call)
            self.call(moment, "deliveries", self.number("46730"), 5)
        self.innocent("called_range", "49890221")
        for last in range(25):  # a branch opens, and colleagues call its extensions
            moment = START + timedelta(days=3, hours=9, seconds=600 * last)
            self.call(moment, f"desk-{last}", f"+49890221{last:03}", self.talk())
        self.innocent("new_destination", "35822")
        for call in range(8):  # a customer in a country at three times the usual price
            moment = START + timedelta(days=1, hours=12, minutes=9 * call)
            self.call(moment, "desk-1", self.number("35822"), 300, price="0.09")
        self.innocent("calling_range", "46855533")
        for last in range(18):  # a school's phones, after a fire drill
            moment = START + timedelta(days=3, hours=13, seconds=11 * last)
            self.received(moment, f"+46855533{last:03}", 0)

    def frauds(self) -> None:
        """Frauds as guides for carriers describe them."""
        dice = self.dice
        for number in range(3):  # one ring to hundreds of phones at night, to be called back
            user = self.planted("caller_rate", f"ring-{number}")
            for call in range(200):
                moment = START + timedelta(days=number, hours=2, seconds=12 * call)
                answered = dice.random() < 0.1
                result = "ANSWERED" if answered else "NOANSWER"
                seconds = 1 if answered else 0
                self.call(moment, user, self.number("46730"), seconds, result=result)
        for number in range(3):  # a stolen account calls satellites through a weekend night
            where = self.planted("new_destination", f"8818{number}")
            for call in range(25):
                moment = START + timedelta(days=5, hours=1 + number, minutes=7 * call)
                self.call(moment, f"desk-{number}", self.number(where), 900, price="1.2")
        for number in range(2):  # a few calls to an expensive country, not to be noticed
            where = self.planted("new_destination", f"6745{number}")
            for call in range(4):
                moment = START + timedelta(days=2, hours=10 + number, minutes=15 * call)
                self.call(moment, "desk-60", self.number(where), 180, price="0.4")
        where = self.planted("new_destination", "24390")  # tried by one call three weeks before
        self.call(START - timedelta(days=20), "desk-9", self.number(where), 60, price="0.9")
        for call in range(20):
            moment = START + timedelta(days=6, hours=3, minutes=8 * call)
            self.call(moment, "desk-9", self.number(where), 420, price="0.9")
        for number in range(2):  # machines that make short calls, one a minute for hours
            user = self.planted("short_calls", f"dialer-{number}")
            self.planted("caller_rate", user)
            for call in range(300):
                moment = START + timedelta(days=4 + number, hours=1, seconds=60 * call)
                self.call(moment, user, self.number("44790"), dice.randrange(1, 5))
        for number in range(3):  # faster ones
            user = self.planted("short_calls", f"blaster-{number}")
            self.planted("caller_rate", user)
            for call in range(80):
                moment = START + timedelta(days=number, hours=20, seconds=7 * call)
                self.call(moment, user, self.number("44790"), dice.randrange(0, 7))
        user = self.planted("short_calls", "tester")  # test calls to three numbers
        self.planted("caller_rate", user)
        for call in range(60):
            moment = START + timedelta(days=1, hours=4, seconds=15 * call)
            self.call(moment, user, f"+4912345678{call % 3}", 2)
        for number in range(2):  # pumped traffic to the numbers of a rural exchange
            where = self.planted("called_range", f"1712432{number}")
            for call in range(120):
                moment = START + timedelta(days=3 + number, hours=8, seconds=240 * call)
                self.call(moment, f"desk-{call % 40}", f"+{where}{call % 60:03}", 1500)
        self.planted("prefix_rate", "17124")  # fifteen calls an hour to it
        for number in range(2):  # calls from many numbers that end at the first ring
            where = self.planted("calling_range", f"22178{number}4")
            for last in dice.sample(range(1000), 25):
                moment = START + timedelta(days=4, hours=2, seconds=dice.randrange(3600))
                self.received(moment, f"+{where}{last:03}", 0)


def described_world(seed: int) -> World:
    """Return the world of descriptions."""
    maker = Described(seed)
    maker.business()
    maker.frauds()
    return maker.world
