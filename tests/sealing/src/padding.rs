//! Three sizes for all messages, so that sizes tell little. Not about what is inside.

use crate::limits::PADDED_BYTES;
use crate::sealing::SealError;

/// The text behind its length, filled with zeros to the next of the three sizes.
pub(crate) fn pad(text: &[u8]) -> Result<Vec<u8>, SealError> {
    let needed = LENGTH_BYTES + text.len();
    let size = *PADDED_BYTES.iter().find(|size| needed <= **size).ok_or(SealError::TooLarge)?;
    let length = u16::try_from(text.len()).expect("the largest size fits into two bytes");
    let mut padded = Vec::with_capacity(size);
    padded.extend_from_slice(&length.to_be_bytes());
    padded.extend_from_slice(text);
    padded.resize(size, 0);
    Ok(padded)
}

/// The text, or an error where what surrounds it is not what [`pad`] writes.
pub(crate) fn unpad(padded: &[u8]) -> Result<&[u8], SealError> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>().ok_or(SealError::Malformed)?;
    let (text, zeros) =
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(SealError::Malformed)?;
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(SealError::Malformed);
    }
    Ok(text)
}

const LENGTH_BYTES: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_the_next_size_and_comes_back() {
        for (bytes, size) in [(0, 1024), (1022, 1024), (1023, 8192), (8190, 8192), (8191, 16_384)] {
            let text = vec![b'x'; bytes];
            let padded = pad(&text).unwrap();
            assert_eq!(padded.len(), size);
            assert_eq!(unpad(&padded).unwrap(), text);
        }
        assert_eq!(pad(&[b'x'; 16_383]), Err(SealError::TooLarge));
    }

    #[test]
    fn a_wrong_length_and_a_filled_padding_are_refused() {
        assert_eq!(unpad(&[0]), Err(SealError::Malformed));
        assert_eq!(unpad(&[0, 3, b'a', b'b']), Err(SealError::Malformed));
        assert_eq!(unpad(&[0, 1, b'a', 1]), Err(SealError::Malformed));
    }
}
