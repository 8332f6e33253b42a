//! Compressed content: gzip and zstd, told by its first bytes.

use std::io::{self, BufRead as _, BufReader, Read};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// How content is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    Plain,
    Gzip,
    Zstd,
}

impl Form {
    /// By its first four bytes.
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // The second is a frame that is to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

/// The content as it was before it was compressed, and how it is.
pub(super) fn plain(mut content: impl Read + Send + 'static) -> io::Result<(Form, Box<dyn Read + Send>)> {
    let mut start = Vec::with_capacity(4);
    content.by_ref().take(4).read_to_end(&mut start)?;
    let form = Form::of(&start);
    let content = BufReader::with_capacity(128 * 1024, io::Cursor::new(start).chain(content));
    let plain: Box<dyn Read + Send> = match form {
        Form::Plain => Box::new(content),
        Form::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(content)),
        Form::Zstd => Box::new(Frames { source: content, decoder: FrameDecoder::new(), open: false }),
    };
    Ok((form, plain))
}

/// One frame of zstd after the other.
struct Frames<R> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    open: bool,
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        loop {
            if self.open {
                while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                    let some = BlockDecodingStrategy::UptoBlocks(1);
                    self.decoder.decode_blocks(&mut self.source, some).map_err(|_| broken())?;
                }
                let read = self.decoder.read(buffer)?;
                if read > 0 || buffer.is_empty() {
                    return Ok(read);
                }
                let said = self.decoder.get_checksum_from_data();
                if said.is_some() && said != self.decoder.get_calculated_checksum() {
                    return Err(broken());
                }
                self.open = false;
            }
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.decoder.init(&mut self.source) {
                Ok(()) => self.open = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? != length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(_) => return Err(broken()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).and_then(|()| encoder.finish()).unwrap_or_default()
    }

    fn read(content: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        plain(io::Cursor::new(content))?.1.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn content_in_several_parts_is_read_to_its_end() -> io::Result<()> {
        let zstd = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        let skipped = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let long = vec![7; 3 << 20];
        for (content, expected) in [
            (b"plain".to_vec(), b"plain".to_vec()),
            (Vec::new(), Vec::new()),
            ([gzip(b"one "), gzip(b"two")].concat(), b"one two".to_vec()),
            ([skipped.to_vec(), zstd(b"one "), skipped.to_vec(), zstd(b"two")].concat(), b"one two".to_vec()),
            (zstd(&long), long),
        ] {
            assert!(read(content)? == expected);
        }
        Ok(())
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let zstd = compress_to_vec(&b"some content of some length"[..], CompressionLevel::Fastest);
        for whole in [gzip(b"some content"), zstd] {
            assert!(read(whole[..whole.len() - 3].to_vec()).is_err());
        }
    }
}
