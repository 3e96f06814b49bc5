#!/usr/bin/env python3
"""Writes the random-*.json files, reproducibly: the same script gives the same bytes.

    generate.py            write them
    generate.py --check    exit 1 if the files differ from what the script would write

Each file comes from a seed of its own. The expected answers come from a dict; afterwards the model
of model.py, which was written apart from this, checks every file.
"""

import json
import pathlib
import random
import sys

sys.dont_write_bytecode = True
import model  # noqa: E402

HERE = pathlib.Path(__file__).parent

# name, seed, store, options, upkeep operations
FILES = [
    ("random-memory-1", 1, "memory", {"shards": "1"}, ["sync", "checkpoint"]),
    ("random-memory-24", 24, "memory", {}, ["sync", "checkpoint"]),
    (
        "random-directory-1",
        101,
        "directory",
        {"shards": "1", "durability": "process"},
        ["sync", "checkpoint"],
    ),
    (
        "random-directory-3",
        103,
        "directory",
        {"shards": "3", "durability": "sync"},
        ["sync", "checkpoint"],
    ),
    ("random-directory-24", 124, "directory", {"sync_interval_ms": "5"}, ["sync", "checkpoint"]),
    ("random-compact", 201, "directory", {"shards": "2"}, ["compact", "compact", "checkpoint"]),
]
STEPS = 350

NOT_FOUND, CONFLICT = {"expect": "WARP_NOT_FOUND"}, {"expect": "WARP_CONFLICT"}


def form(data):
    """The shortest of the forms of the format."""
    if len(data) > 64 and len(set(data)) == 1:
        return {"repeat": [data[:1].hex(), len(data)]}
    if all(0x20 <= byte < 0x7F for byte in data):
        return data.decode()
    return {"hex": data.hex()}


