//! Which inputs are none of a classifier's labels, as whoever converts or evaluates a model says it.

use crate::error::{Error, Result, input};
use picoformer::Model;
use picoformer::blob::SCOPE;
use picoformer::scope::{Scope, Score};

/// The names of the scores, in files and on the command line.
const SCORES: [(&str, Score); 2] =
    [("log_probability", Score::LogProbability), ("energy", Score::Energy)];

/// The score of a name.
pub fn score_named(name: &str) -> Option<Score> {
    SCORES.iter().find(|(own, _)| *own == name).map(|(_, score)| *score)
}

/// The name of a score.
pub fn score_name(score: Score) -> &'static str {
    SCORES.iter().find(|(_, own)| *own == score).map_or("", |(name, _)| name)
}

/// A score, and the label that stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The score.
    pub score: Score,
    /// The index of the label, if one stands for none.
    pub none: Option<usize>,
}

impl Wanted {
    /// What a model's blob says without its threshold.
    pub fn of(scope: &Scope) -> Self {
        Self { score: scope.score, none: scope.none() }
    }

    /// With a threshold in nats; none beyond the range of Q15.16.
    pub fn with_threshold(self, threshold: f64) -> Option<Scope> {
        let fixed = (threshold * 65536.0).round();
        let inside = fixed >= i32::MIN as f64 && fixed <= i32::MAX as f64;
        let none = self.none.map(|label| label as u32);
        inside.then(|| Scope::new(self.score, none, fixed as i32))
    }
}

/// What `--out-of-scope SCORE[=THRESHOLD][,LABEL]` asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    score: Score,
    threshold: Option<f64>,
    label: Option<String>,
}

impl std::str::FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (text, label) = match text.split_once(',') {
            Some((text, label)) => (text, Some(label.to_owned())),
            None => (text, None),
        };
        let (name, threshold) = match text.split_once('=') {
            Some((name, threshold)) => (name, Some(threshold)),
            None => (text, None),
        };
        let score = score_named(name)
            .ok_or_else(|| format!("the score is log_probability or energy, not `{name}`"))?;
        let number = |text: &str| {
            let found = text.parse::<f64>().ok().filter(|x| x.is_finite());
            found.ok_or_else(|| format!("the threshold is a number, not `{text}`"))
        };
        Ok(Self { score, threshold: threshold.map(number).transpose()?, label })
    }
}

impl Asked {
    /// For a model: the score, and the scope if a threshold is given.
    ///
    /// # Errors
    /// A label that the model does not have, or a threshold out of range.
    pub fn of(&self, model: &Model) -> Result<(Wanted, Option<Scope>)> {
        let index = |name: &String| {
            let found = (0..model.config().n_labels).find(|&i| model.label(i) == Some(name));
            let help = "SCORE=THRESHOLD,LABEL: LABEL is the name of the label that stands for none";
            found.ok_or_else(|| input(format!("the model has no label `{name}`"), help))
        };
        // Without a name, the label that stands for none in the model does so on.
        let none = match &self.label {
            Some(name) => Some(index(name)?),
            None => model.scope().and_then(|scope| scope.none()),
        };
        let wanted = Wanted { score: self.score, none };
        let scope = |threshold: f64| {
            wanted.with_threshold(threshold).ok_or_else(|| {
                input(format!("the threshold {threshold} is out of range"), "from -32768 to 32767")
            })
        };
        Ok((wanted, self.threshold.map(scope).transpose()?))
    }

    /// A copy of a blob with this scope.
    ///
    /// # Errors
    /// As [`Asked::of`]; no threshold; a model that is no classifier of labels that exclude each other.
    pub fn put(&self, model: &Model, blob: &[u8]) -> Result<Vec<u8>> {
        let (_, scope) = self.of(model)?;
        let help =
            "--out-of-scope energy=7.5; `eval --reject 0.05` chooses a threshold on your data";
        let scope = scope.ok_or_else(|| input("--out-of-scope needs a threshold here", help))?;
        crate::sections::with_section(blob, SCOPE, &scope.to_bytes())
            .map_err(|_| not_for("--out-of-scope"))
    }
}

/// For a model whose labels do not exclude each other, or that has none.
pub fn not_for(option: &str) -> Error {
    input(
        format!("{option} is for classifiers of two labels or more, one of which is right"),
        "leave it out",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_command_line() {
        let asked = |text: &str| text.parse::<Asked>();
        let full = asked("energy=-7.25,oos").unwrap();
        assert_eq!(full.threshold, Some(-7.25));
        assert_eq!((full.score, full.label.as_deref()), (Score::Energy, Some("oos")));
        assert_eq!(asked("log_probability").unwrap().threshold, None);
        for wrong in ["", "energie", "energy=", "energy=x", "energy=inf", "energy=nan", "=1"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
        let wanted = Wanted { score: Score::Energy, none: None };
        assert_eq!(wanted.with_threshold(32768.0), None);
        assert_eq!(wanted.with_threshold(-32768.5), None);
        assert_eq!(wanted.with_threshold(f64::NAN), None);
        assert_eq!(wanted.with_threshold(-1.5).unwrap().threshold, -98304);
    }
}
