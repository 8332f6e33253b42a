//! Digests: the names that content gives itself.

use std::fmt;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// `sha256:<64 lower-case hexadecimal characters>`, or the same of SHA-384 and SHA-512. Always valid.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Box<str>);

/// Why a text is no digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseDigestError {
    /// Not `algorithm:hexadecimal`.
    #[error("a digest is written as `sha256:` and 64 hexadecimal characters")]
    Format,
    /// An algorithm nobody registered.
    #[error("the digest algorithm is none of sha256, sha384 and sha512")]
    Algorithm,
    /// Wrong length, or upper case.
    #[error("the digest does not have the length of its algorithm in lower-case hexadecimal")]
    Length,
}

impl Digest {
    /// Reads a digest, exactly as written in references and headers.
    pub fn parse(text: &str) -> Result<Self, ParseDigestError> {
        let (algorithm, hex) = text.split_once(':').ok_or(ParseDigestError::Format)?;
        if hex.len() < 32 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseDigestError::Format);
        }
        let length = match algorithm {
            "sha256" => 64,
            "sha384" => 96,
            "sha512" => 128,
            _ => return Err(ParseDigestError::Algorithm),
        };
        if hex.len() != length || hex.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(ParseDigestError::Length);
        }
        Ok(Self(text.into()))
    }

    /// The SHA-256 of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(format!("sha256:{}", hexadecimal(&Sha256::digest(bytes))).into())
    }

    /// The SHA-256 of what can be read, and how many bytes that is.
    pub(super) fn of_all(source: &mut impl std::io::Read) -> std::io::Result<(Self, u64)> {
        let mut hasher = Sha256::new();
        let mut length = 0;
        let mut piece = vec![0; 128 * 1024];
        loop {
            let read = source.read(&mut piece)?;
            if read == 0 {
                return Ok((Self(format!("sha256:{}", hexadecimal(&hasher.finalize())).into()), length));
            }
            hasher.update(piece.get(..read).unwrap_or_default());
            length += read as u64;
        }
    }

    /// Whether these bytes have this digest.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        let hex = match self.algorithm() {
            "sha384" => hexadecimal(&Sha384::digest(bytes)),
            "sha512" => hexadecimal(&Sha512::digest(bytes)),
            _ => hexadecimal(&Sha256::digest(bytes)),
        };
        hex == self.hex()
    }

    /// `sha256`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// What follows the algorithm.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Computes a digest of what comes in pieces.
pub(super) enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    /// By the algorithm of a digest.
    pub(super) fn of(digest: &Digest) -> Self {
        match digest.algorithm() {
            "sha384" => Self::Sha384(Sha384::new()),
            "sha512" => Self::Sha512(Sha512::new()),
            _ => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Whether all that came has this digest.
    pub(super) fn is(self, digest: &Digest) -> bool {
        let hex = match self {
            Self::Sha256(hasher) => hexadecimal(&hasher.finalize()),
            Self::Sha384(hasher) => hexadecimal(&hasher.finalize()),
            Self::Sha512(hasher) => hexadecimal(&hasher.finalize()),
        };
        hex == digest.hex()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registered_algorithms_in_lower_case_and_full_length() {
        let hex = "0123456789abcdef".repeat(4);
        assert!(Digest::parse(&format!("sha256:{hex}")).is_ok());
        assert!(Digest::parse(&format!("sha512:{hex}{hex}")).is_ok());
        for (text, error) in [
            (hex.clone(), ParseDigestError::Format),
            (format!("sha256:{}", &hex[1..]), ParseDigestError::Length),
            (format!("sha256:{}", hex.to_uppercase()), ParseDigestError::Length),
            (format!("md5:{hex}"), ParseDigestError::Algorithm),
            ("sha256:xyz".to_owned(), ParseDigestError::Format),
        ] {
            assert_eq!(Digest::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn names_content() {
        let digest = Digest::of(b"");
        assert_eq!(digest.as_str(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert!(digest.is_of(b"") && !digest.is_of(b"x"));
    }
}
