//! Recordings in flash: files of the repository, read while compiling.

/// The samples of a wav file of 16 bits, one channel and the plain header of 44 bytes.
pub(crate) const fn wav<const N: usize>(file: &[u8]) -> [i16; N] {
    assert!(file.len() == 44 + 2 * N, "not N samples");
    assert!(file[22] == 1 && file[34] == 16, "not one channel of 16 bits");
    assert!(file[36] == b'd' && file[37] == b'a' && file[38] == b't', "not a plain header");
    let mut samples = [0; N];
    let mut i = 0;
    while i < N {
        samples[i] = i16::from_le_bytes([file[44 + 2 * i], file[45 + 2 * i]]);
        i += 1;
    }
    samples
}

/// The first numbers of a csv file: whole ones of 16 bits.
pub(crate) const fn csv<const N: usize>(file: &[u8]) -> [i16; N] {
    let mut numbers = [0; N];
    let (mut n, mut at) = (0, 0);
    while n < N {
        let negative = file[at] == b'-';
        at += negative as usize;
        let mut number = 0;
        while at < file.len() && file[at].is_ascii_digit() {
            number = 10 * number + (file[at] - b'0') as i32;
            at += 1;
        }
        numbers[n] = if negative { -number } else { number } as i16;
        n += 1;
        at += 1; // a comma or the end of a line
    }
    numbers
}

/// Defines the static `$name`: the samples of a wav file, beside the models.
macro_rules! recording {
    ($name:ident, $path:literal) => {
        #[allow(long_running_const_eval)] // every sample
        #[cfg_attr(target_os = "none", unsafe(link_section = ".blob"))]
        static $name: [i16; (include_bytes!($path).len() - 44) / 2] =
            crate::recordings::wav(include_bytes!($path));
    };
}
pub(crate) use recording;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        assert_eq!(csv(b"12,-7,0\n-32768,5,6\n"), [12, -7, 0, -32768, 5]);
    }
}
