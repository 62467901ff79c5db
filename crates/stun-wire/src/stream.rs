//! Where one message ends and the next begins on a stream. It keeps no bytes: the caller owns the buffer,
//! asks for its first frame, and removes what was taken. Not what a message means; [`crate::Message`] and
//! [`crate::ChannelData`] check the rest of its shape.
//!
//! RFC 8489 §6.2.2 (STUN over TCP), RFC 8656 §12.4 and §12.5 (ChannelData over TCP).

use crate::FirstByte;
use crate::header::MAGIC_COOKIE;
use crate::limits::{CHANNEL_DATA_HEADER_BYTES, HEADER_BYTES};

/// What stands at the beginning of a stream's unread bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole STUN or ChannelData message.
    Whole {
        /// The message as it would stand in a datagram, without padding.
        message: &'a [u8],
        /// How many bytes belong to it, padding included.
        taken: usize,
    },
    /// The beginning of one, or nothing yet. It is known that at least so many bytes belong together.
    Partial {
        /// Bytes from the beginning, more than there are.
        wanted: usize,
    },
}

impl<'a> Frame<'a> {
    /// Looks at the first frame of `unread`; frames of more than `bytes_max` are not waited for.
    ///
    /// # Errors
    /// [`StreamError`]: what follows can't be told apart any more, so the stream has to end.
    pub fn first(unread: &'a [u8], bytes_max: usize) -> Result<Self, StreamError> {
        let (message_bytes, taken) = match FirstByte::of(unread) {
            FirstByte::Stun => {
                let Some(length) = stun_length(unread)? else {
                    return Ok(Self::Partial { wanted: HEADER_BYTES });
                };
                (length, length)
            }
            FirstByte::ChannelData => {
                let &[_, _, high, low, ..] = unread else {
                    return Ok(Self::Partial { wanted: CHANNEL_DATA_HEADER_BYTES });
                };
                let length = CHANNEL_DATA_HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
                //= RFC 8656 §12.5: "Over TCP and TLS-over-TCP, the ChannelData message MUST be padded to a
                //= multiple of four bytes in order to ensure the alignment of subsequent messages. The
                //= padding is not reflected in the length field of the ChannelData message"
                (length, length.next_multiple_of(4))
            }
            FirstByte::Other if unread.is_empty() => return Ok(Self::Partial { wanted: 1 }),
            FirstByte::Other => return Err(StreamError::NotTurn),
        };
        if taken > bytes_max {
            return Err(StreamError::TooLong);
        }
        match unread.get(..message_bytes) {
            Some(message) if unread.len() >= taken => Ok(Self::Whole { message, taken }),
            _ => Ok(Self::Partial { wanted: taken }),
        }
    }
}

/// Why nothing more can be read from a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamError {
    /// The bytes begin neither a STUN message nor ChannelData.
    NotTurn,
    /// A frame announces more bytes than its reader takes.
    TooLong,
}

/// Appends the padding that ChannelData needs on a stream; the frame starts at `start`. STUN messages end on
/// a multiple of four by themselves.
pub fn pad_stream_frame(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(4), 0);
}

/// Bytes of the STUN message that begins here; `None` while its header is not all there. What can be wrong is
/// said as soon as it is seen.
fn stun_length(unread: &[u8]) -> Result<Option<usize>, StreamError> {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    let seen = unread.get(4..).unwrap_or_default();
    if !seen.iter().zip(cookie).all(|(seen, expected)| *seen == expected) {
        return Err(StreamError::NotTurn);
    }
    let &[_, _, high, low, ..] = unread else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !length.is_multiple_of(4) {
        return Err(StreamError::NotTurn);
    }
    Ok((unread.len() >= HEADER_BYTES).then_some(HEADER_BYTES + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::STREAM_FRAME_BYTES_MAX;
    use crate::write_channel_data_header;
    use crate::{AttributeType, ChannelNumber, Class, MessageWriter, Method, TransactionId};

    /// A Binding request, ChannelData of five bytes with its padding, an Allocate.
    fn three_messages() -> Vec<u8> {
        let mut stream = Vec::new();
        MessageWriter::new(&mut stream, Class::Request, Method::BINDING, TransactionId([1; 12]));
        let start = stream.len();
        write_channel_data_header(&mut stream, ChannelNumber::new(0x4001).unwrap(), 5);
        stream.extend_from_slice(b"hello");
        pad_stream_frame(&mut stream, start);
        MessageWriter::new(&mut stream, Class::Request, Method::ALLOCATE, TransactionId([2; 12]))
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        stream
    }

    /// What a reader makes of segments that arrive one after the other.
    fn read(segments: &[&[u8]]) -> (Vec<Vec<u8>>, Result<usize, StreamError>) {
        let (mut unread, mut messages) = (Vec::new(), Vec::new());
        for segment in segments {
            unread.extend_from_slice(segment);
            loop {
                match Frame::first(&unread, STREAM_FRAME_BYTES_MAX) {
                    Ok(Frame::Whole { message, taken }) => {
                        messages.push(message.to_vec());
                        unread.drain(..taken);
                    }
                    Ok(Frame::Partial { wanted }) => {
                        assert!(wanted > unread.len(), "a reader that waits for nothing waits for ever");
                        break;
                    }
                    Err(error) => return (messages, Err(error)),
                }
            }
        }
        (messages, Ok(unread.len()))
    }

    #[test]
    fn row_120_segmentation_changes_nothing() {
        let stream = three_messages();
        let whole = read(&[&stream]);
        assert_eq!((whole.0.len(), whole.1), (3, Ok(0)));
        assert_eq!(whole.0[1], [0x40, 0x01, 0, 5, b'h', b'e', b'l', b'l', b'o']);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let segments = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(read(&segments), whole, "cut at {first} and {second}");
            }
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn row_119_what_is_not_turn_ends_the_stream_at_its_first_byte() {
        for first in 0..=u8::MAX {
            let is_turn = matches!(first, 0..=3 | 64..=127);
            assert_eq!(Frame::first(&[first], 2_048).is_ok(), is_turn, "{first}");
        }
        assert_eq!(Frame::first(&[0, 1, 0, 8, 0x21, 0x13], 2_048), Err(StreamError::NotTurn));
        assert_eq!(Frame::first(&[0, 1, 0, 7], 2_048), Err(StreamError::NotTurn));
    }

    #[test]
    fn row_119_nobody_waits_for_more_than_the_bound() {
        let mut stun = vec![0, 1, 0xFF, 0xFC];
        stun.extend(MAGIC_COOKIE.to_be_bytes());
        stun.resize(HEADER_BYTES, 0);
        assert_eq!(Frame::first(&stun, 2_048), Err(StreamError::TooLong));
        assert_eq!(
            Frame::first(&stun, STREAM_FRAME_BYTES_MAX),
            Ok(Frame::Partial { wanted: HEADER_BYTES + 65_532 })
        );
        let data = [0x40, 0x01, 0xFF, 0xFF];
        assert_eq!(Frame::first(&data, 2_048), Err(StreamError::TooLong));
        assert_eq!(Frame::first(&data, STREAM_FRAME_BYTES_MAX), Ok(Frame::Partial { wanted: 65_540 }));
    }

    #[test]
    fn the_largest_channel_data_is_read_whole() {
        let mut stream = vec![0x40, 0x01, 0xFF, 0xFF];
        stream.resize(65_540, 7);
        let Ok(Frame::Whole { message, taken }) = Frame::first(&stream, STREAM_FRAME_BYTES_MAX) else {
            panic!("it is all there")
        };
        assert_eq!((message.len(), taken), (65_539, 65_540));
    }
}
