"""How likely two samples of one distribution are as far apart as these, by the Kolmogorov-Smirnov statistic.

Exact up to 10,000 rows a sample, and beyond by the distribution of one sample of the harmonic size, as scipy does: the two
agree to 1e-9, so that a verdict is the same here and there. Numbers of rows only; nothing here sees a value.
"""

import math

import numpy as np

from shipway.stats._arrays import Floats

EXACT_ROWS = 10_000  # in the larger sample; scipy's own limit
_SMALL = 140  # samples up to here are computed exactly, larger ones by the expansion of Pelz and Good
_LARGE = 100_000  # from here the expansion is taken everywhere
_EVEN = 2.2  # from this n d^2 the two sides of a larger sample count as never both far away; scipy's rule
_EVEN_SMALL = 4.0  # the same of a small sample


def ks_tail(distance: float, rows: int, other_rows: int) -> float:
    """P(D >= distance) for two samples of one continuous distribution, two-sided.

    distance: the largest difference of the two distribution functions, 0..1; rows, other_rows: at least 1.
    Agrees with scipy.stats.ks_2samp to 1e-9 (tested). Source: Hodges (1958) for the exact one, Simard and L'Ecuyer (2011).
    >>> round(ks_tail(0.5, 10, 10), 4)
    0.1678
    """
    if max(rows, other_rows) <= EXACT_ROWS:
        return _two_samples(distance, rows, other_rows)
    return min(1.0, max(0.0, _one_sample(distance, round(rows * other_rows / (rows + other_rows)))))


def _two_samples(distance: float, rows: int, other_rows: int) -> float:
    steps = rows * other_rows // math.gcd(rows, other_rows)
    height = round(distance * steps)  # what the difference can be is a whole number of such steps
    if height == 0:
        return 1.0
    if rows == other_rows:
        return _equal_samples(rows, height)
    return _unequal_samples(rows, other_rows, height)


def _equal_samples(rows: int, height: int) -> float:
    """Twice the alternating sum of C(2n, n - k height) / C(2n, n), each term from logarithms of factorials."""
    total, sign = 0.0, 1.0
    middle = 2 * math.lgamma(rows + 1)
    for away in range(height, rows + 1, height):
        total += sign * math.exp(middle - math.lgamma(rows - away + 1) - math.lgamma(rows + away + 1))
        sign = -sign
    return min(1.0, 2 * total)


def _unequal_samples(rows: int, other_rows: int, height: int) -> float:
    """The share of lattice paths from (0, 0) to (rows, other_rows) that touch a line `height` away from the diagonal.

    Diagonal by diagonal: of the paths to (i, j), i in i + j come from (i - 1, j). All terms are positive, so no digit is lost.
    """
    few, many = sorted((rows, other_rows))
    common = math.gcd(few, many)
    across, up = many // common, few // common
    outside = np.ones(few + 2)  # of the diagonal i + j = k, by i + 1; beyond the lines it is 1
    outside[1] = 0.0
    places = np.arange(few + 2, dtype=np.float64)
    first = last = 0
    for k in range(1, few + many + 1):
        # where |i across - (k - i) up| < height, i and k - i in range
        first_before, last_before = first, last
        first = max(0, k - many, (k * up - height) // (across + up) + 1)
        last = min(few, k, -((-k * up - height) // (across + up)) - 1)
        if first > last:
            return 1.0
        i = places[first : last + 1]
        here = i * outside[first : last + 1] + (k - i) * outside[first + 1 : last + 2]
        here /= k
        outside[first + 1 : last + 2] = here
        outside[first_before + 1 : first + 1] = outside[last + 2 : last_before + 2] = 1.0
    return float(outside[few + 1])


def _one_sample(distance: float, rows: int) -> float:
    """P(D >= distance) of one sample of a continuous distribution; where which formula serves is scipy's choice."""
    reach = rows * distance
    if reach <= 0.5:
        return 1.0
    if distance >= 1:
        return 0.0
    if reach <= 1:
        return 1 - math.exp(math.lgamma(rows + 1) + rows * math.log((2 * reach - 1) / rows))
    square = reach * distance
    if distance >= 0.5 or square > _EVEN_SMALL or (rows > _SMALL and square >= _EVEN):
        return 2 * _one_sided(distance, rows)
    if rows <= _SMALL or (rows <= _LARGE and rows * distance**1.5 <= 1.4):
        return 1 - _exact_below(distance, rows)
    return 1 - _expanded_below(distance, rows)


def _one_sided(distance: float, rows: int) -> float:
    """P(D+ >= distance). Source: Smirnov (1944), Birnbaum and Tingey (1951)."""
    j = np.arange(math.floor(rows * (1 - distance)) + 1)
    level = distance + j / rows
    rest = 1 - level
    kept = rest > 0
    j, level, rest = j[kept], level[kept], rest[kept]
    log_factorials = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, rows + 1)))))
    chosen = log_factorials[rows] - log_factorials[j] - log_factorials[rows - j]
    return distance * float(np.exp(chosen + (j - 1) * np.log(level) + (rows - j) * np.log(rest)).sum())


