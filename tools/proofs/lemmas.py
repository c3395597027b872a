"""Lemmas about the engine's arithmetic for every operand, by the SMT solver Z3 (package `z3-solver`).

    python tools/proofs/lemmas.py          # a JSON object a lemma: lemma, function, test, cases, proved

A lemma is proved if its negation has no solution. Each names the Rust function that it is about, and the test that
ties the formula here to that function; `cargo xtask prove` runs both.
"""

import json
import sys

from z3 import And, BitVec, BitVecVal, Extract, If, Int, Ints, LShR, Not, SignExt, Solver, ZeroExt, unsat


def valid(*goals, given=()):
    """Whether all goals hold for all operands for which `given` hold."""
    for goal in goals:
        solver = Solver()
        solver.add(*given)
        solver.add(Not(goal))
        if solver.check() != unsat:
            return False
    return True


def within(x, low, high):
    return And(x >= low, x <= high)


def rule(x, shift, bits):
    """floor(x / 2^shift + 1/2) with room to spare."""
    wide = SignExt(bits, x)
    half = BitVecVal((1 << shift) >> 1, 2 * bits)
    return (wide + half) >> shift


def round_shift():
    x = BitVec("x", 64)
    for shift in range(0, 65):
        if shift == 0:
            found = x
        else:
            twice = x >> (shift - 1)
            found = (twice >> 1) + (twice & 1)
        if not valid(SignExt(64, found) == rule(x, shift, 64)):
            return 0
    return 65


def shift_by():
    x, cases = BitVec("x", 32), 0
    low, high = BitVecVal(-(1 << 31), 64), BitVecVal((1 << 31) - 1, 64)
    for shift in range(-31, 32):
        if shift > 0:
            found = ((x >> (shift - 1)) >> 1) + ((x >> (shift - 1)) & 1)
            expected = rule(x, shift, 32)
        else:
            wide = SignExt(32, x) << -shift
            expected = If(wide > high, high, If(wide < low, low, wide))
            found = Extract(31, 0, expected)
            # The product fits 64 bits, so the saturation sees all of it.
            if not valid(wide >> -shift == SignExt(32, x)):
                return 0
        if not valid(SignExt(32, found) == expected):
            return 0
        cases += 1
    return cases


def row_shift():
    x, cases = BitVec("x", 32), 0
    for shift in range(-31, 33):
        up, down = (-shift, 0) if shift < 0 else (0, min(shift, 31))
        half = BitVecVal((1 << down) >> 1, 32)
        found = ((x << up) + half) >> down
        # Below 2^30 in magnitude once it is shifted to the left, or -2^30.
        most = (1 << 30) >> up
        given = [within(x, BitVecVal(-most, 32), BitVecVal(max(most - 1, 0), 32))]
        if shift < 0:
            expected = SignExt(32, x) << up
        elif shift >= 32:
            expected = BitVecVal(0, 64)
        else:
            expected = rule(x, shift, 32)
        if not valid(SignExt(32, found) == expected, given=given):
            return 0
        cases += 1
    return cases


def halves():
    """A halfword, and what is read from it: itself, the even weight (its low byte), the odd one."""
    half = BitVec("half", 16)
    h, even = SignExt(16, half), SignExt(24, Extract(7, 0, half))
    return h, even, (h - even) >> 8


def packing():
    """A halfword 256·odd + even gives its weights back, and with the lanes [odd input, 256·even input - odd input]
    256 times the sum of the two products."""
    w0, w1 = BitVec("w0", 32), BitVec("w1", 32)
    given = [within(v, BitVecVal(-127, 32), BitVecVal(127, 32)) for v in (w0, w1)]
    h, even, odd = halves()
    made = [*given, Extract(15, 0, 256 * w1 + w0) == Extract(15, 0, h)]
    decoded = valid(h == 256 * w1 + w0, even == w0, odd == w1, given=made)
    # The identity, products of a weight and an input as unknowns: h·x1 = 256·w1x1 + w0x1.
    w1x1, w0x1, w0x0 = Ints("w1x1 w0x1 w0x0")
    identity = valid((256 * w1x1 + w0x1) + (256 * w0x0 - w0x1) == 256 * (w1x1 + w0x0))
    x0, x1 = Ints("x0 x1")
    inputs = [within(x, -127, 127) for x in (x0, x1)]
    lanes = valid(within(256 * x0 - x1, -(1 << 15), (1 << 15) - 1), given=inputs)
    return 5 * (decoded and identity and lanes)


