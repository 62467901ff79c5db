"""Clients of the signaling over plain QUIC and in a WebTransport session, made of aioquic."""

import asyncio
import json
import ssl
import struct

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived
from schema import received, sent


class Messages:
    """Takes in the bytes of a stream and gives out the messages in them, each behind its length."""

    def __init__(self):
        self.buffer = b""
        self.queue = asyncio.Queue()

    def feed(self, data):
        self.buffer += data
        while len(self.buffer) >= 4:
            (length,) = struct.unpack(">I", self.buffer[:4])
            if len(self.buffer) < 4 + length:
                break
            self.queue.put_nowait(received(json.loads(self.buffer[4 : 4 + length])))
            self.buffer = self.buffer[4 + length :]

    async def next(self):
        return await asyncio.wait_for(self.queue.get(), timeout=60)

    async def hear(self, kind):
        message = await self.next()
        assert message["t"] == kind, message
        return message


class Plain(QuicConnectionProtocol):
    """The signaling without HTTP."""

    ALPN = ["ginnel.1"]

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.messages = Messages()
        self.stream = None

    async def open(self, authority):
        self.stream = self._quic.get_next_available_stream_id()

    def say(self, message):
        self.say_anything(sent(message))

    def say_anything(self, message):
        text = json.dumps(message).encode()
        self._quic.send_stream_data(self.stream, struct.pack(">I", len(text)) + text)
        self.transmit()

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived):
            self.messages.feed(event.data)


class Session(Plain):
    """The signaling in a WebTransport session."""

    ALPN = H3_ALPN

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        # From the start: the server's settings may be the first thing to come.
        self.http = H3Connection(self._quic, enable_webtransport=True)

    async def open(self, authority):
        self.answer = asyncio.get_running_loop().create_future()
        request = self._quic.get_next_available_stream_id()
        self.http.send_headers(
            request,
            [
                (b":method", b"CONNECT"),
                (b":scheme", b"https"),
                (b":authority", authority),
                (b":path", b"/signal"),
                (b":protocol", b"webtransport"),
                (b"origin", b"https://" + authority),
            ],
        )
        self.transmit()
        status = await asyncio.wait_for(self.answer, timeout=60)
        assert status == b"200", status
        self.stream = self.http.create_webtransport_stream(request)

    def quic_event_received(self, event):
        # aioquic reads HTTP frames on streams that it has opened itself, whatever they are.
        if isinstance(event, StreamDataReceived) and event.stream_id == self.stream:
            self.messages.feed(event.data)
            return
        for http_event in self.http.handle_event(event):
            if isinstance(http_event, HeadersReceived):
                self.answer.set_result(dict(http_event.headers)[b":status"])


def client(protocol, server):
    """A connection to HOST:PORT, to be entered; `open` comes next."""
    host, port = server.rsplit(":", 1)
    configuration = QuicConfiguration(
        alpn_protocols=protocol.ALPN, is_client=True, verify_mode=ssl.CERT_NONE, max_datagram_frame_size=65536
    )
    return connect(host, int(port), configuration=configuration, create_protocol=protocol)
