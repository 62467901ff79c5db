"""A QUIC client that breaks the rules of RFC 9000, one way per run; others are still served afterwards.

usage: aioquic_misbehaves.py HOST:PORT CASE
"""

import asyncio
import json
import os
import socket
import ssl
import struct
import sys

from aioquic import tls
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.buffer import Buffer, encode_uint_var
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived
from aioquic.quic.packet import QuicFrameType, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder

# Packets of each flood.
FLOOD = 20_000


class Client(QuicConnectionProtocol):
    """Says hello, and sends any frame in any packet."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.heard = b""
        self.news = asyncio.Event()
        self.end = None
        self.is_deaf = False

    def datagram_received(self, data, addr):
        if not self.is_deaf:
            super().datagram_received(data, addr)

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived):
            self.heard += event.data
        elif isinstance(event, ConnectionTerminated):
            self.end = event.error_code
        self.news.set()

    async def until(self, condition):
        async with asyncio.timeout(60):
            while not condition():
                self.news.clear()
                await self.news.wait()

    async def hello(self):
        await self.ask({"t": "hello", "v": 1}, b'"welcome"')

    async def ask(self, message, answer):
        """Says it on the first stream, and waits for an answer with this in it."""
        text = json.dumps(message).encode()
        self._quic.send_stream_data(0, struct.pack(">I", len(text)) + text)
        self.transmit()
        await self.until(lambda: answer in self.heard)

    def packet(self, *frames, skip=0):
        """One packet of these frames, each a type and the bytes behind it."""
        quic = self._quic
        builder = QuicPacketBuilder(
            host_cid=quic.host_cid,
            is_client=True,
            max_datagram_size=1200,
            packet_number=quic._packet_number + skip,
            peer_cid=quic._peer_cid.cid,
            peer_token=b"",
            quic_logger=None,
            spin_bit=False,
            version=quic._version,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, quic._cryptos[tls.Epoch.ONE_RTT])
        for kind, payload in frames:
            builder.start_frame(kind, capacity=len(payload)).push_bytes(payload)
        (datagram,), _ = builder.flush()
        quic._packet_number = builder.packet_number
        return datagram

    async def send(self, datagram):
        self._transport.sendto(datagram, self._quic._network_paths[0].addr)
        await turn()

    async def flood(self, packets):
        """Sends them all and reads nothing, as long as it is not told to stop."""
        self.is_deaf = True
        # On a busy machine the flood lasts longer than anybody who hears nothing stays.
        self._quic._idle_timeout = lambda: 3600.0
        self._quic._close_at = asyncio.get_running_loop().time() + 3600.0
        for number in range(FLOOD):
            await self.send(packets(number))
        self.is_deaf = False


async def turn():
    """Lets everything else that is waiting have its turn."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(done.set_result, None)
    await done


def varint(number):
    return encode_uint_var(number)


def client(server, parameters=None):
    """A connection; with other transport parameters if a function makes them."""
    host, port = server.rsplit(":", 1)
    configuration = QuicConfiguration(alpn_protocols=["ginnel.1"], is_client=True, verify_mode=ssl.CERT_NONE)

    def protocol(quic, **named):
        if parameters:
            good = quic._serialize_transport_parameters
            quic._serialize_transport_parameters = lambda: parameters(quic, good())
        return Client(quic, **named)

    return connect(host, int(port), configuration=configuration, create_protocol=protocol)


async def is_refused(server, parameters):
    """Whether the handshake ends with an error of the server's."""
    one = None
    try:
        async with asyncio.timeout(90), client(server, parameters) as one:
            # A client is sure only once the server has spoken behind the handshake.
            await one.hello()
    except ConnectionError:
        return True
    except TimeoutError:
        return one is not None and one.end is not None
    return False


def parameter(number, value):
    return varint(number) + varint(len(value)) + value


