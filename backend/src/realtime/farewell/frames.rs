//! Where WebSocket frames begin and end in a stream of bytes. Reads no payload.

/// Where the frames that a server writes begin and end (RFC 6455, 5.2; a server masks nothing).
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; 10],
    /// Bytes of the header that have come.
    known: usize,
    /// Bytes of the payload that have not.
    payload: u64,
    /// Whether there was any.
    begun: bool,
}

impl Frames {
    /// Whether a farewell may come next.
    pub(super) fn may_end(&self) -> bool {
        self.begun && self.are_whole()
    }

    /// Whether no frame is under way.
    fn are_whole(&self) -> bool {
        self.known == 0 && self.payload == 0
    }

    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        self.begun |= !bytes.is_empty();
        while let Some((&first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let here = usize::try_from(self.payload).unwrap_or(usize::MAX).min(bytes.len());
                self.payload -= here as u64;
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            bytes = rest;
            if let Some(place) = self.header.get_mut(self.known) {
                *place = first;
                self.known += 1;
            }
            self.end_header();
        }
    }

    /// Reads the header when it is whole.
    fn end_header(&mut self) {
        let header = self.header;
        let length = match (self.known, header[1] & 0x7f) {
            (4, 126) => u64::from(u16::from_be_bytes([header[2], header[3]])),
            (10, 127) => {
                let [_, _, length @ ..] = header;
                u64::from_be_bytes(length)
            }
            (2, short @ ..126) => u64::from(short),
            _ => return,
        };
        (self.known, self.payload) = (0, length);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A text frame as a server writes it.
    pub(in super::super) fn frame(length: usize) -> Vec<u8> {
        let mut bytes = match u16::try_from(length) {
            Ok(short @ ..126) => vec![0x81, short as u8],
            Ok(middle) => [[0x81, 126], middle.to_be_bytes()].concat(),
            Err(_) => [&[0x81, 127][..], &(length as u64).to_be_bytes()].concat(),
        };
        bytes.resize(bytes.len() + length, b'x');
        bytes
    }

    #[test]
    fn frames_are_followed_however_they_are_cut() {
        for cut in [1, 2, 3, 7, 100_000] {
            let mut frames = Frames::default();
            for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
                let bytes = frame(length);
                for part in bytes.chunks(cut) {
                    frames.follow(part);
                }
                assert!(frames.are_whole(), "{length} bytes in parts of {cut}");
                frames.follow(&bytes[..1]);
                assert!(!frames.are_whole());
                frames.follow(&bytes[1..]);
            }
        }
    }
}
