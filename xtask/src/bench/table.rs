//! Tables for people.

use super::row::Row;

/// A line per count: how much, per unit, against the record, against the best peer.
pub fn table(rows: &[Row], peers: &[Row], known: &[Row]) -> String {
    let mut text = format!(
        "{:<11} {:<28} {:>12} {:>12} {:<10} {:>9} {:>11} {:>6}\n",
        "core", "case", "instructions", "each", "per", "record", "best peer", "ratio"
    );
    for row in rows {
        let change = row.find(known).map_or("new".into(), |old| {
            format!("{:+.1} %", 100.0 * (row.each() / old.each() - 1.0))
        });
        let peer = row.best_peer(peers);
        text += &format!(
            "{:<11} {:<28} {:>12} {:>12.3} {:<10} {:>9} {:>11} {:>6}\n",
            row.core,
            row.case,
            row.instructions,
            row.each(),
            row.unit,
            change,
            peer.map_or(String::new(), |p| format!("{:.3}", p.each())),
            peer.map_or(String::new(), |p| format!("{:.2}", p.each() / row.each())),
        );
    }
    text
}
