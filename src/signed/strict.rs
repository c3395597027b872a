//! Ed25519 with nothing left to interpretation: what other verifiers accept or refuse, this one refuses.

use super::error::SignedError;
use ed25519_dalek::{Signature, VerifyingKey};

/// Strict verification: R is recomputed and compared byte by byte (no cofactor); keys and points R of small
/// order and S not below the group's order are refused.
pub(super) fn verify(
    public: &[u8; 32],
    message: &[u8],
    signature: &[u8; 64],
) -> Result<(), SignedError> {
    let point = VerifyingKey::from_bytes(public);
    let point = point.ok().filter(|point| !point.is_weak()).ok_or(SignedError::WeakKey)?;
    let verified = point.verify_strict(message, &Signature::from_bytes(signature));
    verified.map_err(|_| SignedError::BadSignature)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn checked(public: &str, message: &str, signature: &str) -> Result<(), SignedError> {
        let (public, signature) = (hex(public), hex(signature));
        verify(public[..].try_into().unwrap(), &hex(message), &signature.try_into().unwrap())
    }

    /// RFC 8032, 7.1: messages of 0, 1 and 2 bytes.
    const STANDARD: [[&str; 3]; 3] = [
        [
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ];

    #[test]
    fn vectors_of_the_standard_are_accepted_and_no_other_message() {
        for [public, message, signature] in STANDARD {
            assert_eq!(checked(public, message, signature), Ok(()));
            let other = std::format!("{message}00");
            assert_eq!(checked(public, &other, signature), Err(SignedError::BadSignature));
        }
    }

    /// Every bit of signature and key matters.
    #[test]
    fn one_flipped_bit_is_refused() {
        let [public, message, signature] = STANDARD[1];
        let (public, message, signature) = (hex(public), hex(message), hex(signature));
        for bit in 0..(32 + 64) * 8 {
            let mut key: [u8; 32] = public[..].try_into().unwrap();
            let mut other: [u8; 64] = signature[..].try_into().unwrap();
            match bit < 256 {
                true => key[bit / 8] ^= 1 << (bit % 8),
                false => other[bit / 8 - 32] ^= 1 << (bit % 8),
            }
            assert!(verify(&key, &message, &other).is_err(), "bit {bit}");
        }
    }

    /// The vectors of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko, 2020), with what a strict
    /// verifier must say: only the fourth satisfies every rule.
    #[test]
    fn what_implementations_disagree_about_is_refused() {
        const WEAK: Result<(), SignedError> = Err(SignedError::WeakKey);
        const BAD: Result<(), SignedError> = Err(SignedError::BadSignature);
        for (what, expected, public, message, signature) in [
            (
                "key and R of small order, S is 0",
                WEAK,
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000",
            ),
            (
                "key of small order",
                WEAK,
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
                "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
                "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
            ),
            (
                "R of small order",
                BAD,
                "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
                "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
                "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
            ),
            (
                "key and R of mixed order, and the equation holds without the cofactor",
                Ok(()),
                "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
                "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
                "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
            ),
            (
                "holds with the cofactor only",
                BAD,
                "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
                "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
                "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
            ),
            (
                "holds with the cofactor only, multiplied first",
                BAD,
                "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
                "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
                "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
            ),
            (
                "S above the order",
                BAD,
                "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
                "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
                "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
            ),
            (
                "S far above the order",
                BAD,
                "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
                "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
                "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
            ),
            (
                "R not canonical",
                BAD,
                "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
                "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
                "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
            ),
            (
                "R not canonical, hashed as it is",
                BAD,
                "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
                "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
                "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
            ),
        ] {
            assert_eq!(checked(public, message, signature), expected, "{what}");
        }
    }

    /// The same S in another class modulo the order L = 2²⁵² + …: R·B = … holds for S + L, too.
    #[test]
    fn s_is_below_the_order() {
        let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        for [public, message, signature] in STANDARD {
            let mut bytes: [u8; 64] = hex(signature).try_into().unwrap();
            for times in 1..=8 {
                let mut carry = 0;
                for (to, add) in bytes[32..].iter_mut().zip(&order) {
                    carry += u16::from(*to) + u16::from(*add);
                    *to = carry as u8;
                    carry >>= 8;
                }
                let refused = verify(hex(public)[..].try_into().unwrap(), &hex(message), &bytes);
                assert_eq!(refused, Err(SignedError::BadSignature), "S + {times} L");
            }
        }
    }

    /// All fourteen encodings of the eight points of small order, the six that are not canonical included: as
    /// a key, and as R.
    #[test]
    fn points_of_small_order_are_refused() {
        let high = |low: &str, tail: &str| std::format!("{low}{}{tail}", "ff".repeat(30));
        let zero = |low: &str, tail: &str| std::format!("{low}{}{tail}", "00".repeat(30));
        let eight = [
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc",
        ];
        let mut points = Vec::new();
        for sign in ["00", "80"] {
            points.extend([zero("01", sign), zero("00", sign)]);
        }
        for sign in ["7f", "ff"] {
            points.extend([high("ec", sign), high("ed", sign), high("ee", sign)]);
        }
        for (point, signs) in eight.iter().zip([["7a", "fa"], ["05", "85"]]) {
            points.extend(signs.map(|sign| std::format!("{point}{sign}")));
        }
        assert_eq!(points.len(), 14);
        let [public, message, signature] = STANDARD[0];
        for point in points {
            let zero_s = "00".repeat(32);
            let forged = std::format!("{point}{zero_s}");
            assert_eq!(checked(&point, message, &forged), Err(SignedError::WeakKey), "{point}");
            assert_eq!(checked(&point, message, signature), Err(SignedError::WeakKey));
            let refused = checked(public, message, &std::format!("{point}{}", &signature[64..]));
            assert_eq!(refused, Err(SignedError::BadSignature));
        }
        // No point of the curve at all.
        let none = std::format!("02{}", "00".repeat(31));
        assert_eq!(checked(&none, message, signature), Err(SignedError::WeakKey));
    }
}
