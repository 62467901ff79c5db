//! The messages as a JSON Schema, made from the types that read and write them: `docs/protocol.schema.json`.
//!
//! Only tests make it. It says what a message looks like; what one may say when is in `docs/protocol.md`.

use std::borrow::Cow;

use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::ids::{ResumeToken, RoomCode, SessionId};
use crate::inbound::Frame;
use crate::message::ServerMessage;
use crate::payload::{SealedBody, Written};

fn schema() -> Value {
    let mut of_server = kinds(of::<ServerMessage>(Contract::Serialize));
    of_server.extend(kinds(of::<Written<'static>>(Contract::Serialize)));
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ginnel.1",
        "description": "The messages of the signaling protocol ginnel.1, of clients and of the server. Texts \
            are bounded in bytes of UTF-8, which a schema can say of characters only; the gate for `plain` \
            payloads is in the protocol's document. A client ignores members and messages that it does not \
            know.",
        "anyOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": {
            "ClientMessage": {"oneOf": kinds(of::<Frame>(Contract::Deserialize))},
            "ServerMessage": {"oneOf": of_server},
        },
    })
}

fn of<T: JsonSchema>(contract: Contract) -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.contract = contract;
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.transforms.push(Box::new(RecursiveTransform(|schema: &mut Schema| {
            if schema.get("format").is_some_and(|format| format == "uint64") {
                schema.insert("maximum".to_owned(), u64::MAX.into());
            }
        })));
    });
    settings.into_generator().into_root_schema_for::<T>()
}

/// The messages of a schema, without what it says of the Rust type.
fn kinds(mut schema: Schema) -> Vec<Value> {
    match schema.remove("oneOf") {
        Some(Value::Array(kinds)) => kinds,
        _ => panic!("an enum has its variants here"),
    }
}

/// Types that read and write themselves.
macro_rules! text {
    ($($of:ty, $name:literal, $pattern:literal;)*) => {$(
        impl JsonSchema for $of {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )*};
}

text! {
    SessionId, "SessionId", "^[A-Za-z0-9_-]{21}[AQgw]$";
    RoomCode, "RoomCode", "^[A-Za-z0-9_-]{21}[AQgw]$";
    ResumeToken, "ResumeToken", "^[A-Za-z0-9_-]{21}[AQgw]$";
    SealedBody, "SealedBody", "^[A-Za-z0-9_-]+$";
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    #[test]
    fn the_committed_schema_is_the_generated_one() {
        let generated = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.schema.json");
        if env::var_os("UPDATE").is_some() {
            fs::write(path, &generated).unwrap();
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == generated, "run: UPDATE=1 cargo test -p match-core schema");
    }
}