def forged_packing():
    """The same of any halfword: h = 256·odd + even always, odd within -128 … 128; so 512 inputs stay below 2^31."""
    h, even, odd = halves()
    decoded = valid(
        h == 256 * odd + even,
        within(odd, BitVecVal(-128, 32), BitVecVal(128, 32)),
        within(even, BitVecVal(-128, 32), BitVecVal(127, 32)),
    )
    pair = 256 * (128 * 127 + 128 * 127)
    return 4 * (decoded and 256 * pair <= (1 << 31) - 1)


def requantize():
    """The product of two numbers of 32 bits is exact in 64: |a|, |m| <= 2^31, and a product is largest at the ends."""
    x, y, product = Ints("x y product")
    limit = 1 << 31
    # x·y <= limit·y for 0 <= x <= limit
    given = [within(x, 0, limit), within(y, 0, limit), product >= 0, product <= limit * y]
    return 1 * valid(product <= 1 << 62, given=given)


def scale():
    """15 significant bits, rounded, fit 16 bits and are 0 for 0 only; the error is below half a unit."""
    value, cases = BitVec("value", 32), 0
    for zeros in range(0, 32):
        shift = 17 - zeros
        top = 31 - zeros
        given = [LShR(value, top) == 1]
        if shift > 0:
            mantissa = LShR(LShR(value, shift - 1) + 1, 1)
            error = (ZeroExt(32, mantissa) << shift) - ZeroExt(32, value)
            half = BitVecVal(1 << (shift - 1), 64)
        else:
            mantissa = value << -shift
            error = ZeroExt(32, LShR(mantissa, -shift)) - ZeroExt(32, value)
            half = BitVecVal(0, 64)
        fits = And(mantissa >= 1 << 14, mantissa <= 1 << 15)
        if not valid(fits, within(error, -half, half), given=given):
            return 0
        cases += 1
    return cases


def linear_layout():
    """A linear layer is not longer than its part of `Layout::total`, (out + 32) · (in + 40): products as unknowns."""
    out, inputs, product = Ints("out in product")
    # (out + 3) · (in + 3), the padded matrix at most, with out · in as an unknown of its own.
    matrix = product + 3 * out + 3 * inputs + 9
    length = 16 + matrix + 15 + 2 * (2 * (out + 3) + 15)
    bound = product + 40 * out + 32 * inputs + 32 * 40
    return 1 * valid(length <= bound, given=[out >= 1, inputs >= 1, product >= 1])


def total():
    """`Layout::total` in 64 bits, and every place of a layout that it lets through in 32, do not wrap."""
    d, q, kv, ff = 8192 + 32, 8192, 8192, 8192
    linear = (q + 2 * kv + 32) * (d + 8) * 2 + 3 * (ff + 32) * (d + 8) + 16 * d
    positions = (1 << 20) + (1 << 16)
    tables = (2 * (1 << 20) + 2 * positions + (1 << 20) + 64) * (d + 8)
    relative = 256 * (2 * (1 << 12) + 1) * 2 + 64
    most = linear * (256 + 2 * 256) + tables + 4 * relative + (d + 8) * d
    return 2 * (most < 1 << 63 and (1 << 30) + 2 * ((1 << 29) + 16) < 1 << 32)


