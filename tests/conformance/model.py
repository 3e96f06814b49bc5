#!/usr/bin/env python3
"""The conformance files against a model: a dict for each directory, and the rules of the C ABI.

    model.py [FILE.json …]      check these files (all files of this directory without arguments)

The model is the suite's own test. It needs no engine, so it says whether a file contradicts the
rules of README.md before any of the runners does, and it refuses operations and fields that are
not in the format. It is no runner: what depends on the machine (how long a sync takes, sizes in
bytes) it takes as the file says.
"""

import copy
import json
import pathlib
import sys

from features import FEATURES, rules_of, rules_status
from forms import (
    BUSY,
    CODES,
    CONFLICT,
    INVALID,
    KEY_MAX,
    NOT_FOUND,
    OK,
    READ_ONLY,
    TOO_LARGE,
    TOO_SMALL,
    UNCHANGED,
    VALUE_MAX,
    Mismatch,
    decode,
    lengths,
    want,
)

# The fields of every operation, beside "op", "expect" and "about".
FIELDS = {
    "open": {"options", "dir"},
    "close": set(),
    "reopen": {"options"},
    "open_second": {"options", "dir"},
    "option": {"name", "value"},
    "put": {"key", "value"},
    "get": {"key", "value"},
    "get_pinned": {"key", "value"},
    "get_into": {"key", "capacity", "length", "value"},
    "get_nowait": {"key", "capacity", "length", "value"},
    "get_if_changed": {"key", "known", "as", "capacity", "length", "value"},
    "get_if_changed_nowait": {"key", "known", "as", "capacity", "length", "value"},
    "exists": {"key"},
    "delete": {"key"},
    "cas": {"key", "expected", "desired"},
    "multi_get": {"keys", "answers"},
    "batch": {"ops", "count"},
    "write_encoded": {"bytes"},
    "iterate": {"prefix", "entries"},
    "pages": {"prefix", "buffer", "entries"},
    "iter_open": {"as", "prefix"},
    "iter_rest": {"as", "entries"},
    "pin": {"key", "as", "value"},
    "pinned": {"as", "value"},
    "release": {"as"},
    "sync": set(),
    "checkpoint": set(),
    "compact": set(),
    "backup": {"dir"},
    "token": {"as"},
    "wait_durable": {"token", "timeout_ms"},
    "is_durable": {"token"},
    "stats": {"fields", "at_least"},
    "stats_json": set(),
    "status": {"name", "code"},
    "put_hinted": {"key", "value", "hint"},
    "get_pinned_nowait": {"key", "value"},
    "exists_nowait": {"key"},
    "add_rule": {"patterns", "flags"},
    "remove_rule": {"pattern"},
    "rules": {"rules"},
    "same_shard": {"keys"},
    "shard_of": {"key", "shard"},
    "shard_cpu": {"shard"},
    "move_slots": {"first", "count", "shard"},
    "rebalance": {"moved", "at_least"},
    "link": {"from", "to", "strength"},
    "unlink": {"from", "to"},
    "get_linked": {"key", "linked"},
    "partners": {"key", "partners"},
    "events": {"from", "next", "kinds"},
    "openmetrics": {"lines"},
}
FILE_FIELDS = {"name", "about", "store", "open", "steps"}


def option_status(name, value):
    """Whether an option is understood: the table of the C ABI."""

    def number(text, low, high):
        return text.isascii() and text.isdigit() and low <= int(text) <= high

    def size(text, low):
        shift = {"K": 10, "M": 20, "G": 30}.get(text[-1:], 0)
        digits = text[:-1] if shift else text
        return digits.isascii() and digits.isdigit() and low <= int(digits) << shift < 1 << 64

    booleans = (
        "create_if_missing",
        "error_if_exists",
        "read_only",
        "pin_shards",
        "cache_compression",
        "load_monitor",
        "auto_rebalance",
        "prefetch_links",
        "learn_links",
    )
    if name == "shards":
        good = number(value, 1, 1024)
    elif name == "durability":
        good = value in ("none", "process", "periodic", "sync")
    elif name in ("sync_interval_ms", "checkpoint_interval_ms"):
        good = number(value, 1, (1 << 32) - 1)
    elif name == "open_timeout_ms":
        good = number(value, 0, (1 << 32) - 1)
    elif name == "memory_limit":
        good = size(value, 1 << 20)
    elif name == "checkpoint_log_bytes":
        good = size(value, 64 << 10)
    elif name == "skew_percent":
        good = number(value, 1, 99)
    elif name == "rules":
        good = rules_status([], rules_of(value)) == OK
    else:
        good = name in booleans and value in ("true", "false")
    return OK if good else INVALID


