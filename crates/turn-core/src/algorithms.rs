//! Which password algorithms a server offers, and what it takes a client to have chosen. Not keys.
//! RFC 8489 §9.2.1, §9.2.4.

use stun_wire::{AttributeType, Integrity, Message, PasswordAlgorithm, PasswordAlgorithms};

/// The offer: the same in every challenge, so that it can be compared with what comes back.
pub(crate) struct Algorithms {
    /// The strongest first.
    offered: Vec<PasswordAlgorithm>,
    /// The value of PASSWORD-ALGORITHMS; empty where MD5 is all there is, which goes without saying.
    value: Vec<u8>,
}

impl Algorithms {
    /// An offer of these in whatever order; of MD5 where there are none.
    pub(crate) fn new(algorithms: &[PasswordAlgorithm]) -> Self {
        let mut offered = algorithms.to_vec();
        //= RFC 8489 §9.2.4: "The server MAY support alternate password algorithms, in which case it can list
        //= them in preferential order in a PASSWORD-ALGORITHMS attribute"
        // A client takes the first that it knows (§9.2.5): with MD5 in front none would take SHA-256.
        offered.sort_unstable_by(|a, b| b.cmp(a));
        offered.dedup();
        if offered.is_empty() {
            offered.push(PasswordAlgorithm::Md5);
        }
        let told = offered != [PasswordAlgorithm::Md5];
        let value = offered.iter().filter(|_| told).flat_map(|algorithm| algorithm.encode()).collect();
        Self { offered, value }
    }

    /// The value of PASSWORD-ALGORITHMS in challenges; `None` where they carry none.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        Some(self.value.as_slice()).filter(|value| !value.is_empty())
    }

    /// The algorithm of a request's key, and the attribute that its answer is signed by. `None`: 400.
    pub(crate) fn chosen(&self, message: &Message<'_>) -> Option<(PasswordAlgorithm, Integrity)> {
        let choice = message.find(AttributeType::PASSWORD_ALGORITHM);
        let (algorithm, signs) = match (choice, message.find(AttributeType::PASSWORD_ALGORITHMS)) {
            //= RFC 8489 §9.2.4: "If the request contains neither the PASSWORD-ALGORITHMS nor the
            //= PASSWORD-ALGORITHM algorithm, then the request is processed as though PASSWORD-ALGORITHM were
            //= MD5"
            //= RFC 8489 §9.2.4: "In that case, the MESSAGE-INTEGRITY attribute MUST be used instead of the
            //= MESSAGE-INTEGRITY-SHA256 attribute"
            (None, None) => (PasswordAlgorithm::Md5, Integrity::Sha1),
            //= RFC 8489 §9.2.4: "Otherwise, unless (1) PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS are both
            //= present, (2) PASSWORD-ALGORITHMS matches the value sent in the response that sent this NONCE,
            //= and (3) PASSWORD-ALGORITHM matches one of the entries in PASSWORD-ALGORITHMS, the server MUST
            //= generate an error response with an error code of 400 (Bad Request)"
            (Some(choice), Some(told)) => {
                let offered = self.offered.iter().copied().map(Some);
                let legal = !self.value.is_empty() && PasswordAlgorithms::new(told).eq(offered);
                let algorithm = PasswordAlgorithm::decode(choice).filter(|_| legal)?;
                match (algorithm, message.has(Integrity::Sha256)) {
                    (_, true) => (algorithm, Integrity::Sha256),
                    // RFC 8489 §9.2.5 wants MESSAGE-INTEGRITY-SHA256 here too. Clients are in use that choose
                    // MD5 and sign by SHA-1, which is no less than what choosing nothing proves.
                    (PasswordAlgorithm::Md5, false) => (algorithm, Integrity::Sha1),
                    (PasswordAlgorithm::Sha256, false) => return None,
                }
            }
            _ => return None,
        };
        self.offered.contains(&algorithm).then_some((algorithm, signs))
    }
}

