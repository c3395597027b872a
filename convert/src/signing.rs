//! Keys and signatures of blobs, on the host. The format is that of `picoformer::signed`.

use crate::error::{Error, Result, input, read};
use crate::host::Blob;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, KeypairBytes};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use picoformer::signed::{
    Content, ENVELOPE_BYTES, Envelope, Key, PRODUCT_BYTES, SignedError, open,
};
use std::path::{Path, PathBuf};

/// A private key. Its memory is cleared when it is dropped.
pub struct Signatory(SigningKey);

/// What is known of a signed file.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Known {
    /// The product that it is for.
    pub product: String,
    /// Number of the release.
    pub version: u32,
    /// Version of the blob's format.
    pub format: u16,
    /// Length of the blob; the file has [`ENVELOPE_BYTES`] more.
    pub blob_bytes: u32,
    /// The first bytes of the public key, in hexadecimal digits.
    pub key: String,
}

/// Bytes in hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Known {
    fn new(content: &Content) -> Self {
        Self {
            product: content.product().into(),
            version: content.version,
            format: content.format,
            blob_bytes: content.length,
            key: hexadecimal(&content.key),
        }
    }
}

impl Signatory {
    /// A new key, from the system's randomness.
    ///
    /// # Errors
    /// [`Error::Input`] if the system has none.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        let filled = getrandom::fill(&mut seed).map(|()| Self(SigningKey::from_bytes(&seed)));
        filled.map_err(|error| input(format!("no randomness: {error}"), "try again later"))
    }

    /// Reads a private key: PKCS #8 in PEM, as `picoformer keygen` and
    /// `openssl genpkey -algorithm ed25519` write it.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Malformed`].
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let malformed = |reason: String| Error::Malformed {
            path: path.into(),
            what: "private key of Ed25519 (PKCS #8 in PEM)",
            reason,
        };
        let text = String::from_utf8(bytes).map_err(|_| malformed("it is no text".into()))?;
        let key = SigningKey::from_pkcs8_pem(&text);
        key.map(Self).map_err(|error| malformed(error.to_string()))
    }

    /// The private key as PKCS #8 in PEM.
    ///
    /// # Errors
    /// [`Error::Input`] if it cannot be encoded.
    pub fn to_pem(&self) -> Result<impl AsRef<[u8]> + use<>> {
        // Without the public key: OpenSSL does not read version 2 of the format.
        let pair = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        let pem = pair.to_pkcs8_pem(LineEnding::LF);
        pem.map(|text| text.as_bytes().to_vec())
            .map_err(|error| input(format!("the key cannot be encoded: {error}"), "try again"))
    }

    /// The public key.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Puts a signed envelope in front of a blob, which must be one that devices accept.
    ///
    /// # Errors
    /// [`Error::Blob`] with the file's name; [`Error::Input`] for a product's name that is empty or too long.
    pub fn sign(&self, path: &Path, blob: &Blob, product: &str, version: u32) -> Result<Vec<u8>> {
        blob.model(path)?;
        let content = Content::new(product, version, blob.bytes(), &self.public());
        let content = content.ok_or_else(|| {
            input(
                format!("`{}` cannot be the name of a product", product.escape_default()),
                format!("a name has 1 to {PRODUCT_BYTES} bytes and no zero"),
            )
        })?;
        let signature = self.0.sign(&content.to_bytes()).to_bytes();
        let envelope = Envelope { content, signature };
        Ok([&envelope.to_bytes()[..], blob.bytes()].concat())
    }
}

/// Reads a public key: 32 bytes as `picoformer keygen` writes them, or PEM as `openssl pkey -pubout` does.
///
/// # Errors
/// [`Error::File`], [`Error::Malformed`].
pub fn public_key(path: &Path) -> Result<[u8; 32]> {
    let bytes = read(path)?;
    if let Ok(raw) = bytes.as_slice().try_into() {
        return Ok(raw);
    }
    let text = String::from_utf8_lossy(&bytes);
    let key = VerifyingKey::from_public_key_pem(&text).map_err(|error| Error::Malformed {
        path: path.into(),
        what: "public key of Ed25519 (32 bytes, or PEM)",
        reason: match text.contains("PRIVATE KEY") {
            true => "it is a private key, which no device and no verifier may see".into(),
            false => error.to_string(),
        },
    })?;
    Ok(key.to_bytes())
}

/// Verifies a signed file as a device does; more than the blob is refused, too.
///
/// # Errors
/// [`Error::Signed`] with the file's name.
pub fn verify(path: &Path, file: &[u8], key: &Key, at_least: u32) -> Result<Known> {
    let wrong = |source| Error::Signed { path: PathBuf::from(path), source };
    let signed = open(file, key, at_least).map_err(wrong)?;
    let (needed, given) = (signed.blob.len(), file.len() - ENVELOPE_BYTES);
    if given != needed {
        return Err(wrong(SignedError::Cut { needed, given }));
    }
    Blob::new(signed.blob).parse().map_err(|error| wrong(error.into()))?;
    Ok(Known::new(&signed.content))
}
