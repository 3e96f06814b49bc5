#!/usr/bin/env python3
"""Reads a WarpEngine database from its files alone, as docs/format.md describes them.

    read_database.py DIRECTORY

Prints every live record as a line of JSON, in the form of `warp dump --format jsonl`, in no
particular order. It is written from the document and not from the engine, uses nothing but
Python's standard library, builds no index and changes no file; the directory must not be open for
writing. What ends a log, and what is damage, follows the section on recovery. Damage is one line
on standard error and exit status 1.

Left out is the one rule that needs to know whether the kernel is still the one that the last
writer ran under; it only ever turns a shortened log into an error.
"""

import base64
import json
import os
import re
import struct
import sys
import zlib

ALIGN = 8
SEGMENT_HEADER = 128
RECORD_HEADER = 20
FRAME_PREFIX = 4
PUT, DELETE, BATCH = 1, 2, 3
IN_BATCH = 1
SLOTS = 4096
SECRET_LEN = 192
KEY_LEN_MAX = 65_535
VALUE_LEN_MAX = 1 << 30


class Damage(Exception):
    """The files are not a database, or not a whole one."""


def read_file(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        return file.read()


def small_file(directory, name, magic):
    """The body of MANIFEST or CHECKPOINT, between the format version and the checksum; and the
    format version."""
    data = read_file(directory, name)
    if len(data) < 16 or data[:8] != magic:
        raise Damage(f"{name}: no {magic!r} at offset 0")
    (version,) = struct.unpack_from("<I", data, 8)
    (crc,) = struct.unpack_from("<I", data, len(data) - 4)
    if version not in (1, 2):
        raise Damage(f"{name}: format {version}")
    if zlib.crc32(data[:-4]) != crc:
        raise Damage(f"{name}: checksum")
    return data[12:-4], version


def read_manifest(directory):
    """Number of shards, and database id."""
    body, _version = small_file(directory, "MANIFEST", b"WARPMAN\x01")
    shards, database = struct.unpack_from("<IQ", body)
    if len(body) != 4 + 8 + SECRET_LEN + 2 * SLOTS or not 1 <= shards <= 1024:
        raise Damage("MANIFEST: length or shards")
    if max(struct.unpack_from(f"<{SLOTS}H", body, 4 + 8 + SECRET_LEN)) >= shards:
        raise Damage("MANIFEST: a placement slot of no shard")
    return shards, database


def check_placement(body, shards):
    """The placement table and the rules of a CHECKPOINT of format 2."""
    if len(body) < 2 * SLOTS + 4 or max(struct.unpack_from(f"<{SLOTS}H", body)) >= shards:
        raise Damage("CHECKPOINT: a placement slot of no shard")
    (rules,) = struct.unpack_from("<I", body, 2 * SLOTS)
    at = 2 * SLOTS + 4
    for _ in range(rules):
        flags, patterns = struct.unpack_from("<BB", body, at)
        at += 2
        if flags not in (1, 2, 3) or not 1 <= patterns <= 16:
            raise Damage("CHECKPOINT: a rule that is none")
        for _ in range(patterns):
            (length,) = struct.unpack_from("<H", body, at)
            pattern = body[at + 2 : at + 2 + length]
            at += 2 + length
            if len(pattern) != length or pattern.count(b"*") != 1:
                raise Damage("CHECKPOINT: a pattern that is none")
    if at != len(body):
        raise Damage("CHECKPOINT: bytes behind the rules")


def read_checkpoint(directory, shards):
    """For each log the ordinal that the checkpoint reaches, and all segments by generation."""
    body, version = small_file(directory, "CHECKPOINT", b"WARPCHK\x01")
    _number, _image, _blocks, logs, segments = struct.unpack_from("<QQQII", body)
    length = 32 + 24 * logs + 56 * segments
    if version == 2:
        check_placement(body[length:], shards)
        body = body[:length]
    if logs != 2 * shards or len(body) != length:
        raise Damage("CHECKPOINT: length")
    reached = [struct.unpack_from("<QQQ", body, 32 + 24 * i)[0] for i in range(logs)]
    listed = {}
    for i in range(segments):
        slot, log, generation, ordinal, end = struct.unpack_from(
            "<IIQQQ", body, 32 + 24 * logs + 56 * i
        )
        listed[generation] = (slot, log, ordinal, end)
    return reached, listed


class Segment:
    """One segment file."""

    def __init__(self, name, data):
        self.name, self.data = name, data
        (
            magic, version, header_len, self.database, self.log, self.slot, self.ordinal,
            self.generation, self.capacity, self.previous_end,
        ) = struct.unpack_from("<8sIIQIIQQQQ", data)
        (crc,) = struct.unpack_from("<I", data, 112)
        if magic != b"WARPSEG\x01":
            raise Damage(f"{name}: magic number")
        if zlib.crc32(data[:112]) != crc:
            raise Damage(f"{name}: header checksum")
        if version != 1 or header_len != SEGMENT_HEADER:
            raise Damage(f"{name}: format {version}, header of {header_len} bytes")
        if len(data) > self.capacity:
            raise Damage(f"{name}: longer than its capacity")
        low, high = struct.unpack_from("<II", data, 120)
        high |= 1 << 31  # clear while a sync is under way
        self.synced = max(low * 8 if low == high ^ 0xFFFFFFFF else 0, SEGMENT_HEADER)
        self.seed = zlib.crc32(struct.pack("<QQ", self.database, self.generation))

    def record(self, at):
        """Kind, flags, sequence, key, value, and where the next record begins; or None."""
        if at + RECORD_HEADER > len(self.data):
            return None
        crc, key_len, kind, flags, value_len, seq = struct.unpack_from("<IHBBIQ", self.data, at)
        end = at + RECORD_HEADER + key_len + value_len
        following = end + -end % ALIGN
        if kind not in (PUT, DELETE, BATCH) or (key_len == 0) != (kind == BATCH):
            return None
        if following > len(self.data) or (kind != BATCH and value_len > VALUE_LEN_MAX):
            return None
        if zlib.crc32(memoryview(self.data)[at + 4 : end], self.seed) != crc:
            return None
        key_end = at + RECORD_HEADER + key_len
        key, value = self.data[at + RECORD_HEADER : key_end], self.data[key_end:end]
        return kind, flags, seq, key, value, following


def read_segments(directory, database, reached, listed):
    """For each log its segments by ordinal, leftovers left out."""
    logs = [{} for _ in reached]
    for name in os.listdir(directory):
        if not re.fullmatch(r"[0-9a-f]{16}\.seg", name):
            continue
        data = read_file(directory, name)
        if len(data) < SEGMENT_HEADER or not any(data[:8]):
            if int(name[:16], 16) in listed:
                raise Damage(f"{name}: no header")
            continue  # made ahead, never used
        segment = Segment(name, data)
        is_named = f"{segment.generation:016x}.seg" == name
        if segment.database != database or not is_named or segment.log >= len(logs):
            raise Damage(f"{name}: not of this database")
        log = logs[segment.log]
        if segment.ordinal <= reached[segment.log] and segment.generation not in listed:
            continue  # left over from before the checkpoint
        other = log.get(segment.ordinal)
        if other is None or other.generation < segment.generation:
            log[segment.ordinal] = segment
    for generation, (slot, log, ordinal, end) in listed.items():
        segment = logs[log].get(ordinal)
        if segment is None or (segment.generation, segment.slot) != (generation, slot):
            raise Damage(f"{generation:016x}.seg: missing")
        if len(segment.data) < end:
            raise Damage(f"{segment.name}: truncated")
    return logs


def records(segment, limit):
    """The records of a segment up to `limit`, batches taken apart; returns where they end."""
    at = SEGMENT_HEADER
    while at < limit:
        record = segment.record(at)
        if record is None or record[-1] > limit:
            break
        kind, _flags, _seq, _key, value, following = record
        if kind != BATCH:
            yield record
        else:
            inner = at + RECORD_HEADER + FRAME_PREFIX
            end = at + RECORD_HEADER + len(value)
            while inner < end:
                part = segment.record(inner)
                if part is None or part[0] == BATCH or not part[1] & IN_BATCH:
                    raise Damage(f"{segment.name}: record in a batch at {inner}")
                yield part
                inner = part[-1]
        at = following
    return at


def apply(segment, limit, newest):
    """Applies a segment's records: for each key the highest sequence number stays."""
    reader = records(segment, limit)
    while True:
        try:
            kind, _flags, seq, key, value, _following = next(reader)
        except StopIteration as stopped:
            return stopped.value
        if seq > newest.get(key, (-1, None))[0]:
            newest[key] = (seq, value if kind == PUT else None)


def damaged(segment, at):
    return Damage(f"{segment.name}: the record at offset {at} is damaged")


def replay(log, reached, listed, newest):
    """Applies one log, whose position in the checkpoint is in the segment of ordinal `reached`."""
    chain = []
    for ordinal in sorted(log):
        segment = log[ordinal]
        if ordinal >= reached:
            chain.append(segment)
            continue
        end = listed[segment.generation][3]
        stop = apply(segment, end, newest)
        if stop != end:
            raise damaged(segment, stop)
    expected = max(reached, 1)
    if chain and reached and chain[0].ordinal == reached + 1:
        expected = reached + 1  # compaction has emptied the position's own segment
    for segment in chain:
        if segment.ordinal != expected:
            raise Damage(f"log {segment.log}: segment {expected} is missing")
        expected += 1
    for i, segment in enumerate(chain):
        later = chain[i + 1 :]
        limit = later[0].previous_end if later else len(segment.data)
        stop = apply(segment, limit, newest)
        if later and stop == limit:
            continue
        known = segment.synced
        if segment.generation in listed:
            known = max(known, listed[segment.generation][3])
        if any(s.synced > SEGMENT_HEADER for s in later):
            known = max(known, later[0].previous_end)
        if stop < known:
            raise damaged(segment, stop)
        return  # the log ends here; what follows was never promised


def spell(name, data):
    """A key or a value as a member of the line."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {name + "_base64": base64.b64encode(data).decode()}


def main():
    directory = sys.argv[1]
    shards, database = read_manifest(directory)
    reached, listed = read_checkpoint(directory, shards)
    newest = {}
    logs = read_segments(directory, database, reached, listed)
    for log, ordinal in zip(logs, reached):
        replay(log, ordinal, listed, newest)
    out = sys.stdout.buffer
    for key, (_seq, value) in newest.items():
        if value is not None:
            line = spell("key", key) | spell("value", value)
            out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")


if __name__ == "__main__":
    try:
        main()
    except Damage as damage:
        sys.exit(f"{sys.argv[0]}: {damage}")
