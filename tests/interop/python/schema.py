"""The published schema of the messages, as a JSON Schema library that nobody here wrote reads it."""

import json
import pathlib

from jsonschema import Draft202012Validator

PATH = pathlib.Path(__file__).parents[3] / "docs/protocol.schema.json"
SCHEMA = json.loads(PATH.read_text())
Draft202012Validator.check_schema(SCHEMA)


def validator(of):
    return Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{of}"}]})


CLIENT, SERVER = validator("ClientMessage"), validator("ServerMessage")


def sent(message):
    """Gives back a message of a client if it is as the schema says."""
    CLIENT.validate(message)
    return message


def received(message):
    """The same for one of the server."""
    SERVER.validate(message)
    return message