class Writer:
    """One file in the making."""

    def __init__(self, seed, persistent, upkeep_ops):
        self.rng = random.Random(seed)
        self.map = {}
        self.steps = []
        self.keys = self.make_keys()
        self.persistent = persistent
        self.upkeep_ops = upkeep_ops

    def make_keys(self):
        rng = self.rng
        keys = [f"user:{n}".encode() for n in range(12)]
        keys += [f"order:{n}:{rng.randrange(100)}".encode() for n in range(8)]
        keys += [bytes([n]) for n in (0, 1, 0x7F, 0x80, 0xFF)]
        keys += [b"\x00" * n for n in (2, 3)] + [b"user:1\x00", b"user:1\xff"]
        keys += [rng.randbytes(rng.randrange(1, 20)) for _ in range(8)]
        keys += [b"k" * 300, b"k" * 301, b"l" * 5000]
        return list(dict.fromkeys(keys))

    def key(self):
        # A few keys are hot, so that overwrites and deletes meet often.
        if self.rng.random() < 0.3:
            return self.keys[self.rng.randrange(4)]
        return self.rng.choice(self.keys)

    def value(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.08:
            return b""
        if kind < 0.55:
            return "".join(rng.choices("abcdefghij", k=rng.randrange(1, 16))).encode()
        if kind < 0.88:
            return rng.randbytes(rng.randrange(1, 24))
        if kind < 0.98:
            return bytes([rng.randrange(256)]) * rng.randrange(65, 3000)
        return bytes([rng.randrange(256)]) * rng.randrange(60_000, 90_000)

    def add(self, op, **fields):
        self.steps.append({"op": op, **fields})

    def put(self):
        key, value = self.key(), self.value()
        self.map[key] = value
        self.add("put", key=form(key), value=form(value))

    def get(self):
        key = self.key()
        op = self.rng.choice(["get", "get", "get_pinned", "get_into"])
        value = self.map.get(key)
        if op == "get_into":
            room = self.rng.choice([0, 8, 100, 100_000])
            answer = {"capacity": room}
            if value is None:
                answer |= NOT_FOUND
            elif len(value) > room:
                answer |= {"length": len(value), "expect": "WARP_BUFFER_TOO_SMALL"}
            else:
                answer |= {"length": len(value), "value": form(value)}
        else:
            answer = NOT_FOUND if value is None else {"value": form(value)}
        self.add(op, key=form(key), **answer)

    def exists(self):
        key = self.key()
        self.add("exists", key=form(key), **({} if key in self.map else NOT_FOUND))

    def delete(self):
        key = self.key()
        there = self.map.pop(key, None) is not None
        self.add("delete", key=form(key), **({} if there else NOT_FOUND))

    def cas(self):
        rng, key = self.rng, self.key()
        current = self.map.get(key)
        expected = current if rng.random() < 0.6 else rng.choice([None, self.value()])
        desired = self.value() if rng.random() < 0.75 else None
        answer = {}
        if expected != current:
            answer = CONFLICT
        elif desired is None:
            self.map.pop(key, None)
        else:
            self.map[key] = desired
        named = [None if v is None else form(v) for v in (expected, desired)]
        self.add("cas", key=form(key), expected=named[0], desired=named[1], **answer)

    def operations(self):
        ops = []
        for _ in range(self.rng.randrange(1, 9)):
            key = self.key()
            ops.append((key, self.value() if self.rng.random() < 0.7 else None))
        for key, value in ops:
            if value is None:
                self.map.pop(key, None)
            else:
                self.map[key] = value
        return ops

    def batch(self):
        ops = [
            {"op": "delete", "key": form(k)}
            if v is None
            else {"op": "put", "key": form(k), "value": form(v)}
            for k, v in self.operations()
        ]
        self.add("batch", count=len(ops), ops=ops)

    def encoded(self):
        parts = []
        for key, value in self.operations():
            body = value or b""
            head = bytes([2 if value is None else 1])
            head += len(key).to_bytes(4, "little") + len(body).to_bytes(4, "little")
            parts += [{"hex": head.hex()}, form(key)] + ([form(body)] if body else [])
        self.add("write_encoded", bytes={"concat": parts})

    def multi_get(self):
        keys = [self.key() for _ in range(self.rng.randrange(0, 7))]
        answers = [{"value": form(self.map[k])} if k in self.map else NOT_FOUND for k in keys]
        self.add("multi_get", keys=[form(k) for k in keys], answers=answers)

    def iterate(self):
        prefix = self.rng.choice([b"user:1", b"order:", b"\x00", b"\xff", b"k", b"nothing"])
        found = [[form(k), form(v)] for k, v in sorted(self.map.items()) if k.startswith(prefix)]
        if self.rng.random() < 0.5:
            self.add("iterate", prefix=form(prefix), entries=found)
        else:
            self.add("pages", prefix=form(prefix), buffer=100_000, entries=found)

    def everything(self):
        found = [[form(k), form(v)] for k, v in sorted(self.map.items())]
        self.add("stats", fields={"keys": len(found)})
        self.add("iterate", prefix="", entries=found)

    def upkeep(self):
        self.add(self.rng.choice(self.upkeep_ops))

    def reopen(self):
        self.add("reopen")
        if self.rng.random() < 0.3:
            self.everything()

    def fill(self, count):
        steps = [
            (self.put, 30),
            (self.get, 20),
            (self.exists, 5),
            (self.delete, 12),
            (self.cas, 10),
            (self.batch, 6),
            (self.encoded, 4),
            (self.multi_get, 5),
            (self.iterate, 3),
            (self.upkeep, 3),
            (self.reopen, 4 if self.persistent else 0),
        ]
        actions, weights = zip(*steps)
        for _ in range(count):
            self.rng.choices(actions, weights)[0]()
        if self.persistent:
            self.add("reopen")
        self.everything()


def render(document):
    """One step a line, ASCII, so that a change shows as the lines that it changes."""
    lines = ["{"]
    for name in document:
        if name != "steps":
            lines.append(f"  {json.dumps(name)}: {json.dumps(document[name])},")
    steps = ",\n".join("    " + json.dumps(step) for step in document["steps"])
    return "\n".join(lines) + f'\n  "steps": [\n{steps}\n  ]\n}}\n'


def make(name, seed, store, options, upkeep_ops):
    writer = Writer(seed, store == "directory", upkeep_ops)
    writer.fill(STEPS)
    document = {
        "name": name,
        "about": f"{STEPS} random operations of seed {seed}. Written by generate.py; do not edit.",
        "store": store,
        "open": options,
        "steps": writer.steps,
    }
    model.check(document)
    return render(document)


def main(arguments):
    check = arguments == ["--check"]
    stale = []
    for name, *rest in FILES:
        path, text = HERE / f"{name}.json", make(name, *rest)
        if not check:
            path.write_text(text, encoding="ascii")
        elif not path.exists() or path.read_text(encoding="ascii") != text:
            stale.append(path.name)
    for name in stale:
        print(f"{name} is not what generate.py writes; run it and commit the result")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