#[cfg(test)]
mod tests {
    use stun_wire::PasswordAlgorithm::{Md5, Sha256};
    use stun_wire::{Class, IntegrityKey, MessageWriter, Method, TransactionId};

    use super::*;

    fn choice(
        offered: &[PasswordAlgorithm],
        told: Option<&[u8]>,
        chosen: Option<&[u8]>,
        signs: Integrity,
    ) -> Option<(PasswordAlgorithm, Integrity)> {
        let mut out = Vec::new();
        let mut writer =
            MessageWriter::new(&mut out, Class::Request, Method::ALLOCATE, TransactionId([1; 12]));
        if let Some(told) = told {
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, told);
        }
        if let Some(chosen) = chosen {
            writer.attribute(AttributeType::PASSWORD_ALGORITHM, chosen);
        }
        writer.integrity(&IntegrityKey::short_term(b"key").signing_by(signs));
        Algorithms::new(offered).chosen(&Message::parse(&out).unwrap())
    }

    #[test]
    fn the_strongest_is_offered_first_and_md5_alone_not_at_all() {
        let both = [0, 2, 0, 0, 0, 1, 0, 0];
        assert_eq!(Algorithms::new(&[Md5, Sha256]).value(), Some(&both[..]));
        assert_eq!(Algorithms::new(&[Sha256, Md5, Sha256]).value(), Some(&both[..]));
        assert_eq!(Algorithms::new(&[Sha256]).value(), Some(&both[..4]));
        assert_eq!(Algorithms::new(&[Md5]).value(), None);
        assert_eq!(Algorithms::new(&[]).value(), None);
    }

    #[test]
    fn row_30_a_choice_counts_with_the_offer_it_was_made_from() {
        let both = [Sha256.encode(), Md5.encode()].concat();
        let (md5, sha256) = (Md5.encode(), Sha256.encode());
        let by_sha256 = |told: Option<&[u8]>, chosen: Option<&[u8]>| {
            choice(&[Md5, Sha256], told, chosen, Integrity::Sha256)
        };
        assert_eq!(by_sha256(Some(&both), Some(&sha256)), Some((Sha256, Integrity::Sha256)));
        assert_eq!(by_sha256(Some(&both), Some(&md5)), Some((Md5, Integrity::Sha256)));
        let altered = [
            (None, Some(&sha256[..])),
            (Some(&both[..]), None),
            (Some(&md5[..]), Some(&md5[..])),
            (Some(&both[..4]), Some(&sha256[..])),
            (Some(&[0, 1, 0, 0, 0, 2, 0, 0][..]), Some(&sha256[..])),
            (Some(&[0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0][..]), Some(&sha256[..])),
            (Some(&[][..]), Some(&sha256[..])),
            (Some(&both[..]), Some(&[0, 3, 0, 0][..])),
            (Some(&both[..]), Some(&[0, 2][..])),
        ];
        for (told, chosen) in altered {
            assert_eq!(by_sha256(told, chosen), None, "{told:?} {chosen:?}");
        }
        let by_sha1 = |chosen| choice(&[Md5, Sha256], Some(&both), Some(chosen), Integrity::Sha1);
        assert_eq!(by_sha1(&sha256), None);
        assert_eq!(by_sha1(&md5), Some((Md5, Integrity::Sha1)));
    }

    #[test]
    fn row_30_who_chooses_nothing_speaks_md5_where_that_is_offered() {
        for signs in [Integrity::Sha1, Integrity::Sha256] {
            assert_eq!(choice(&[Md5], None, None, signs), Some((Md5, Integrity::Sha1)));
            assert_eq!(choice(&[Md5, Sha256], None, None, signs), Some((Md5, Integrity::Sha1)));
            assert_eq!(choice(&[Sha256], None, None, signs), None);
        }
        let md5 = Md5.encode();
        assert_eq!(choice(&[Md5], Some(&md5), Some(&md5), Integrity::Sha256), None);
    }
}
