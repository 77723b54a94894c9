#!/usr/bin/env python3
# usage: tests/vectors/make_decimals.py > tests/vectors/decimals.def
# Known answers for the comparison of decimal texts, by Python's decimal. The same seed gives the same rows.
import random
from decimal import Context, Decimal

rng = random.Random(20260102)


def digits(low, high):
    return "".join(rng.choice("0000123456789") for _ in range(rng.randint(low, high)))


def number():
    text = rng.choice(["", "-"]) + (digits(0, 25).lstrip("0") or "0")
    if rng.random() < 0.5:
        text += "." + digits(1, 25)
    if rng.random() < 0.5:
        text += rng.choice("eE") + rng.choice(["", "+", "-"]) + rng.choice([digits(1, 2), digits(1, 4)])
    return text


def same_value(text):
    """Another spelling of the number, or a neighbour of it."""
    value = Decimal(text)
    sign, all_digits, exponent = value.as_tuple()
    whole = "".join(map(str, all_digits)).lstrip("0") or "0"
    zeros = rng.randrange(4)
    last = rng.choice(["", "", "1", "01"])
    shift = zeros + len(last)
    return f'{"-" * sign}{whole}{"0" * zeros}{last}e{exponent - shift}'


print("// Made by tests/vectors/make_decimals.py with Python's decimal; do not edit.")
print("// COMPARE(a, b, sign of a - b)")
for n in range(3000):
    a = number()
    b = number() if n % 3 == 0 else same_value(a)
    order = int(Context(prec=12000).compare(Decimal(a), Decimal(b)))
    print(f'COMPARE("{a}", "{b}", {order})')
