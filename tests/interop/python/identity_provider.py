"""An identity provider on PyJWT, and people who come with its tokens on `websockets`; told what to do by
lines of JSON, each answered by one.

    identity_provider.py [CERTIFICATE KEY]

With a certificate it answers over HTTPS on the loopback port that its first line tells. `how` of `serve` says
what it answers: keys, or what goes wrong with them.
"""

import asyncio
import http.server
import json
import ssl
import sys
import threading

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from schema import received, sent
from websockets.asyncio.client import connect

KINDS = {
    "rsa": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "p256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "p384": (lambda: ec.generate_private_key(ec.SECP384R1()), ECAlgorithm),
    "p521": (lambda: ec.generate_private_key(ec.SECP521R1()), ECAlgorithm),
    "ed25519": (lambda: ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm),
}


class Provider:
    def __init__(self):
        self.keys, self.how, self.served, self.questions = {}, "well", [], 0

    def make(self, kid, kind):
        """A new key; its name may have been another's."""
        self.keys[kid] = (KINDS[kind][0](), kind)
        return self.public(kid)

    def public(self, kid):
        key, kind = self.keys[kid]
        return {**KINDS[kind][1].to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}

    def token(self, kid, alg, claims, headers={}):
        return jwt.encode(claims, self.keys[kid][0], algorithm=alg, headers={"kid": kid, **headers})

    def unsigned(self, claims):
        return jwt.encode(claims, None, algorithm="none")

    def symmetric(self, secret, kid, claims):
        return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid})

    def serve(self, how, kids):
        self.how, self.served = how, [self.public(kid) for kid in kids]
        return None

    def asked(self):
        return self.questions

    def enter(self, url, token):
        return asyncio.run(asyncio.wait_for(enter(url, token), 60))


async def enter(url, token):
    """What the server says to a token."""
    async with connect(url, subprotocols=["ginnel.1"]) as socket:
        hello = {"t": "hello", "v": 1}
        if token is not None:
            hello["token"] = token
        await socket.send(json.dumps(sent(hello)))
        answer = received(json.loads(await socket.recv()))
        return answer["code"] if answer["t"] == "error" else answer["t"]


def handler(provider):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            provider.questions += 1
            keys = json.dumps({"keys": provider.served}).encode()
            match provider.how:
                case "well":
                    self.answer(200, keys)
                case "refused":
                    self.answer(503, keys)
                case "elsewhere":
                    self.answer(302, keys, {"Location": "/keys"})
                case "rubbish":
                    self.answer(200, b"<html>maintenance</html>")
                case "endless":
                    self.endless()
                case "cut":
                    self.answer(200, keys[: len(keys) // 2], {"Content-Length": str(len(keys))})

        def answer(self, status, body, headers={}):
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def endless(self):
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b" " * 65536)
            except OSError:
                pass

        def log_message(self, *_):
            pass

    return Handler


def answer_https(provider, certificate, key):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(provider))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def main():
    provider = Provider()
    print(json.dumps(answer_https(provider, *sys.argv[1:]) if len(sys.argv) > 1 else None), flush=True)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(getattr(provider, name)(*arguments)), flush=True)


main()
