"""Mutations: hypothesis strategies of bytes that are nearly valid, made from valid ones as fuzzers make them."""

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

MAX_MUTATIONS = 6
# Numbers at which lengths and counts overflow, in the widths and orders that formats write them.
EXTREMES = [
    number.to_bytes(width, order)
    for width in (1, 2, 4, 8)
    for order in ("little", "big")
    for number in (0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1)
]
Mutation = Callable[[bytes], bytes]


@st.composite
def mutated(draw: st.DrawFn, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus, after a few mutations."""
    data = draw(st.sampled_from(corpus))
    for _ in range(draw(st.integers(0, MAX_MUTATIONS))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(("replace", "overwrite", "insert", "cut", "remove", "repeat", "splice")))
        if kind == "replace":
            data = data[:start] + bytes([draw(st.integers(0, 255))]) + data[start + 1 :]
        elif kind == "overwrite":
            extreme = draw(st.sampled_from(EXTREMES))
            data = data[:start] + extreme + data[start + len(extreme) :]
        elif kind == "insert":
            data = data[:start] + draw(st.binary(max_size=20)) + data[start:]
        elif kind == "cut":
            data = data[:start]
        elif kind == "remove":
            data = data[:start] + data[start + draw(st.integers(1, 200)) :]
        elif kind == "repeat":
            part = data[start : start + draw(st.integers(1, 200))]
            data = data[:start] + part * draw(st.integers(2, 50)) + data[start:]
        else:
            other = draw(st.sampled_from(corpus))
            data = data[:start] + other[draw(st.integers(0, max(0, len(other) - 1))) :]
    return data
