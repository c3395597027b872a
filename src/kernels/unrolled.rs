//! Build-time checks of unrolled loops that are entered in the middle (Duff 1983).

/// Placed after an unrolled loop whose entry point is computed: checks that the loop has the
/// `$bytes` bytes between the labels `$from` and `$to` on which the computation relies. A loop of
/// another length does not assemble, because the difference does not fit in a byte. (`.if` would
/// give a better message, but the linker cannot evaluate it in its first pass, in which it only
/// reads symbol names.) The byte is not linked.
macro_rules! unrolled {
    ($from:literal, $to:literal, $bytes:literal) => {
        concat!(
            ".pushsection .unrolled, \"e\", %progbits\n",
            concat!(".byte (", $to, " - ", $from, " - (", $bytes, ")) * 256\n"),
            ".popsection\n",
        )
    };
}
pub(super) use unrolled;
