//! How the text of assembly is put together.

/// One line of assembly from the literals before each semicolon, or from each expression.
macro_rules! lines {
    ($($($part:literal)+;)*) => {
        concat!($($($part,)+ "\n",)*)
    };
    ($($line:expr,)*) => {
        concat!($($line, "\n",)*)
    };
}
pub(super) use lines;

/// Behind an unrolled loop (Duff 1983) whose entry is computed: its bytes, between the labels `$from` and `$to`, on which
/// that computation relies. A loop of another length does not assemble, as the difference has no room in a
/// byte. (`.if` would say so better, but the linker, which reads the code a first time only for its names,
/// cannot evaluate it.) The byte itself is not linked.
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
