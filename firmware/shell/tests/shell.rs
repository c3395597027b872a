//! The shell on a board that is not there: what comes in when, whether a host fetches what goes out.

use picoformer_demo::shipped::intent;
use picoformer_shell::{About, Board, PATIENCE, Ram, Ring, Shell, Stack};

/// A board whose host types what it is told to, some of it at a given step of the engine.
#[derive(Default)]
struct Fake {
    ring: Ring<1024>,
    out: Vec<u8>,
    /// Steps of the engine (the light changed) and what is typed after how many.
    steps: usize,
    typed_at: Option<(usize, Vec<u8>)>,
    /// The host fetches as many bytes, and after it is gone none.
    fetches: Option<usize>,
    fed: usize,
    clock: u32,
}

impl Board for Fake {
    const TICK_BITS: u32 = 24;

    fn about(&self) -> About {
        About {
            name: "Fake",
            core: "none",
            clock: "made up",
            hertz: 1_000_000,
            counter: "one more each time",
            weights: "in RAM",
        }
    }

    fn read(&mut self) -> Option<u8> {
        self.ring.pop()
    }

    fn lost(&mut self) -> u32 {
        self.ring.lost()
    }

    fn write(&mut self, byte: u8) -> bool {
        match &mut self.fetches {
            Some(0) => return false,
            Some(n) => *n -= 1,
            None => {}
        }
        self.out.push(byte);
        true
    }

    fn ticks(&mut self) -> u32 {
        self.clock = (self.clock + 1000) & 0xFF_FFFF;
        self.clock
    }

    fn led(&mut self, _: bool) {
        self.steps += 1;
        if self.typed_at.as_ref().is_some_and(|(at, _)| *at <= self.steps) {
            for byte in self.typed_at.take().unwrap().1 {
                self.ring.push(byte);
            }
        }
    }

    fn feed(&mut self) {
        self.fed += 1;
    }

    fn stack(&self) -> Option<Stack> {
        Some(Stack { used: 1, room: 2 })
    }
}

/// A shell that has said hello.
fn shell() -> Shell<'static, Fake> {
    let mut shell = Shell::new(Fake::default(), Box::leak(Box::new(Ram::new())));
    shell.board().out.clear();
    shell
}

impl Fake {
    fn types(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.ring.push(byte));
    }

    fn printed(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.out)).replace("\r\n", "\n")
    }
}

/// What is printed after some bytes were typed, with nothing to do left.
fn answer(shell: &mut Shell<Fake>, typed: &[u8]) -> String {
    shell.board().types(typed);
    (0..8).for_each(|_| shell.poll());
    shell.board().printed()
}

#[test]
fn classifies_as_the_host_does() {
    let found = answer(&mut shell(), b"classify please set a timer for ten minutes\r\n");
    let echo = "classify please set a timer for ten minutes\n";
    assert!(found.starts_with(&format!("{echo}timer (")), "{found}");
    assert!(found.ends_with("\n> "), "{found}");
}

#[test]
fn says_a_word() {
    let found = answer(&mut shell(), b"say transformer\r");
    assert!(found.contains("\nT R AE0 N S F AO1 R M ER0, logits "), "{found}");
    let found = answer(&mut shell(), b"say mp3\r");
    assert!(found.contains("\nerror: "), "{found}");
    let found = answer(&mut shell(), b"say hello, transformer!\r");
    assert!(found.contains("\nHH EH1 L OW0 | T R AE0 N S F AO1 R M ER0, logits "), "{found}");
    let found = answer(&mut shell(), b"say hello mp3\r");
    assert!(found.contains("\nHH EH1 L OW0\nerror: "), "{found}");
    let found = answer(&mut shell(), b"say ...\r");
    assert!(found.contains("\nerror: usage: say WORDS\n"), "{found}");
}

#[test]
fn the_selftest_finds_the_hashes_of_the_demos() {
    let found = answer(&mut shell(), b"selftest\r");
    assert_eq!(found.matches(", as on the host\n").count(), 3, "{found}");
    let expected = intent::EXPECTED.lines().find_map(|line| line.strip_prefix("logits "));
    let expected = format!("classify: logits {}, as", expected.unwrap());
    assert!(found.contains(&expected), "{expected}: {found}");
}

#[test]
fn a_key_stops_a_tale_and_begins_the_next_line() {
    let mut shell = shell();
    let steps = shell.board().steps;
    shell.board().typed_at = Some((steps + 400, b"stack".to_vec()));
    let found = answer(&mut shell, b"write Once upon a time\r");
    assert!(found.contains("\nOnce upon a time "), "{found}");
    assert!(found.contains("a key was pressed"), "{found}");
    assert!(found.ends_with("\n> stack"), "{found}");
    assert_eq!(answer(&mut shell, b"\r"), "\n1 of 2 bytes were used at most\n> ");
}

#[test]
fn without_a_key_a_tale_ends_with_the_context() {
    let found = answer(&mut shell(), b"write Once upon a time there was a\r");
    assert!(found.contains(" tokens, "), "{found}");
    let again = answer(&mut shell(), b"write Once upon a time there was a\r\n");
    assert_eq!(found, again);
}

