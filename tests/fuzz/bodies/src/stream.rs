//! Any segmentation of the same bytes gives the same messages. Not what a message means. RFC 8489 §6.2.2,
//! RFC 8656 §12.5.

use stun_wire::limits::STREAM_FRAME_BYTES_MAX;
use stun_wire::{Frame, StreamError, pad_stream_frame};

/// The first eight bytes choose lengths of segments, in turn; the rest is the stream.
pub fn stream(data: &[u8]) {
    let Some((lengths, stream)) = data.split_first_chunk::<8>() else { return };
    let whole = read(&[stream]);
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&bytes), whole, "byte by byte");
    assert_eq!(read(&segments(stream, lengths)), whole, "in segments");
    written_again(&whole.messages);
}

fn segments<'a>(mut stream: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut segments = Vec::new();
    for length in lengths.iter().cycle() {
        // A segment of no bytes may come; an end of the cycle may not.
        let (segment, rest) = stream.split_at(usize::from(*length).min(stream.len()));
        segments.push(segment);
        stream = rest;
        if stream.is_empty() || segments.len() > SEGMENTS_MAX {
            break;
        }
    }
    segments.push(stream);
    segments
}

/// What a reader makes of segments that arrive one after the other.
fn read(segments: &[&[u8]]) -> Outcome {
    let (mut unread, mut messages) = (Vec::new(), Vec::new());
    for segment in segments {
        unread.extend_from_slice(segment);
        loop {
            match Frame::first(&unread, STREAM_FRAME_BYTES_MAX) {
                Ok(Frame::Whole { message, taken }) => {
                    assert!(message.len() <= taken && taken <= unread.len().min(STREAM_FRAME_BYTES_MAX));
                    assert!(taken > 0 && taken.is_multiple_of(4) && taken - message.len() < 4);
                    messages.push(message.to_vec());
                    unread.drain(..taken);
                }
                Ok(Frame::Partial { wanted }) => {
                    assert!(unread.len() < wanted && wanted <= STREAM_FRAME_BYTES_MAX);
                    break;
                }
                // What is unread then depends on where the segments ended, and nobody reads it.
                Err(error) => return Outcome { messages, end: Err(error) },
            }
        }
    }
    Outcome { messages, end: Ok(unread) }
}

/// The same messages with padding of our own are read as the same messages.
fn written_again(messages: &[Vec<u8>]) {
    let mut stream = Vec::new();
    for message in messages {
        let start = stream.len();
        stream.extend_from_slice(message);
        pad_stream_frame(&mut stream, start);
    }
    assert_eq!(read(&[&stream]), Outcome { messages: messages.to_vec(), end: Ok(Vec::new()) });
}

/// What was read, and what was left or why nothing more can be.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    messages: Vec<Vec<u8>>,
    end: Result<Vec<u8>, StreamError>,
}

/// Segments of one input; what is left comes in one.
const SEGMENTS_MAX: usize = 512;
