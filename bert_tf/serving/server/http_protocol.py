"""uvicorn's HTTP/1.1 protocol with time limits: no client can hold a connection."""

import asyncio
import http
import json
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# The time that a refused client has to read the response.
_LINGER_SECONDS = 1.0


class BoundedProtocol(H11Protocol):
    """A connection that is closed in time, whatever its client does.

    Here `timeout_keep_alive` limits every wait for the client: for the complete head of
    a request, and for the response to be read; uvicorn itself stops its timer at the
    first byte. The application limits the time of a body.

    A connection beyond `limit_concurrency` is refused at once; uvicorn itself waits for
    a request first.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._is_refused = False
        self._reading_answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuses the connection, or waits for the head of a request."""
        most = self._max_connections
        if most is not None and len(self.connections) >= most:
            self.transport = transport
            self._refuse(
                503, f"There are {most} connections already. Expected fewer: try later."
            )
            return
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Receives data; only a complete head stops the timer."""
        if not self._is_refused:
            self.conn.receive_data(data)
            self.handle_events()

    def on_response_complete(self) -> None:
        """Waits for the response to be read, and for the next head."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_timer()

    def pause_writing(self) -> None:
        """Limits the time in which the client must read the response."""
        super().pause_writing()
        self._reading_answer = self.loop.call_later(
            self.timeout_keep_alive, self.transport.abort
        )

    def resume_writing(self) -> None:
        """Resumes, since the client has read."""
        super().resume_writing()
        if self._reading_answer is not None:
            self._reading_answer.cancel()

    def timeout_keep_alive_handler(self) -> None:
        """Closes the connection, unless there is a request to answer."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            # Closing would wait for the client to read the rest.
            self.transport.abort()
        elif self.cycle is None or self.cycle.response_complete:
            if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
                self._refuse(
                    408,
                    "The head of the request was not received within "
                    f"{self.timeout_keep_alive} s. Expected it within this time.",
                )
            else:
                super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Responds to data that is not HTTP/1.1 with the error message of h11."""
        error = sys.exception()
        status = getattr(error, "error_status_hint", 400)
        self._refuse(
            status, f"The request cannot be read: {error or msg}. Expected HTTP/1.1."
        )

    def _start_timer(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _refuse(self, status: int, message: str) -> None:
        """Responds with an error, even before the request is complete."""
        self._is_refused = True
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": message}).encode()
            self.transport.write(
                f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
                "Content-Type: application/json\r\nConnection: close\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
        # Closing at once with unread bytes would reset the connection and lose the
        # response.
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.abort)
