"""Affine arithmetic on the SM2 curve, as the textbook has it, for inputs nobody could sign."""

from dataclasses import dataclass

from crypto.sm2 import GX, GY, A, B, N, P, PrivateKey

Point = tuple[int, int] | None  # None is infinity

G: Point = (GX, GY)


def negate(a: Point) -> Point:
    return a and (a[0], -a[1] % P)


def add(a: Point, b: Point) -> Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] + A) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(k: int, a: Point) -> Point:
    total: Point = None
    for bit in bin(k % N)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, a)
    return total


def find_y(x: int) -> int | None:
    """Return a y for x, where the curve has one."""
    square = (x**3 + A * x + B) % P
    y = pow(square, (P + 1) // 4, P)  # p = 3 mod 4
    return y if y * y % P == square else None


@dataclass(frozen=True)
class Case:
    """The arguments of verify."""

    e: int
    r: int
    s: int
    x: int
    y: int

    @property
    def arguments(self) -> tuple[bytes, int, int, int, int]:
        return self.e.to_bytes(32, "big"), self.r, self.s, self.x, self.y


def multiply_generator(k: int) -> Point:
    """Return kG by libcrypto, which is faster than multiply."""
    k %= N
    if k == 0:
        return None
    if k == N - 1:
        return negate(G)
    key = PrivateKey.from_int(k).public_key
    return key.x, key.y


def make_case(s: int, t: int, key: Point, total: Point) -> Case:
    """Return the valid signature with this s and t = r + s, by choosing e to fit.

    Args:
        total: sG + t times the key. Where it is infinity there is no signature, and the case is
            one that must be refused.
    """
    assert key is not None
    r = (t - s) % N
    assert 0 < s < N
    assert 0 < r < N
    assert 0 < t < N
    return Case((r - (total[0] if total else 0)) % N, r, s, *key)