def caches():
    """Products of `Config::validate` and of `Config::keys` in 32 bits, sums in 64."""
    rows = (1 << 20) + 15  # cache_rows of the longest context
    target = (1 << 16) + 15
    source = 256 * rows
    decoder, hypotheses = 256 * rows, 8 * 256 * target
    width = 8192 + 256
    sums = [rows + source, decoder + source, hypotheses + source]
    fits = all(x < 1 << 32 for x in [source, decoder, hypotheses, *sums, 256 * 256, 256 * 8193 * 2])
    return 3 * (fits and max(sums) * width < 1 << 64 and (1 << 20) * 8192 < 1 << 64)


def softmax():
    """The numerators of as many keys as a query sees do not exceed 32 bits; nor the mean of the most rows 64."""
    keys, numerator, rows = 1 << 17, (1 << 15) - 1, 1 << 20
    return 2 * (keys * numerator < 1 << 32 and rows * (1 << 31) < 1 << 63)


def widest():
    """Sums of the widest rows, 8192 inputs, stay within 32 bits: 16 segments of 512, each shifted right by 4, of
    8-bit rows; all at once of 12-bit rows, whose products have no factor. Forged weights of 128 included."""
    segments = [Int(f"segment_{i}") for i in range(16)]
    # floor(s / 16) of a segment's |s| < 2^31, which `forged_packing` shows
    given = [within(segment, -(1 << 27), (1 << 27) - 1) for segment in segments]
    eight = valid(within(sum(segments), -(1 << 31), (1 << 31) - 1), given=given)
    twelve = 8192 * 128 * 2047 <= (1 << 31) - 1
    return 2 * (eight and twelve)


def per_token():
    """score · 2^16 / len, the whole part divided first, is the exact quotient rounded down, for a magnitude `score`."""
    # low = floor(rest · 2^16 / len); low · len as an unknown of its own
    score, length, rest, low_len = Ints("score len rest low_len")
    given = [score >= 0, length >= 1, within(rest, 0, length - 1), rest <= score, low_len <= rest * 65536, rest * 65536 < low_len + length]
    # n = whole · 2^16 + low, where whole · len = score - rest; n · len <= score · 2^16 < (n + 1) · len
    n_len = 65536 * (score - rest) + low_len
    return 2 * valid(n_len <= score * 65536, score * 65536 < n_len + length, given=given)


LEMMAS = [
    ("round_shift", "fixed::round_shift", "fixed::tests::every_shift_follows_the_rule", round_shift),
    ("shift_by", "fixed::shift_by", "fixed::tests::every_shift_follows_the_rule", shift_by),
    ("row_shift", "fixed::RowShift", "fixed::tests::shifts_of_rows_follow_the_rule", row_shift),
    ("packing", "kernels::portable::lane, matrix::Packing", "kernels::portable::linear::tests::lanes_give_256_times_the_product", packing),
    ("forged packing", "kernels::portable::lane", "kernels::portable::linear::tests::lanes_give_256_times_the_product", forged_packing),
    ("requantize", "fixed::requantize", "fixed::tests::products_are_exact", requantize),
    ("scale", "fixed::Scale::new", "fixed::tests::scales_keep_15_bits", scale),
    ("widest rows", "nn::linear", "nn::exact::sums_of_the_widest_rows_lose_nothing", widest),
    ("softmax, mean", "nn::attention, nn::pooling::mean", "nn::exact::attention_to_the_most_keys_loses_nothing", softmax),
    ("linear layout", "blob::LinearLayout::bytes", "blob::layout::tests::no_layout_is_longer_than_its_bound", linear_layout),
    ("layout", "blob::Layout::new", "blob::layout::tests::no_layout_is_longer_than_its_bound", total),
    ("caches", "config::Config::validate", "blob::layout::tests::no_layout_is_longer_than_its_bound", caches),
    ("per token", "rules::per_token", "rules::tests::a_log_probability_per_token_is_exact", per_token),
]


def main():
    failed = False
    for name, function, test, prove in LEMMAS:
        cases = prove()
        print(json.dumps({"lemma": name, "function": function, "test": test, "cases": int(cases), "proved": cases > 0}), flush=True)
        failed |= not cases
    sys.exit(failed)


if __name__ == "__main__":
    main()