def _exact_below(distance: float, rows: int) -> float:
    """P(D < distance) as an element of a power of a matrix. Source: Durbin (1973), Marsaglia, Tsang and Wang (2003)."""
    k = math.floor(rows * distance) + 1
    size, gap = 2 * k - 1, k - rows * distance
    matrix = np.tri(size, k=1)
    powers = gap ** np.arange(1, size + 1)
    matrix[:, 0] -= powers
    matrix[-1] -= powers[::-1]
    matrix[-1, 0] += max(0.0, 2 * gap - 1) ** size
    steps = np.maximum(np.subtract.outer(np.arange(size), np.arange(size)) + 1, 0)
    matrix /= np.cumprod(np.arange(size + 1).clip(1), dtype=np.float64)[steps]  # factorials, at most 118!
    scaled, exponent = _power(matrix, rows)
    middle = float(scaled[k - 1, k - 1])
    if middle <= 0:
        return 0.0
    return math.exp(math.log(middle) + exponent + math.lgamma(rows + 1) - rows * math.log(rows))


def _power(matrix: Floats, times: int) -> tuple[Floats, float]:
    """The power of a matrix as one of moderate size and the logarithm of its scale."""
    result, scale, base, base_scale = np.eye(len(matrix)), 0.0, matrix, 0.0
    while times:
        if times & 1:
            result, scale = _scaled(result @ base, scale + base_scale)
        base, base_scale = _scaled(base @ base, 2 * base_scale)
        times >>= 1
    return result, scale


def _scaled(matrix: Floats, scale: float) -> tuple[Floats, float]:
    largest = float(np.abs(matrix).max())
    return matrix / largest, scale + math.log(largest)


def _expanded_below(distance: float, rows: int) -> float:
    """P(D < distance) to the third power of 1 / sqrt(rows). Source: Pelz and Good (1976), as in Simard and L'Ecuyer (2011)."""
    z = math.sqrt(rows) * distance
    square, turn = z * z, math.pi * math.pi
    odd = (np.arange(1, 2 * math.ceil(16 * z / math.pi), 2) ** 2).astype(np.float64)
    even = np.arange(1, math.ceil(16 * z / math.pi) + 1, dtype=np.float64) ** 2
    slow, fast = np.exp(-turn * odd / (8 * square)), np.exp(-turn * even / (2 * square))
    angle = turn * odd / 4
    root = math.sqrt(2 * math.pi)
    first = (angle - square) @ slow / (6 * z**4)
    second = (6 * z**6 + 2 * z**4 + angle * (2 * z**4 - 5 * square) + angle**2 * (1 - 2 * square)) @ slow / (72 * z**7)
    second -= turn * (even @ fast) / (36 * z**3)
    third = -30 * z**6 - 90 * z**8 + angle * (135 * z**4 - 96 * z**6)
    third = third + angle**2 * (212 * z**4 - 60 * square) + angle**3 * (5 - 30 * square)
    third_sum = third @ slow / (6480 * z**10) + turn * ((3 * square - turn * even) * even) @ fast / (216 * z**6)
    terms = (slow.sum() / z, first / math.sqrt(rows), second / rows, third_sum / rows**1.5)
    return float(root * sum(terms))
