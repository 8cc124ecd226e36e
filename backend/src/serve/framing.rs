//! Where one HTTP/1 request ends and the next begins in a stream of bytes, found by watching alone.
//! Needed to know whether a client has already sent its next request: answering `Connection: close`
//! then would drop it. Changes nothing; a stream it does not understand is `Opaque`.

/// Longest head that is kept; longer ones make the stream opaque.
const LONGEST_HEAD: usize = 64 * 1024;
/// How an HTTP/2 connection begins (RFC 9113, 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// What the next byte belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// A head, or the empty lines allowed before one.
    Head(Vec<u8>),
    /// A body of known length.
    Body(u64),
    /// The size line of a chunk.
    ChunkSize(Vec<u8>),
    /// A chunk and the line end after it.
    Chunk(u64),
    /// Lines after the last chunk; the length of the present one.
    Trailers(usize),
    /// Not understood, or no longer HTTP/1.
    Opaque,
}

/// Follows the requests of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Framing {
    part: Part,
    begun: u64,
    is_h2: bool,
}

impl Default for Framing {
    fn default() -> Self {
        Self { part: Part::Head(Vec::new()), begun: 0, is_h2: false }
    }
}

impl Framing {
    /// Requests whose first byte has come.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }

    /// Whether this is HTTP/2, which has an ending of its own.
    pub(super) fn is_h2(&self) -> bool {
        self.is_h2
    }

    /// Looks at the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(&byte) = bytes.first() {
            let rest = &bytes[1..];
            bytes = match &mut self.part {
                Part::Opaque => return,
                Part::Body(left) => skip(bytes, left),
                Part::Chunk(left) => skip(bytes, left),
                _ => {
                    self.step(byte);
                    rest
                }
            };
            self.settle();
        }
    }

    /// One byte of a part that is read line by line.
    fn step(&mut self, byte: u8) {
        match &mut self.part {
            Part::Head(head) => {
                if head.is_empty() && (byte == b'\r' || byte == b'\n') {
                    return;
                }
                self.begun += u64::from(head.is_empty());
                head.push(byte);
                if ends_head(head) {
                    self.is_h2 = head.as_slice() == H2_PREFACE;
                    self.part = if self.is_h2 { Part::Opaque } else { after_head(head) };
                } else if head.len() > LONGEST_HEAD {
                    self.part = Part::Opaque;
                }
            }
            Part::ChunkSize(line) if byte == b'\n' => {
                self.part = match chunk_size(line) {
                    None => Part::Opaque,
                    Some(0) => Part::Trailers(0),
                    // The chunk and CR LF.
                    Some(size) => Part::Chunk(size.saturating_add(2)),
                };
            }
            Part::ChunkSize(line) if line.len() < 1024 => line.push(byte),
            Part::ChunkSize(_) => self.part = Part::Opaque,
            Part::Trailers(0) if byte == b'\n' => self.part = Part::Head(Vec::new()),
            Part::Trailers(length) => {
                *length = if byte == b'\n' { 0 } else { *length + usize::from(byte != b'\r') }
            }
            Part::Body(_) | Part::Chunk(_) | Part::Opaque => {}
        }
    }

    /// Moves on from a part that has ended.
    fn settle(&mut self) {
        match self.part {
            Part::Body(0) => self.part = Part::Head(Vec::new()),
            Part::Chunk(0) => self.part = Part::ChunkSize(Vec::new()),
            _ => {}
        }
    }
}

fn skip<'a>(bytes: &'a [u8], left: &mut u64) -> &'a [u8] {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= taken as u64;
    &bytes[taken..]
}

/// Bare line feeds are accepted as the server accepts them (RFC 9112, 2.2).
fn ends_head(head: &[u8]) -> bool {
    head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n") || head.ends_with(b"\n\r\n")
}

fn after_head(head: &[u8]) -> Part {
    let mut length = 0;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"upgrade") {
            return Part::Opaque;
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Part::ChunkSize(Vec::new());
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            match std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()) {
                Some(bytes) => length = bytes,
                None => return Part::Opaque,
            }
        }
    }
    Part::Body(length)
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THREE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\
        POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /\
        POST /y HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4;a=b\r\nGET \r\n0\r\nTrailer: x\r\n\r\n";

    fn begun(bytes: &[u8]) -> u64 {
        let mut framing = Framing::default();
        framing.feed(bytes);
        framing.begun()
    }

    #[test]
    fn bodies_are_no_requests() {
        assert_eq!(begun(THREE), 3);
        assert_eq!(begun(&[THREE, THREE].concat()), 6);
    }

    #[test]
    fn the_first_byte_begins_a_request_and_an_empty_line_does_not() {
        assert_eq!(begun(b"\r\n"), 0);
        assert_eq!(begun(b"\r\nG"), 1);
        assert_eq!(begun(b"GET / HTTP/1.1\r\n\r\n"), 1);
        assert_eq!(begun(b"GET / HTTP/1.1\n\nG"), 2);
    }

    #[test]
    fn http2_and_upgrades_are_left_alone() {
        let mut framing = Framing::default();
        framing.feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(framing.is_h2());
        assert_eq!(framing.begun(), 1);
        assert_eq!(begun(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 1);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(cuts in proptest::collection::vec(0..THREE.len(), 0..20)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut framing = Framing::default();
            let mut start = 0;
            for cut in cuts {
                framing.feed(&THREE[start..cut]);
                start = cut;
            }
            framing.feed(&THREE[start..]);
            let mut whole = Framing::default();
            whole.feed(THREE);
            prop_assert_eq!(framing, whole);
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = begun(&bytes);
        }
    }
}
