"""Numbers and dates as the report writes them: one way each, so that two pages never disagree."""

from __future__ import annotations

from datetime import date, datetime

NO_BREAK = "\u00a0"
MINUS = "\u2212"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def count(number: int) -> str:
    """``13,539``."""
    return f"{number:,}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 event``, ``2 events``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def spelled(number: int, noun: str, plural: str = "") -> str:
    """``One matter``, ``Two matters``: a count at the head of a sentence, in words up to twelve."""
    words = ["No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve"]
    name = noun if number == 1 else plural or noun + "s"
    return f"{words[number] if number < len(words) else f'{number:,}'} {name}"


def percent(share: float | None) -> str:
    """``12.4 %`` of a share from 0 to 1; whole where it is 0, 100 or not known to the tenth."""
    if share is None:
        return "n/a"
    if 0 < share < 0.001:
        return f"<0.1{NO_BREAK}%"
    if 0.999 < share < 1:
        return f">99.9{NO_BREAK}%"
    text = f"{share * 100:.1f}".removesuffix(".0")
    return f"{text}{NO_BREAK}%"


def tenths(share: float | None) -> str:
    """``25.0 %`` of a share from 0 to 1: to the tenth also where that is 0, for what stands beside other shares."""
    text = percent(share)
    is_whole = share is not None and 0.0005 <= share < 0.9995 and "." not in text
    return text.replace(NO_BREAK, f".0{NO_BREAK}") if is_whole else text


def change(ratio: float | None, *, was: int, now: int) -> str:
    """The change against the period before: ``+6 %``, ``new``, ``none``."""
    if was == 0:
        return "new" if now else f"0{NO_BREAK}%"
    ratio = now / was - 1 if ratio is None else ratio
    if ratio >= 9.995:
        return f"\u00d7{NO_BREAK}{now / was:,.0f}"
    return signed(ratio)


def signed(ratio: float) -> str:
    """``+6 %`` of a change as a part of what was."""
    whole = round(ratio * 100)
    sign = "+" if whole > 0 else MINUS if whole < 0 else ""
    return f"{sign}{abs(whole):,}{NO_BREAK}%"


def day(value: date) -> str:
    """``22 October 2026``."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def short_day(value: date) -> str:
    """``22 Oct``."""
    return f"{value.day} {_MONTHS[value.month - 1][:3]}"


def moment(value: datetime) -> str:
    """``22 October 2026, 06:00 UTC``."""
    return f"{day(value.date())}, {value:%H:%M} UTC"


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def days_listed(days: list[date]) -> str:
    """Days as ranges: ``3 to 5 and 9 October 2026``; ranges of several months name each."""
    ranges: list[tuple[date, date]] = []
    for value in sorted(days):
        if ranges and (value - ranges[-1][1]).days == 1:
            ranges[-1] = (ranges[-1][0], value)
        else:
            ranges.append((value, value))
    one_month = len({(value.year, value.month) for value in days}) == 1
    if one_month:
        parts = [f"{a.day}" if a == b else f"{a.day} to {b.day}" for a, b in ranges]
        return f"{listed(parts)} {_MONTHS[days[0].month - 1]} {days[0].year}"
    return listed([day(a) if a == b else f"{day(a)} to {day(b)}" for a, b in ranges])