#[test]
fn a_thousand_characters_pasted_in_the_middle_are_one_line_that_is_too_long() {
    let mut shell = shell();
    let mut pasted = vec![b'x'; 1000];
    pasted.push(b'\r');
    let steps = shell.board().steps;
    shell.board().typed_at = Some((steps + 4, pasted));
    let found = answer(&mut shell, b"classify what time is it\r");
    assert!(found.contains("\ntime (") && !found.contains("lost"), "{found}");
    assert!(
        found.contains("error: the line is too long: 1000 bytes, there is room for 240\n> "),
        "{found}"
    );
}

#[test]
fn lines_pasted_in_the_middle_are_all_executed() {
    let mut shell = shell();
    let pasted = b"classify what time is it\r\n".repeat(38);
    assert!(pasted.len() < 1000);
    let steps = shell.board().steps;
    shell.board().typed_at = Some((steps + 4, pasted));
    shell.board().types(b"classify what time is it\r");
    (0..100).for_each(|_| shell.poll());
    let found = shell.board().printed();
    assert_eq!(found.matches("\ntime (").count(), 39, "{found}");
    assert!(!found.contains("error"), "{found}");
}

#[test]
fn more_than_there_is_room_for_is_lost_with_a_word() {
    let mut shell = shell();
    let pasted = b"classify what time is it\r".repeat(60);
    shell.board().types(&pasted);
    (0..100).for_each(|_| shell.poll());
    let found = shell.board().printed();
    assert!(found.contains("error: 477 bytes of input were lost\n"), "{found}");
    // The line with the hole is refused with what follows the hole, and the next is right.
    let found = answer(&mut shell, b"classify what\rclassify what time is it\r");
    assert!(found.contains("error: the line is not UTF-8 from byte"), "{found}");
    assert_eq!(found.matches("\ntime (").count(), 1, "{found}");
}

#[test]
fn what_is_no_command_is_an_error() {
    for (typed, expected) in [
        (&b"classify a\0b\r"[..], "error: the line holds the control character 0x00\n"),
        (b"classify \xC3(\r", "error: the line is not UTF-8 from byte 9 on\n"),
        (b"clasify a\r", "error: usage: help lists the commands\n"),
        (b"classify\r", "error: usage: classify TEXT\n"),
        (b"write   \r", "error: usage: write PROMPT\n"),
        (b"selftest foo\r", "error: usage: selftest"),
    ] {
        let mut shell = shell();
        shell.board().types(typed);
        (0..4).for_each(|_| shell.poll());
        let found = shell.board().printed();
        assert!(found.contains(expected), "{found}");
        assert!(answer(&mut shell, b"stack\r").contains("1 of 2"));
    }
    let long = format!("classify {}\r", "a1b2 ".repeat(46));
    let found = answer(&mut shell(), long.as_bytes());
    assert!(found.contains("positions, the context has 64"), "{found}");
}

#[test]
fn control_c_interrupts() {
    let mut shell = shell();
    let steps = shell.board().steps;
    shell.board().typed_at = Some((steps + 4, b"abc\x03".to_vec()));
    let found = answer(&mut shell, b"selftest classify\r");
    assert!(found.ends_with("error: interrupted by Ctrl-C\n> "), "{found}");
    assert_eq!(answer(&mut shell, b"ab\x03"), "ab^C\n> ");
}

#[test]
fn no_host_and_no_loss_without_a_word() {
    // A host that takes the greeting's first bytes and leaves; nobody is there while a model runs.
    let board = Fake { fetches: Some(5), ..Fake::default() };
    let mut shell = Shell::new(board, Box::leak(Box::new(Ram::new())));
    let (steps, fed) = (shell.board().steps, shell.board().fed);
    assert!(fed >= PATIENCE as usize, "the watchdog is fed while a byte is offered");
    shell.board().types(b"classify what time is it\r");
    (0..4).for_each(|_| shell.poll());
    assert!(shell.board().steps > steps + 4, "the model ran without a host");
    // Without a host, a byte that is dropped costs no waiting.
    assert!(shell.board().fed < fed + 1000);
    shell.board().fetches = None;
    let found = answer(&mut shell, b"");
    let (_, count) = found.split_once('[').unwrap();
    let count: usize = count.split_once(' ').unwrap().0.parse().unwrap();
    assert!(found.ends_with(" bytes of output were dropped]\n"), "{found}");
    // Greeting, echo, answer and prompt, less what was fetched.
    let mut whole = Shell::new(Fake::default(), Box::leak(Box::new(Ram::new())));
    whole.board().types(b"classify what time is it\r");
    (0..4).for_each(|_| whole.poll());
    assert_eq!(count, whole.board().out.len() - 5);
    assert!(answer(&mut shell, b"stack\r").ends_with("1 of 2 bytes were used at most\n> "));
}

#[test]
fn benches_and_tells_of_itself() {
    let found = answer(&mut shell(), b"bench\r");
    assert_eq!(found.matches(" cycles per ").count(), 5, "{found}");
    assert!(found.contains("longest step 1000 us"), "{found}");
    let found = answer(&mut shell(), b"info\r");
    let flash = format!("{} bytes of flash", intent::MODEL.flash_bytes());
    for part in ["none, 1000000 Hz (made up)", &flash, "`say WORDS`"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let found = answer(&mut shell(), b"help\r");
    assert!(found.contains("write PROMPT"), "{found}");
}

#[test]
fn the_line_is_shown_and_edited() {
    assert_eq!(answer(&mut shell(), b"ab\x7fc"), "ab\u{8} \u{8}c");
    assert_eq!(answer(&mut shell(), "é\x15".as_bytes()), "é\u{8} \u{8}");
}
