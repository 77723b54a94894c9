#!/usr/bin/env python3
# usage: tests/vectors/make_times.py > tests/vectors/times.def
# Known answers for timestamps, by Python's datetime and zoneinfo. The same seed gives the same rows
# (with the same tzdata). Local times are read with fold=0, which is java.time's rule: the earlier
# offset in an overlap, moved forward by its length in a gap.
import random
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

rng = random.Random(20260101)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
ZONES = {
    "AMSTERDAM": "Europe/Amsterdam",  # an hour in summer
    "NEW_YORK": "America/New_York",  # west
    "LORD_HOWE": "Australia/Lord_Howe",  # half an hour in summer
    "KATHMANDU": "Asia/Kathmandu",  # a quarter of an hour off
    "APIA": "Pacific/Apia",  # left out 30 December 2011
}
FIRST, LAST = datetime(1900, 1, 1, tzinfo=timezone.utc), datetime(2040, 1, 1, tzinfo=timezone.utc)


def ms_of(when):
    return (when - EPOCH) // timedelta(milliseconds=1)


def offset_at(zone, utc):
    # Seconds, as offsets of local mean time are not whole minutes.
    return utc.astimezone(zone).utcoffset() // timedelta(seconds=1)


def steps_of(zone):
    """(UTC seconds, offset) of every change of offset between FIRST and LAST."""
    steps, at = [(None, offset_at(zone, FIRST))], FIRST
    while at < LAST:
        after = at + timedelta(hours=12)
        if offset_at(zone, after) != offset_at(zone, at):
            low, high = ms_of(at) // 1000, ms_of(after) // 1000
            while high - low > 1:
                middle = (low + high) // 2
                if offset_at(zone, EPOCH + timedelta(seconds=middle)) == steps[-1][1]:
                    low = middle
                else:
                    high = middle
            steps.append((high, offset_at(zone, EPOCH + timedelta(seconds=high))))
        at = after
    return steps


def offset_text(minutes, separator=":"):
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{separator}{abs(minutes) % 60:02}"


def random_time(first_year=1, last_year=9999):
    first, last = datetime(first_year, 1, 1), datetime(last_year, 12, 31, 23, 59, 59, 999999)
    return first + timedelta(microseconds=rng.randrange((last - first) // timedelta(microseconds=1)))


def iso(when):
    # strftime leaves out the zeros of early years on some hosts
    return f"{when.year:04}-{when.month:02}-{when.day:02}", f"{when.hour:02}:{when.minute:02}:{when.second:02}"


def rfc3339_rows():
    for n in range(2000):
        when = random_time(2, 9998) if n % 2 else random_time(1960, 2060)
        date, clock = iso(when)
        digits = rng.choice([0, 0, 1, 2, 3, 4, 6, 9, 12])
        fraction = f"{when.microsecond:06}000000"[:digits]
        minutes = rng.choice([None, 0, rng.randrange(-1439, 1440)])
        offset = rng.choice("Zz") if minutes is None else offset_text(minutes)
        whole = when.replace(microsecond=int(fraction.ljust(6, "0")[:6]), tzinfo=timezone.utc)
        ms = ms_of(whole - timedelta(minutes=minutes or 0))
        print(f'RFC3339("{date}{rng.choice("Tt ")}{clock}{"." * (digits > 0)}{fraction}{offset}", INT64_C({ms}))')


def spellings(when, zone_name):
    """(pattern, text, the time that the text names) of a local time."""
    date, clock = iso(when)
    second, minute = when.replace(microsecond=0), when.replace(second=0, microsecond=0)
    month = when.strftime("%B")
    half = "AM" if when.hour < 12 else "PM"
    hour = when.hour % 12 or 12
    yield "SPACE", f"{date} {clock}", second
    yield "SLASHES", f"{when.month}/{when.day}/{when.year:04} {when.hour}:{when.minute}", minute
    yield "COMPACT", f"{date}{clock}{when.microsecond // 1000:03}".replace("-", "").replace(":", ""), when
    yield "AMPM", f"{month[:3]} {when.day}, {when.year:04} {hour}:{clock[3:]} {half}", second
    yield "LONG", f"{when.strftime('%A')}, {when.day} {month} {when.year:04} {clock[:5]} {zone_name}", minute
    if 2000 <= when.year <= 2099:
        yield "SHORT_YEAR", f"{date[8:]}/{date[5:7]}/{date[2:4]} {clock[:5]}", minute


def near_steps(steps):
    """Local times around every change: before, in and after gaps and overlaps."""
    for at, offset in steps[1:]:
        for shift in (-7200, -3600, -1801, -1800, -1, 0, 1, 1799, 1800, 3599, 3600, 7200, 86399):
            yield datetime(1970, 1, 1) + timedelta(seconds=at + offset + shift)


def local_rows():
    for name, zone_name in ZONES.items():
        zone = ZoneInfo(zone_name)
        steps = steps_of(zone)
        for at, offset in steps:
            print(f"ZONE_STEP({name}, {'INT64_MIN' if at is None else f'INT64_C({at})'}, {offset})")
        near = list(near_steps(steps))
        times = rng.sample(near, min(len(near), 400)) + [random_time(1905, 2035) for _ in range(200)]
        for when in times:
            pattern, text, named = rng.choice(list(spellings(when, zone_name)))
            ms = ms_of(named.replace(tzinfo=zone).astimezone(timezone.utc))
            print(f'LOCAL({name}, {pattern}, "{text}", INT64_C({ms}))')


def offset_rows():
    for _ in range(300):
        when = random_time(1900, 2100)
        date, clock = iso(when)
        minutes = rng.randrange(-1080, 1081)
        utc = when.replace(tzinfo=timezone.utc) - timedelta(minutes=minutes)
        offset = offset_text(minutes, rng.choice(["", ":"]))
        nanos = rng.randrange(1000000)
        print(f'OFFSET(NANO, "{date} {clock.replace(":", ".")}.{nanos:06}:{offset}", '
              f"INT64_C({ms_of(utc.replace(microsecond=0))}))")
        print(f'OFFSET(ORDINAL, "{date[:4]}-{when.timetuple().tm_yday:03}T{clock}{offset}", '
              f"INT64_C({ms_of(utc.replace(microsecond=0))}))")


print("// Made by tests/vectors/make_times.py with Python's datetime and zoneinfo; do not edit.")
print("// RFC3339(text, ms) · ZONE_STEP(zone, UTC s, offset s) · LOCAL(zone, pattern, text, ms) · OFFSET(pattern, text, ms)")
rfc3339_rows()
local_rows()
offset_rows()
