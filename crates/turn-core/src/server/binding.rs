//! Binding: what address a client has, and, where the operator wants it, how its NAT behaves. Unproved
//! senders are answered, so each answer counts against their budgets. RFC 8489 §6.3, RFC 5780 §6.

use stun_wire::limits::{ATTRIBUTE_HEADER_BYTES, HEADER_BYTES};
use stun_wire::{AttributeType, Class, ErrorCode, Message, MessageWriter, Method};

use super::Server;
use super::authenticate::is_understood;
use crate::address::{ClientAddr, FiveTuple};
use crate::config::Now;
use crate::counters::DropReason;
use crate::discovery::{self, Asked, Wishes};
use crate::limits::RESPONSE_PORT_MIN;
use crate::verdict::{Event, Verdict};

impl Server {
    pub(super) fn handle_binding<'d>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        let is_asked = self.discovery.iter().any(|discovery| discovery.asked_at(tuple.listener).is_some());
        if !self.may_answer(now, &tuple, message, answer_bytes_max(&tuple, message, is_asked)) {
            return Verdict::Drop(DropReason::OverBudget);
        }
        let asked = self.discovery.iter().find_map(|discovery| discovery.asked_at(tuple.listener));
        let start = reply.len();
        let is_known =
            |kind| is_understood(kind) || (asked.is_some() && discovery::ATTRIBUTES.contains(&kind));
        let unknown = message.attributes().any(|attribute| !is_known(attribute.kind));
        let answered = match asked {
            _ if unknown => Err(ErrorCode::UnknownAttribute),
            Some(asked) => self.answer_discovery(tuple, asked, message, reply),
            None => {
                success(message, reply).xor_address(AttributeType::XOR_MAPPED_ADDRESS, tuple.client.0);
                Ok(tuple)
            }
        };
        match answered {
            Ok(way) => {
                self.counters.bindings += 1;
                if way == tuple {
                    return Verdict::Reply;
                }
                self.events.push_back(Event::Send { to: way, message: reply.split_off(start) });
                Verdict::Later
            }
            Err(code) => {
                // Without the list of RFC 8489 §14.13: an unauthenticated answer stays within 28 bytes.
                MessageWriter::new(reply, Class::Error, Method::BINDING, message.transaction_id())
                    .error_code(code);
                self.counters.errors += 1;
                Verdict::Reply
            }
        }
    }

    /// Appends the answer of a server that has another address, and says by which way it is to leave.
    ///
    /// # Errors
    /// 400 for what [`Wishes::read`] refuses, and for a port where nobody who asks us listens.
    fn answer_discovery(
        &self,
        tuple: FiveTuple,
        asked: Asked<'_>,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<FiveTuple, ErrorCode> {
        let wishes = Wishes::read(message)?;
        let origin = asked.origin(&wishes);
        let way = wishes.way(tuple, origin);
        if way.client != tuple.client && !self.may_be_answered_instead(way.client) {
            return Err(ErrorCode::BadRequest);
        }
        //= RFC 5780 §6.1: "The server MUST add a RESPONSE-ORIGIN attribute to the Binding Response,
        //= containing the source address and port used to send the Binding Response"
        //= RFC 5780 §6.1: "the server MUST add an OTHER-ADDRESS attribute to the Binding Response. ... these
        //= are Ca and Cp, respectively, regardless of the value of the CHANGE-REQUEST flags"
        let mut writer = success(message, reply);
        writer
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, tuple.client.0)
            .address(AttributeType::RESPONSE_ORIGIN, origin.public)
            .address(AttributeType::OTHER_ADDRESS, asked.other().public);
        if wishes.padding && message.length() > writer.length() {
            // The RFC has the length of the link's MTU there; so much for any short request would be a gift
            // to those who forge its source. Like this the answer is as long as the request.
            let room = message.length().saturating_sub(writer.length() + ATTRIBUTE_HEADER_BYTES);
            writer.attribute(AttributeType::PADDING, &vec![0; room]);
        }
        Ok(way)
    }

    /// Whether an answer may go to another port of the address that asked. It must not be made to knock at
    /// services.
    fn may_be_answered_instead(&self, client: ClientAddr) -> bool {
        client.0.port() >= RESPONSE_PORT_MIN && !self.addresses.is_hopeless_source(client.0)
    }
}

/// The most that an answer can have: one address, or three where the NAT's behaviour is asked for, which may
/// be padded to the length of the request. Errors are shorter.
fn answer_bytes_max(tuple: &FiveTuple, message: &Message<'_>, is_discovery: bool) -> usize {
    let address = ATTRIBUTE_HEADER_BYTES + if tuple.client.0.is_ipv4() { 8 } else { 20 };
    if is_discovery { message.length().max(HEADER_BYTES + 3 * address) } else { HEADER_BYTES + address }
}

fn success<'b>(message: &Message<'_>, reply: &'b mut Vec<u8>) -> MessageWriter<'b> {
    MessageWriter::new(reply, Class::Success, Method::BINDING, message.transaction_id())
}
