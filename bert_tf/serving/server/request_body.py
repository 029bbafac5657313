"""Reads the bodies of HTTP requests, compressed or not, up to a maximum size."""

import zlib

from starlette.requests import Request

from bert_tf.serving.server.errors import RequestError, invalid

# The argument `wbits` of zlib for each encoding.
_FORMATS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
ENCODINGS = "gzip, deflate"


class UnknownEncoding(Exception):
    """A `Content-Encoding` other than `ENCODINGS`."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Reads the content of a request.

    Args:
        request: a request whose body has not been read.
        max_bytes: the maximum size of the body, both compressed and decompressed.

    Raises:
        UnknownEncoding: the encoding is not supported; nothing is read.
        RequestError: the body is too long, or is not in its declared encoding.
        ClientDisconnect: the client has disconnected.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", *_FORMATS):
        raise UnknownEncoding(
            f"Received Content-Encoding: {encoding[:50]!r}. Expected {ENCODINGS}, or "
            "none."
        )
    length = request.headers.get("content-length", "0")
    if len(length) > 18 or int(length) > max_bytes:
        raise _too_long(max_bytes)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > max_bytes:
            raise _too_long(max_bytes)
    if encoding in _FORMATS:
        return _decompressed(bytes(body), encoding, max_bytes)
    return bytes(body)


def _decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    unpacking = zlib.decompressobj(_FORMATS[encoding])
    try:
        # A small body may expand to any size: at most this much is decompressed.
        content = unpacking.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise invalid(f"The request is not valid {encoding}: {error}.") from None
    if len(content) > max_bytes:
        raise _too_long(max_bytes)
    if not unpacking.eof or unpacking.unused_data:
        raise invalid(
            f"The request is not one complete {encoding} stream. Expected nothing "
            "before or after it."
        )
    return content


def _too_long(max_bytes: int) -> RequestError:
    return RequestError(
        "RESOURCE_EXHAUSTED",
        f"The request is longer than {max_bytes:,} bytes. Expected a shorter one: "
        "split it.",
    )
