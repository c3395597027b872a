//! What is to be reached, and whether it is.

use super::row::Row;
use crate::figures::number;
use crate::qemu;

/// How a goal is measured. Of several cases the worst counts.
enum Limit {
    /// Others' instructions over ours, at least.
    Ratio(f64),
    /// Instructions per unit, at most.
    Each(f64),
    /// Instructions per unit of another case over this one's, at least.
    Against(&'static str, f64),
    /// Bytes of weights per unit of another case over this one's, at least.
    Loads(&'static str, f64),
    /// Bytes of RAM of the model, at most.
    Arena(u64),
    /// Bytes of the engine's code and tables in a demo's image, at most.
    Code(&'static str, u64),
}

struct Goal {
    what: &'static str,
    core: &'static str,
    /// Beginning and end of the cases' names.
    cases: (&'static str, &'static str),
    limit: Limit,
}

const fn goal(
    what: &'static str,
    core: &'static str,
    cases: (&'static str, &'static str),
    limit: Limit,
) -> Goal {
    Goal { what, core, cases, limit }
}

const M0: &str = "Cortex-M0+";
const M4: &str = "Cortex-M4";
const M7: &str = "Cortex-M7";
const M33: &str = "Cortex-M33";
const M55: &str = "Cortex-M55";
const RV32: &str = "RV32IMAC";
const DECODE: (&str, &str) = ("decode/stories260k", "");
const PREFILL: (&str, &str) = ("prefill/stories260k/64", "");
const ONE_BY_ONE: &str = "advance/stories260k/64";
const ENCODER: (&str, &str) = ("encoder/l2h128t64", "");

#[rustfmt::skip] // a table
const GOALS: [Goal; 25] = [
    goal("linear, 24 shapes, CMSIS-NN's count over ours", M4, ("linear/", ""), Limit::Ratio(2.0)),
    goal("linear, 24 shapes, CMSIS-NN's count over ours", M33, ("linear/", ""), Limit::Ratio(2.0)),
    goal("linear, one row, CMSIS-NN's count over ours", M0, ("linear/", "/rows1"), Limit::Ratio(1.55)),
    goal("linear, 16 rows, CMSIS-NN's count over ours", M0, ("linear/", "/rows16"), Limit::Ratio(1.9)),
    goal("linear, one row, CMSIS-NN's count over ours", M55, ("linear/", "/rows1"), Limit::Ratio(1.1)),
    goal("linear, 16 rows, CMSIS-NN's count over ours", M55, ("linear/", "/rows16"), Limit::Ratio(1.3)),
    goal("linear, 16 rows, instructions per MAC", RV32, ("linear/", "/rows16"), Limit::Each(2.9)),
    goal("attention, head of 32, 256 keys, instructions per pair", M4, ("attention/d32/t256", "256"), Limit::Each(90.0)),
    goal("attention, head of 32, 256 keys, instructions per pair", M55, ("attention/d32/t256", "256"), Limit::Each(35.0)),
    goal("attention, head of 32, 256 keys, instructions per pair", M0, ("attention/d32/t256", "256"), Limit::Each(500.0)),
    goal("layer norm, instructions per element", M4, ("layer_norm/", ""), Limit::Each(16.0)),
    goal("layer norm, instructions per element", M0, ("layer_norm/", ""), Limit::Each(150.0)),
    goal("layer norm, instructions per element", RV32, ("layer_norm/", ""), Limit::Each(40.0)),
    goal("stories260K, mean of 128 tokens, instructions per token", M4, DECODE, Limit::Each(420_000.0)),
    goal("stories260K, mean of 128 tokens, instructions per token", M0, DECODE, Limit::Each(2_000_000.0)),
    goal("stories260K, mean of 128 tokens, instructions per token", super::host::CORE, DECODE, Limit::Each(750_000.0)),
    goal("encoder of TFLite Micro's shape, instructions per inference", M4, ENCODER, Limit::Each(28e6)),
    goal("encoder of TFLite Micro's shape, instructions per inference", M7, ENCODER, Limit::Each(28e6)),
    goal("encoder of TFLite Micro's shape, bytes of RAM", M4, ENCODER, Limit::Arena(40 * 1024)),
    goal("code and tables of the engine in the image of `classify`, bytes", M4, ("", ""), Limit::Code("classify", 26_440)),
    goal("code and tables of the engine in the image of `generate`, bytes", M4, ("", ""), Limit::Code("generate", 26_739)),
    goal("code and tables of the engine in the image of `stories`, bytes", M4, ("", ""), Limit::Code("stories", 26_660)),
    goal("code and tables of the engine in the image of `g2p`, bytes", M4, ("", ""), Limit::Code("g2p", 32_564)),
    goal("prefill of 64 tokens, instructions one by one over tiles'", M4, PREFILL, Limit::Against(ONE_BY_ONE, 1.25)),
    goal("prefill of 64 tokens, bytes of weights loaded one by one over tiles'", M4, PREFILL, Limit::Loads(ONE_BY_ONE, 2.0)),
];

/// A goal and what was measured.
#[derive(Debug)]
pub struct Outcome {
    /// What is measured.
    pub what: &'static str,
    /// On which core.
    pub core: &'static str,
    /// Such as `at least 2.00`.
    pub goal: String,
    /// The worst case's figure, and which it was; `None` when nothing was counted.
    pub measured: Option<(f64, String)>,
    /// Whether the goal is reached.
    pub reached: bool,
}

/// Compares the counts with every goal.
pub fn outcomes(rows: &[Row], peers: &[Row]) -> Vec<Outcome> {
    GOALS.iter().map(|goal| goal.outcome(rows, peers)).collect()
}

impl Goal {
    fn outcome(&self, rows: &[Row], peers: &[Row]) -> Outcome {
        let (begins, ends) = self.cases;
        let fits = |row: &&Row| {
            row.core == self.core && row.case.starts_with(begins) && row.case.ends_with(ends)
        };
        let figures = rows.iter().filter(fits).filter_map(|row| {
            let figure = self.figure(row, rows, peers)?;
            Some((figure, row.case.clone()))
        });
        let code = match self.limit {
            Limit::Code(demo, _) => engine_bytes(self.core, demo).map(|bytes| (bytes, demo.into())),
            _ => None,
        };
        let worse = |a: &(f64, String), b: &(f64, String)| a.0.total_cmp(&b.0);
        let (least, limit) = self.limit();
        let worst = if least { figures.min_by(worse) } else { figures.max_by(worse) };
        let measured = code.or(worst);
        let reached = measured
            .as_ref()
            .is_some_and(|(figure, _)| if least { *figure >= limit } else { *figure <= limit });
        let goal = format!("{} {}", if least { "at least" } else { "at most" }, number(limit));
        Outcome { what: self.what, core: self.core, goal, measured, reached }
    }

    /// The bound, and whether it is the least that is wanted.
    fn limit(&self) -> (bool, f64) {
        match self.limit {
            Limit::Ratio(least) | Limit::Against(_, least) | Limit::Loads(_, least) => {
                (true, least)
            }
            Limit::Each(most) => (false, most),
            Limit::Arena(most) | Limit::Code(_, most) => (false, most as f64),
        }
    }

    fn figure(&self, row: &Row, rows: &[Row], peers: &[Row]) -> Option<f64> {
        let other = |case: &str| rows.iter().find(|r| r.core == row.core && r.case == case);
        Some(match self.limit {
            Limit::Ratio(_) => row.best_peer(peers)?.each() / row.each(),
            Limit::Each(_) => row.each(),
            Limit::Against(case, _) => other(case)?.each() / row.each(),
            Limit::Loads(case, _) => {
                other(case)?.weight_bytes? as f64 / row.weight_bytes?.max(1) as f64
            }
            Limit::Arena(_) => row.arena_bytes? as f64,
            Limit::Code(..) => return None,
        })
    }
}

/// Bytes of the engine in a demo's image, as recorded.
fn engine_bytes(core: &str, demo: &str) -> Option<f64> {
    let record = qemu::record().ok()?;
    let row = record.iter().find(|row| row.core == core && row.demo == demo);
    row.map(|row| row.engine_bytes as f64)
}

/// For people.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes.iter().filter(|outcome| outcome.measured.is_some()) {
        let (figure, case) = outcome.measured.as_ref().map_or((0.0, ""), |(f, case)| (*f, case));
        text += &format!(
            "{}  {:<11} {}: {} ({case}), goal {}\n",
            if outcome.reached { "reached    " } else { "not reached" },
            outcome.core,
            outcome.what,
            number(figure),
            outcome.goal
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_case_decides() {
        let row = |case: &str, instructions, source: &str| Row {
            core: M4.into(),
            case: case.into(),
            instructions,
            per: 100,
            unit: "MAC".into(),
            weight_bytes: None,
            arena_bytes: None,
            source: source.into(),
        };
        let (a, b) = ("linear/64x64/rows1", "linear/64x64/rows16");
        let peers = [row(a, 300, "peer"), row(b, 200, "peer"), row(b, 190, "another")];
        let first = |rows: &[Row]| GOALS[0].outcome(rows, &peers);
        let outcome = first(&[row(a, 100, "ours"), row(b, 100, "ours")]);
        assert_eq!(outcome.measured, Some((1.9, b.to_owned())));
        assert!(!outcome.reached);
        assert!(first(&[row(a, 100, "ours"), row(b, 95, "ours")]).reached);
        assert!(first(&[]).measured.is_none() && !first(&[]).reached);
    }
}
