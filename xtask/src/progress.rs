//! Tells what is being done, how far it is and how long it took.

use anyhow::Result;
use std::time::{Duration, Instant};

/// Steps, of which it is known how many there will be. They are told on standard error.
pub struct Progress {
    steps: usize,
    done: usize,
    start: Instant,
}

impl Progress {
    /// Begins; time counts from the start of the process, which is that of the `cargo` that compiled it.
    pub fn new(steps: usize) -> Self {
        let now = Instant::now();
        Self { steps, done: 0, start: now.checked_sub(age().unwrap_or_default()).unwrap_or(now) }
    }

    /// Does one step.
    pub fn step<T>(&mut self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.done += 1;
        eprintln!("[{}/{}] {what} …", self.done, self.steps);
        let begin = Instant::now();
        let result = work();
        let word = if result.is_ok() { "done" } else { "failed" };
        eprintln!(
            "      {word} in {:.1} s, {:.0} s since the start",
            begin.elapsed().as_secs_f32(),
            self.start.elapsed().as_secs_f32()
        );
        result
    }

    /// Counts a step that is left out.
    pub fn skip(&mut self) {
        self.done += 1;
    }

    /// How long everything took.
    pub fn summary(&self) -> String {
        let seconds = self.start.elapsed().as_secs();
        format!("It took {} min {} s.", seconds / 60, seconds % 60)
    }
}

/// Of the times in `/proc/self/stat`, on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// A field of `/proc/self/stat`, by its number in `man 5 proc`.
fn field(number: usize) -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the program's name in parentheses, which is field 2.
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)?.parse().ok()
}

/// Seconds of a processor that processes took which this one started and waited for; where `/proc` tells.
pub fn seconds_of_children() -> Option<f64> {
    Some((field(16)? + field(17)?) / TICKS_PER_SECOND)
}

/// How long ago this process began, where `/proc` tells: `cargo run` becomes the program that it has
/// compiled, so what it compiled is included.
fn age() -> Option<Duration> {
    let began = field(22)?;
    let up = std::fs::read_to_string("/proc/uptime").ok()?;
    let up: f64 = up.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(up - began / TICKS_PER_SECOND).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_passed_on() {
        let mut progress = Progress::new(2);
        assert_eq!(progress.step("one", || Ok(1)).unwrap(), 1);
        assert!(progress.step::<()>("two", || anyhow::bail!("no")).is_err());
        assert_eq!(progress.done, 2);
    }
}
