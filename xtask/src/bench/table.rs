//! Tables for people.

use super::Row;
use super::record::find;

/// The best count of others for the same core and case.
pub fn best_peer<'p>(row: &Row, peers: &'p [Row]) -> Option<&'p Row> {
    let same = peers.iter().filter(|p| (&p.core, &p.case) == (&row.core, &row.case));
    same.min_by_key(|peer| peer.instructions)
}

/// A line per count: how much, per unit, against the record, against the best peer.
pub fn table(rows: &[Row], peers: &[Row], known: &[Row]) -> String {
    let mut text = format!(
        "{:<11} {:<28} {:>12} {:>12} {:<10} {:>9} {:>11} {:>6}\n",
        "core", "case", "instructions", "each", "per", "record", "best peer", "ratio"
    );
    for row in rows {
        let change = find(known, row).map_or("new".into(), |old| {
            format!("{:+.1} %", 100.0 * (row.each() / old.each() - 1.0))
        });
        let peer = best_peer(row, peers);
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
