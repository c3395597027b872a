//! The command itself: rows for people and for programs.

use super::board::{BOARDS, Board, setup};
use super::check::check;
use super::flash::Flash;
use super::record::record;
use super::row::Row;
use super::transcript::answers;
use super::{esp, ports, release, run};
use crate::figures::grouped;
use anyhow::{Context, Result, bail};
use clap::Args;

/// A demo's command, the model that it needs, and what is typed to show that it works.
const DEMOS: [(&str, &str, &str); 3] = [
    ("classify", "intent", "classify please set a timer for ten minutes"),
    ("write", "tales", "write Once upon a time there was a"),
    ("say", "g2p", "say microcontroller"),
];

/// Which boards, and how much of it.
#[derive(Args, Default)]
pub struct Options {
    /// Only this board
    #[arg(long)]
    board: Option<String>,
    /// Every image and every demo, with the whole self test
    #[arg(long)]
    all: bool,
    /// Only boards that an emulator runs
    #[arg(long)]
    emulated: bool,
    /// Wait states of Ibex's flash
    #[arg(long, default_value_t = 0)]
    wait_states: u32,
    /// Machine-readable
    #[arg(long)]
    json: bool,
    /// Writes what these boards take into the record, of which README's table is made
    #[arg(long, conflicts_with = "all")]
    bless: bool,
}

impl Options {
    /// What CI does: one sentence on every board that an emulator runs.
    pub fn ci() -> Self {
        Self { emulated: true, ..Self::default() }
    }
}

/// Builds the boards, checks and packs their images, runs what can be run.
pub fn boards(options: &Options) -> Result<()> {
    let wanted = |name: &str| options.board.as_ref().is_none_or(|only| only == name);
    let names = BOARDS.into_iter().filter(|name| wanted(name));
    let names = names.filter(|name| !options.emulated || run::emulated(name));
    let boards = names.map(Board::read).collect::<Result<Vec<_>>>()?;
    if boards.is_empty() {
        bail!("no such board; there are {}", BOARDS.join(", "));
    }
    setup(&boards, boards.iter().any(|board| run::emulated(&board.folder)))?;
    let mut rows = Vec::new();
    for board in &boards {
        let images = if options.all { &board.images[..] } else { &board.images[..1] };
        for models in images {
            rows.extend(image(board, models, options)?);
        }
    }
    match options.json {
        true => println!("{}", serde_json::to_string(&rows)?),
        false => print!("{}", table(&rows)),
    }
    if let Some(row) = rows.iter().find(|row| row.equals_host == Some(false)) {
        bail!("{} on {} does not answer as this computer does", row.demo, row.board);
    }
    record(&rows, options.bless)
}

/// One image of a board.
fn image(board: &Board, models: &[String], options: &Options) -> Result<Vec<Row>> {
    eprintln!("{} with {} …", board.name, models.join(", "));
    let elf = board.build(models)?;
    let flash = match board.folder.as_str() {
        "esp32c3" => esp::read(&elf, &board.ram),
        _ => Flash::read(&elf, &board.flash, &board.ram),
    };
    let flash = flash.context(board.folder.clone())?;
    check(board, &flash, models).context(board.folder.clone())?;
    let file = release::write(board, &elf, &flash, models)?;
    eprintln!("  {} sha256 {}", file.display(), release::sha256(&file)?);
    ports::check(&board.folder, &file)?;
    let demos = DEMOS.iter().filter(|(_, model, _)| models.iter().any(|name| name == model));
    let mut rows = Vec::new();
    for (i, (demo, _, command)) in demos.enumerate() {
        let mut row = Row {
            board: board.folder.clone(),
            core: board.core.clone(),
            models: models.to_vec(),
            demo: (*demo).into(),
            built: true,
            runs_in: None,
            equals_host: None,
            flash_bytes: flash.bytes.len() as u64,
            ram_bytes: flash.ram_bytes,
            cycles: None,
            instructions: None,
        };
        // One sentence shows that an image runs; the rest takes long.
        if options.all || i == 0 {
            let mut commands = vec![(*command).to_owned()];
            if options.all {
                commands.push(format!("selftest {demo}"));
            }
            if let Some(run) = run::run(board, &file, options.wait_states, &commands)? {
                let (found, host) = (answers(&run.text, &commands)?, run::host(&commands)?);
                row.runs_in = run::emulator(&board.folder).map(String::from);
                row.equals_host = Some(found == host);
                (row.cycles, row.instructions) = run.counts.first().copied().unzip();
                if found != host {
                    eprintln!("{} prints {:#?}\nand this computer {host:#?}", board.name, found);
                }
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// A table for people.
fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<14} {:<11} {:<9} {:>10} {:>8} {:>13} {:>13}  {:<19} equals host\n",
        "board", "core", "demo", "flash B", "RAM B", "cycles", "instructions", "runs in"
    );
    let number = |count: Option<u64>| count.map_or("-".into(), grouped);
    for row in rows {
        let equal = match row.equals_host {
            Some(true) => "yes",
            Some(false) => "NO",
            None if run::emulated(&row.board) => "not run: --all",
            None => "built, not run",
        };
        text += &format!(
            "{:<14} {:<11} {:<9} {:>10} {:>8} {:>13} {:>13}  {:<19} {equal}\n",
            row.board,
            row.core,
            row.demo,
            grouped(row.flash_bytes),
            grouped(row.ram_bytes),
            number(row.cycles),
            number(row.instructions),
            row.runs_in.as_deref().unwrap_or("-"),
        );
    }
    text
}