def malformed_parameters():
    """What stands behind a good source connection id, by name."""
    for number in (0x01, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x0E, 0x20):
        yield f"{number:#x} empty", parameter(number, b"")
        yield f"{number:#x} cut short", parameter(number, b"\xc0\x00")
        yield f"{number:#x} with more behind it", parameter(number, b"\x40\x40\x40")
        yield f"{number:#x} longer than the list", varint(number) + b"\x7f\xff\x40"
        yield f"{number:#x} twice", parameter(number, varint(2000)) * 2
    beyond = {0x03: 1199, 0x08: 2**60 + 1, 0x09: 2**60 + 1, 0x0A: 21, 0x0B: 2**14, 0x0E: 1}
    for number, value in beyond.items():
        yield f"{number:#x} out of bounds", parameter(number, varint(value))
    yield "0xc with a value", parameter(0x0C, b"\x01")
    yield "an address of its own", parameter(0x0D, bytes(41))
    for number in (0x00, 0x10):
        yield f"{number:#x} of a client", parameter(number, bytes(8))
    yield "0x2 of a client", parameter(0x02, bytes(16))
    yield "half an identifier", b"\xc0"


async def transport_parameters(server):
    """Every integer, too short, too long and out of bounds; what only a server may send; any cut; noise."""
    few = asyncio.Semaphore(16)

    async def refused(parameters):
        async with few:
            return await is_refused(server, parameters)

    def behind_source(bad):
        return lambda quic, good: parameter(0x0F, quic._local_initial_source_connection_id) + bad

    cases = {name: behind_source(bad) for name, bad in malformed_parameters()}
    cases["no source"] = lambda quic, good: b""
    cases["another source"] = lambda quic, good: parameter(0x0F, bytes(8))
    ends = await asyncio.gather(*(refused(parameters) for parameters in cases.values()))
    accepted = [name for name, end in zip(cases, ends) if not end]
    # Some of these may happen to be in order.
    cuts = [lambda quic, good, cut=cut: good[:-cut] for cut in range(1, 24)]
    noise = [lambda quic, good, length=length: os.urandom(length) for length in range(0, 400, 8)]
    others = await asyncio.gather(*(refused(parameters) for parameters in cuts + noise))
    print(f"{len(cases)} malformed, accepted: {accepted}; of {len(others)} broken ones {sum(others)} refused")
    assert not accepted


async def gaps(server):
    """Single bytes with gaps between them within the windows, and one byte far beyond."""

    def stream(offset):
        return (QuicFrameType.STREAM_BASE | 6, varint(0) + varint(offset) + varint(1) + b"x")

    def crypto(offset):
        return (QuicFrameType.CRYPTO, varint(offset) + varint(1) + b"x")

    for name, frame, first, last, codes in (
        ("stream", stream, 4096, 16384, {0x01}),  # INTERNAL_ERROR: too many gaps
        ("stream, far", stream, 2**61, 2**61 + 1, {0x03}),  # FLOW_CONTROL_ERROR
        ("handshake, far", crypto, 2**61, 2**61 + 1, {0x0D}),  # CRYPTO_BUFFER_EXCEEDED
        ("handshake", crypto, 1024, 4096, {0x01, 0x0D}),
    ):
        async with client(server) as one:
            await one.hello()
            offsets = range(first, last, 2)
            for at in range(0, len(offsets), 50):
                await one.send(one.packet(*map(frame, offsets[at : at + 50])))
            await one.until(lambda: one.end is not None)
            print(f"{name}: {len(offsets)} bytes, ended by {one.end}")
            assert one.end in codes


