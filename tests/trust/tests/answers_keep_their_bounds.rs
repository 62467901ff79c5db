//! Rows 63, 68 and 69: every form of request that proves nothing, over both families.

use trust::{Bound, measure};

#[test]
fn rows_63_and_68_and_69_every_form_of_request() {
    for it in measure() {
        let family = if it.ipv6 { "IPv6" } else { "IPv4" };
        assert!(it.answer_bytes <= it.bytes_max(), "{} over {family}: {}", it.form, it.answer_bytes);
        // A form that should be answered and is not would hide what its answer weighs.
        let answered = !matches!(it.bound, Bound::Silence);
        assert_eq!(it.answer_bytes > 0, answered, "{} over {family}", it.form);
    }
}