def unpack(packed):
    """The operations of a packed buffer, or the status of the first that is malformed."""
    ops, at = [], 0
    while at < len(packed):
        if len(packed) - at < 9:
            return INVALID, []
        kind = packed[at]
        key_len = int.from_bytes(packed[at + 1 : at + 5], "little")
        value_len = int.from_bytes(packed[at + 5 : at + 9], "little")
        if kind not in (1, 2) or (kind == 2 and value_len):
            return INVALID, []
        if key_len == 0:
            return INVALID, []
        if key_len > KEY_MAX or value_len > VALUE_MAX:
            return TOO_LARGE, []
        body = at + 9
        if body + key_len + value_len > len(packed):
            return INVALID, []
        key = packed[body : body + key_len]
        value = packed[body + key_len : body + key_len + value_len]
        ops.append((key, value if kind == 1 else None))
        at = body + key_len + value_len
    return OK, ops


class Model:
    """One database and the directories around it."""

    def __init__(self, in_memory):
        self.in_memory = in_memory
        self.directories = {}  # name -> {"shards": n, "map": {…}}
        self.dir = None  # name of the open directory
        self.db = None
        self.read_only = False
        self.options = {}
        self.names = {}
        self.counts = {}
        self.events = []
        self.revisions = {}  # key -> the number of the write that made its value
        self.writes = 0

    def open(self, options, directory="db"):
        for name, value in options.items():
            if option_status(name, value) != OK:
                return INVALID
        if directory == self.dir and not self.in_memory:
            return BUSY
        shards = int(options["shards"]) if "shards" in options else None
        read_only = options.get("read_only") == "true"
        there = None if self.in_memory else self.directories.get(directory)
        if there and options.get("error_if_exists") == "true":
            return INVALID
        if there and shards not in (None, there["shards"]):
            return INVALID
        if not there:
            missing = not self.in_memory
            if missing and (read_only or options.get("create_if_missing") == "false"):
                return INVALID
            there = {"shards": shards or 24, "map": {}, "rules": [], "links": {}, "shard": None}
            if not self.in_memory:
                self.directories[directory] = there
        for rule in [] if read_only else rules_of(options.get("rules", "")):
            if rule not in there["rules"]:
                there["rules"].append(rule)
        self.dir, self.db, self.read_only, self.options = directory, there, read_only, options
        self.counts = {"puts": 0, "gets": 0, "hits": 0, "deletes": 0}
        self.events = []
        self.revisions = {}
        return OK

    def close(self):
        self.dir = self.db = None
        return OK

    def lookup(self, key):
        status = lengths(key)
        if status != OK:
            return status, None
        self.counts["gets"] += 1
        value = self.db["map"].get(key)
        self.counts["hits"] += value is not None
        return (NOT_FOUND if value is None else OK), value

    def write(self, ops):
        if self.read_only:
            return READ_ONLY
        for key, value in ops:
            self.revisions.pop(key, None)
            if value is None:
                self.counts["deletes"] += self.db["map"].pop(key, None) is not None
            else:
                self.counts["puts"] += 1
                self.db["map"][key] = value
        return OK

    def revision(self, key):
        """The revision of the value that a key has; a number that was never another's."""
        if key not in self.revisions:
            self.writes += 1
            self.revisions[key] = self.writes
        return self.revisions[key]

    def matching(self, prefix):
        return {k: v for k, v in self.db["map"].items() if k.startswith(prefix)}


