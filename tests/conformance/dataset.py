#!/usr/bin/env python3
"""The data set that every language writes and every other language reads: its reference.

    dataset.py        print the number of keys and the digest, which every implementation must print

README.md has the rules in words. An implementation that prints these two numbers has the formulas
right; whether the databases agree is then a matter of the engine and the binding.
"""

INDICES = 3_000
BLOCK = 100
MASK = (1 << 64) - 1


def mix(x):
    """The SplitMix64 step: 64 well-mixed bits of a number."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def key(i):
    number = str(i).encode()
    return (
        b"key-" + number,
        mix(i).to_bytes(8, "little"),
        b"\x00" + number + b"\xff",
        b"k" * (mix(i) % 500) + b"-" + number,
    )[i % 4]


def value(i, generation):
    s = mix(8 * i + generation)
    if i == 1_000:
        length = 3 << 20
    elif i % 250 == 249:
        length = 60_000 + 37 * i
    else:
        length = s % 400
    return bytes(((s >> 16) + 7 * j + (j >> 8)) & 0xFF for j in range(length))


def final_generation(i):
    """The generation of the value that key(i) ends with, or None where it is deleted."""
    if i % 17 == 0:
        return 3
    if i % 13 == 0 or i % 11 == 0:
        return None
    if i % 7 == 0:
        return 2
    return 1 if i % 5 == 0 else 0


def main():
    keys, digest = set(), 0xCBF29CE484222325
    for i in range(INDICES):
        generation = final_generation(i)
        if generation is None:
            continue
        keys.add(key(i))
        for byte in key(i) + value(i, generation):
            digest = ((digest ^ byte) * 0x100000001B3) & MASK
    print(f"{len(keys)} keys, digest {digest:016x}")


if __name__ == "__main__":
    main()
