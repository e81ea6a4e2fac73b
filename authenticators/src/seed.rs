//! Where all that looks random comes from.

use hkdf::Hkdf;
use sha2::Sha256;

/// A seed, from which everything derives by HKDF-SHA-256 under a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Makes the seed of a row: the run's number and the row's name.
    #[must_use]
    pub fn new(run: u64, name: &str) -> Self {
        Self(expand(&run.to_be_bytes(), name.as_bytes()))
    }

    /// Derives 32 bytes for a purpose.
    #[must_use]
    pub fn bytes(&self, label: &str) -> [u8; 32] {
        expand(&self.0, label.as_bytes())
    }

    /// Derives another seed for a purpose.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        Self(self.bytes(label))
    }
}

fn expand(key: &[u8], info: &[u8]) -> [u8; 32] {
    let mut output = [0; 32];
    // HKDF-SHA-256 fails only for outputs over 8,160 bytes.
    let _ = Hkdf::<Sha256>::new(None, key).expand(info, &mut output);
    output
}