def entries_of(form):
    pairs = [(decode(k), decode(v)) for k, v in form]
    if len(dict(pairs)) != len(pairs):
        raise Mismatch("an entry is listed twice")
    return dict(pairs)


def read(model, step):
    """The answers of the reads; the status is returned."""
    op = step["op"]
    status, value = model.lookup(decode(step["key"]))
    if op in ("get", "get_pinned", "get_pinned_nowait", "pin"):
        if status == OK:
            want(step, "value", value)
            if op == "pin":
                model.names[step["as"]] = value
        return status
    if status == OK:
        want(step, "length", len(value))
        if len(value) > step["capacity"]:
            return TOO_SMALL
        want(step, "value", value)
    return status


def changed(model, step):
    """The answer of a read of what has changed."""
    key = decode(step["key"])
    status, value = model.lookup(key)
    if status != OK:
        return status
    known_key, known = model.names[step["known"]] if "known" in step else (key, 0)
    if known_key != key:
        raise Mismatch("the revision is of another key")
    if model.revision(key) == known:
        return UNCHANGED
    if "as" in step:
        model.names[step["as"]] = (key, model.revision(key))
    want(step, "length", len(value))
    if len(value) > step["capacity"]:
        return TOO_SMALL
    want(step, "value", value)
    return OK


def batch(model, step):
    ops, count = [], 0
    for inner in step["ops"]:
        key = decode(inner["key"])
        value = decode(inner["value"]) if inner["op"] == "put" else None
        status = lengths(key, value or b"")
        if status != inner.get("expect", OK):
            raise Mismatch(f"batch operation: the model answers {status}")
        if status == OK:
            ops.append((key, value))
            count += 1
    if "count" in step:
        want(step, "count", count)
    return model.write(ops)


def plural(model, step):
    """Reads of many entries."""
    op = step["op"]
    if op == "multi_get":
        answers = []
        for form, answer in zip(step["keys"], step["answers"], strict=True):
            status, value = model.lookup(decode(form))
            if status != answer.get("expect", OK):
                raise Mismatch(f"multi_get: the model answers {status} for {form!r}")
            if status == OK:
                want(answer, "value", value)
            answers.append(status)
        return OK
    if op == "iter_rest":
        found = model.names.pop(step["as"])
    else:
        found = model.matching(decode(step.get("prefix", "")))
    if op == "iter_open":
        model.names[step["as"]] = found
        return OK
    if op == "pages" and any(8 + len(k) + len(v) > step["buffer"] for k, v in found.items()):
        return TOO_SMALL
    if entries_of(step["entries"]) != found:
        raise Mismatch(f"entries: the model has {sorted(found.items())!r}"[:600])
    return OK


def stats(model, step):
    exact = {"keys": len(model.db["map"]), "shards": model.db["shards"], **model.counts}
    for name, said in step.get("fields", {}).items():
        if name in exact and exact[name] != said:
            raise Mismatch(f"stats: {name} is {exact[name]} in the model, {said} in the file")
    return OK


def backup(model, name):
    if name in model.directories:
        return INVALID
    model.directories[name] = copy.deepcopy(model.db)
    return OK


def simple_write(model, step):
    op, key = step["op"], decode(step["key"])
    value = None if op == "delete" else decode(step["value"])
    status = lengths(key, value or b"")
    if status != OK or model.read_only:
        return status if status != OK else READ_ONLY
    if op != "delete":
        return model.write([(key, value)])
    existed = key in model.db["map"]
    model.write([(key, None)])
    return OK if existed else NOT_FOUND


def cas(model, step):
    key = decode(step["key"])
    expected = None if step["expected"] is None else decode(step["expected"])
    desired = None if step["desired"] is None else decode(step["desired"])
    status = lengths(key, desired or b"")
    if status != OK or model.read_only:
        return status if status != OK else READ_ONLY
    if model.db["map"].get(key) != expected:
        return CONFLICT
    if not (expected is None and desired is None):
        model.write([(key, desired)])
    return OK