async def floods(server):
    """Frames that ask for an answer each, from somebody who reads none of them; and answers to nothing."""
    ping = (QuicFrameType.PING, b"")

    def challenges(number):
        return [(QuicFrameType.PATH_CHALLENGE, struct.pack(">Q", 100 * number + at)) for at in range(100)]

    def connection_ids(number):
        def frame(at):
            return varint(at) + varint(at) + b"\x08" + struct.pack(">Q", at) + os.urandom(16)

        first = 2 + 30 * number
        return [(QuicFrameType.NEW_CONNECTION_ID, frame(at)) for at in range(first, first + 30)]

    for packets in (
        lambda one, number: one.packet(*[ping] * 300),
        lambda one, number: one.packet(ping, skip=1),
        lambda one, number: one.packet(*challenges(number)),
        lambda one, number: one.packet(*connection_ids(number)),
        lambda one, number: one.packet((QuicFrameType.RETIRE_CONNECTION_ID, varint(0))),
    ):
        async with client(server) as one:
            await one.hello()
            await one.flood(lambda number: packets(one, number))
    async with client(server) as one:
        await one.hello()
        # Thanks for packets that were never sent.
        await one.send(one.packet((QuicFrameType.ACK, varint(1 << 20) + varint(0) + varint(0) + varint(0))))
        await one.until(lambda: one.end is not None)
        assert one.end == 0x0A, one.end  # PROTOCOL_VIOLATION
    async with client(server) as one:
        await one.hello()
        # As many ranges as fit, which lead below zero.
        ranges = varint(500) + varint(500) + varint(0) + (varint(1) + varint(0)) * 500
        await one.send(one.packet((QuicFrameType.ACK, ranges)))
        await one.until(lambda: one.end is not None)


async def migration(server):
    """Packets of one's own under somebody else's address, now and then from one's own."""
    host, port = server.rsplit(":", 1)
    victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    victim.bind((host, 0))
    victim.setblocking(False)
    async with client(server) as one:
        await one.hello()
        sent = received = 0
        for number in range(200):
            datagram = one.packet((QuicFrameType.PING, b""), (QuicFrameType.PADDING, bytes(40)))
            victim.sendto(datagram, (host, int(port)))
            sent += len(datagram)
            if number % 10 == 0:
                await one.send(one.packet((QuicFrameType.PING, b"")))
            await turn()
        while True:
            try:
                async with asyncio.timeout(2):
                    received += len(await asyncio.get_running_loop().sock_recv(victim, 65536))
            except TimeoutError:
                break
        print(f"forged: {sent} bytes, answered: {received} bytes")
        assert received == 0
        # The way that was there before is still the one that is used.
        await one.ask({"t": "find", "want": {"media": "text"}}, b'"waiting"')


async def resets(server):
    """Packets of a connection that is no more, and whatever comes for them sent back."""
    host, port = server.rsplit(":", 1)
    strangers = []

    def another():
        """Nobody hears what comes late for somebody else; so all ports are kept."""
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.connect((host, int(port)))
        one.setblocking(False)
        strangers.append(one)
        return one

    async def answer(stranger):
        try:
            async with asyncio.timeout(0.5):
                return await asyncio.get_running_loop().sock_recv(stranger, 65536)
        except TimeoutError:
            return b""

    async with client(server) as one:
        await one.hello()
        known = one._quic._peer_cid.cid

    def packet(length):
        return (b"\x70" + known + os.urandom(length))[:length]

    # Until the server has forgotten the connection.
    for _ in range(50):
        stranger = another()
        stranger.send(packet(1200))
        if await answer(stranger):
            break
    answered = 0
    for length in (1, 9, 21, 38, 39, 40, 41, 42, 43, 44, 60, 100, 300, 1200, 1452):
        stranger = another()
        stranger.send(packet(length))
        came = await answer(stranger)
        assert len(came) < length, (length, len(came))
        answered += bool(came)
        echoes = 0
        while came:
            stranger.send(came)
            came = await answer(stranger)
            echoes += 1
            assert echoes < 10
    # It does answer, or all of this shows nothing.
    assert answered
    stranger = another()
    for _ in range(2000):
        stranger.send(packet(1200))
        await turn()
    burst = 0
    while await answer(stranger):
        burst += 1
    print(f"{answered} of 15 lengths were answered, and {burst} of 2000 packets at once")
    assert burst < 200


async def main(server, case):
    cases = {
        "resets": resets,
        "parameters": transport_parameters,
        "gaps": gaps,
        "floods": floods,
        "migration": migration,
    }
    await cases[case](server)
    async with client(server) as other:
        await other.hello()
    print("others are served")


asyncio.run(main(*sys.argv[1:]))
