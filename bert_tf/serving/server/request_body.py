"""Bodies of HTTP requests, compressed or not, of bounded size."""

import zlib

from starlette.requests import Request

from bert_tf.serving.server.errors import RequestError, invalid

# What zlib is told of each format.
_FORMATS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
ENCODINGS = "gzip, deflate"


class UnknownEncoding(Exception):
    """A `Content-Encoding` other than `ENCODINGS`."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The content of a request.

    Args:
        request: not read yet.
        max_bytes: of what is sent, and of the content.

    Raises:
        UnknownEncoding: it is compressed in a way that is not known; nothing is read.
        RequestError: it is longer, or not compressed as it says.
        ClientDisconnect: the client has gone.
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
        # No more than that is unpacked, however small it was.
        content = unpacking.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise invalid(f"The request is not {encoding}: {error}.") from None
    if len(content) > max_bytes:
        raise _too_long(max_bytes)
    if not unpacking.eof or unpacking.unused_data:
        raise invalid(f"The request does not end where its {encoding} does.")
    return content


def _too_long(max_bytes: int) -> RequestError:
    return RequestError(
        "RESOURCE_EXHAUSTED",
        f"The request is longer than {max_bytes:,} bytes. Expected a shorter one: send "
        "several.",
    )