def run_step(model, step):
    """Runs one step; returns the status, or None for what the model leaves open."""
    op = step["op"]
    if op == "option":
        return option_status(step["name"], step["value"])
    if op == "status":
        want(step, "code", CODES[step["name"]])
        return OK
    if op == "open":
        if model.db is not None:
            raise Mismatch("open while a database is open")
        return model.open(step.get("options", {}), step.get("dir", "db"))
    if op == "pinned":
        want(step, "value", model.names[step["as"]])
        return OK
    if op == "release":
        del model.names[step["as"]]
        return OK
    if op == "iter_rest":
        return plural(model, step)
    if model.db is None:
        raise Mismatch(f"{op} while no database is open")
    if op == "close":
        return model.close()
    if op == "reopen":
        options = step.get("options", model.options)
        directory = model.dir
        model.close()
        return model.open(options, directory)
    if op == "open_second":
        if step.get("dir", "db") != model.dir:
            raise Mismatch("open_second is about the directory that is open")
        return BUSY
    if op in ("get", "get_pinned", "get_into", "get_nowait", "get_pinned_nowait", "pin"):
        return read(model, step)
    if op in ("get_if_changed", "get_if_changed_nowait"):
        return changed(model, step)
    if op in FEATURES:
        return FEATURES[op](model, step)
    if op in ("exists", "exists_nowait"):
        key = decode(step["key"])
        status = lengths(key)
        return status if status != OK else (OK if key in model.db["map"] else NOT_FOUND)
    if op == "put_hinted" and step["hint"] not in (1, 2, 3):
        return INVALID
    if op in ("put", "put_hinted", "delete"):
        return simple_write(model, step)
    if op == "cas":
        return cas(model, step)
    if op == "batch":
        return batch(model, step)
    if op == "write_encoded":
        status, ops = unpack(decode(step["bytes"]))
        return model.write(ops) if status == OK else status
    if op in ("multi_get", "iterate", "pages", "iter_open"):
        return plural(model, step)
    if op == "stats":
        return stats(model, step)
    if op == "backup":
        return backup(model, step["dir"])
    if op in ("token", "is_durable", "wait_durable"):
        return None
    return OK  # sync, checkpoint, compact, stats_json


def check_step(model, step):
    op = step.get("op")
    if op not in FIELDS:
        raise Mismatch(f"unknown operation {op!r}")
    unknown = set(step) - FIELDS[op] - {"op", "expect", "about"}
    if unknown:
        raise Mismatch(f"fields {sorted(unknown)} do not belong to {op}")
    said = step.get("expect", OK)
    said = said if isinstance(said, list) else [said]
    for name in said:
        if name not in CODES:
            raise Mismatch(f"unknown status {name}")
    got = run_step(model, step)
    if got is not None and got not in said:
        raise Mismatch(f"the file says {said}, the model {got}")


def check(document):
    """Raises Mismatch, with the number of the step, where a file contradicts the model."""
    unknown = set(document) - FILE_FIELDS
    if unknown:
        raise Mismatch(f"unknown fields {sorted(unknown)}")
    if document["store"] not in ("memory", "directory"):
        raise Mismatch("store is neither memory nor directory")
    model = Model(document["store"] == "memory")
    if "open" in document and model.open(document["open"]) != OK:
        raise Mismatch("the file's own open fails")
    for number, step in enumerate(document["steps"]):
        try:
            check_step(model, step)
        except Mismatch as error:
            raise Mismatch(f"step {number} {json.dumps(step)[:160]}: {error}") from None


def main(arguments):
    here = pathlib.Path(__file__).parent
    paths = [pathlib.Path(a) for a in arguments] or sorted(here.glob("*.json"))
    failed = 0
    for path in paths:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["name"] != path.stem:
                raise Mismatch(f"the name is not {path.stem}")
            check(document)
        except (Mismatch, KeyError, ValueError) as error:
            failed += 1
            print(f"{path.name}: {type(error).__name__}: {error}")
    print(f"{len(paths)} files, {failed} wrong")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
