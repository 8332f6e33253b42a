//! What containers say.

/// Output and errors of a container as they came: they come in frames with eight bytes before each that say which and
/// how long; of a terminal they come as they are. A head that is cut off is left out.
pub fn unframed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let [0..=2, 0, 0, 0, a, b, c, d, after @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX).min(after.len());
        let (piece, next) = after.split_at(length);
        out.extend_from_slice(piece);
        rest = next;
    }
    if !matches!(rest, [0..=2] | [0..=2, 0, ..]) {
        out.extend_from_slice(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_off_and_may_be_cut_off() {
        let framed = [&[1, 0, 0, 0, 0, 0, 0, 2][..], b"a\n", &[2, 0, 0, 0, 0, 0, 0, 2], b"b\n"].concat();
        assert_eq!(unframed(&framed), b"a\nb\n");
        assert_eq!(unframed(b"plain\n"), b"plain\n");
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 3];
        bytes.extend(b"one");
        bytes.extend([2, 0, 0, 0, 0, 0, 0, 9]);
        bytes.extend(b"tw");
        assert_eq!(unframed(&bytes), b"onetw");
        assert_eq!(unframed(&[1, 0]), b"");
    }
}
