"""What the parts of the model share: codes, forms of bytes, and how an answer is compared."""

KEY_MAX = 65_535
VALUE_MAX = 1 << 30

OK, NOT_FOUND, TOO_SMALL, CONFLICT, WOULD_BLOCK, UNCHANGED = (
    "WARP_OK",
    "WARP_NOT_FOUND",
    "WARP_BUFFER_TOO_SMALL",
    "WARP_CONFLICT",
    "WARP_WOULD_BLOCK",
    "WARP_UNCHANGED",
)
INVALID, BUSY, READ_ONLY, TOO_LARGE = (
    "WARP_ERR_INVALID_ARGUMENT",
    "WARP_ERR_BUSY",
    "WARP_ERR_READ_ONLY",
    "WARP_ERR_TOO_LARGE",
)

CODES = {
    "WARP_OK": 0,
    "WARP_NOT_FOUND": 1,
    "WARP_BUFFER_TOO_SMALL": 2,
    "WARP_CONFLICT": 3,
    "WARP_WOULD_BLOCK": 4,
    "WARP_UNCHANGED": 5,
    "WARP_ERR_INVALID_ARGUMENT": -1,
    "WARP_ERR_IO": -2,
    "WARP_ERR_CORRUPTION": -3,
    "WARP_ERR_BUSY": -4,
    "WARP_ERR_TIMEOUT": -5,
    "WARP_ERR_NO_SPACE": -6,
    "WARP_ERR_READ_ONLY": -7,
    "WARP_ERR_TOO_LARGE": -8,
    "WARP_ERR_UNSUPPORTED": -9,
    "WARP_ERR_OUT_OF_MEMORY": -10,
    "WARP_ERR_INTERNAL": -11,
}


def decode(form):
    """Bytes from one of the four forms of the format."""
    if isinstance(form, str):
        return form.encode("utf-8")
    (kind, body), = form.items()
    if kind == "hex":
        return bytes.fromhex(body)
    if kind == "repeat":
        return bytes.fromhex(body[0]) * body[1]
    if kind == "concat":
        return b"".join(decode(part) for part in body)
    raise ValueError(f"unknown form of bytes: {kind}")


def lengths(key, value=b""):
    """The status of a key and a value by their lengths."""
    if not key:
        return INVALID
    return TOO_LARGE if len(key) > KEY_MAX or len(value) > VALUE_MAX else OK


class Mismatch(Exception):
    """The file says one thing, the rules another."""


def want(step, field, got):
    """Compares one field of the answer with the file."""
    if field not in step:
        raise Mismatch(f"the step lacks {field!r}; the model answers {got!r}"[:300])
    said = step[field]
    said = decode(said) if isinstance(got, bytes) else said
    if said != got:
        raise Mismatch(f"{field}: the file says {said!r}, the model {got!r}"[:300])
