//! The tests of the C library: its header in every standard, bad input, other libraries, offsets.

use super::archive;
use super::check::{check, declared};
use super::map;
use super::program::{CORES, Core, Program, build, compile, folder, library, run, source_of};
use super::target::target;
use crate::steps::root;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn own(path: &str) -> String {
    root().join(path).to_string_lossy().into_owned()
}

/// The header compiles in every standard, whatever the size of an enum; what it declares is in the archive.
pub fn header(functions: &[String]) -> Result<()> {
    for (compiler, language, standards) in [
        ("arm-none-eabi-gcc", "c", "c99 c11 c17"),
        ("arm-none-eabi-g++", "c++", "c++11 c++14 c++17 c++20"),
    ] {
        for standard in standards.split(' ') {
            for enums in [&["-fshort-enums", "-DSHORT_ENUMS"][..], &["-fno-short-enums"]] {
                let mut arguments =
                    vec![format!("-x{language}"), format!("-std={standard}"), "-c".into()];
                arguments.extend(enums.iter().map(|&flag| flag.to_owned()));
                arguments.extend(["-oheader.o".into(), own("bindings/c/tests/header.c")]);
                compile(compiler, &arguments)?;
            }
        }
    }
    let text = std::fs::read_to_string(own("bindings/c/include/picoformer.h"))?;
    if declared(&text) != functions {
        bail!("the header declares {:?}, the archive has {functions:?}", declared(&text));
    }
    Ok(())
}

const MODELS: [&str; 5] = ["digits", "g2p", "intent", "motion", "tales"];

/// Bad input on the host, with the compiler's checks of memory and arithmetic; the C++ classes.
pub fn host() -> Result<()> {
    let target = target("x86_64-linux")?;
    let library = archive::build(target, None)?;
    check(&library, target)?;
    let sources = MODELS.map(|model| source_of(model).to_string_lossy().into_owned());
    for (compiler, standard, name) in
        [("gcc", "c99", "test.c"), ("g++", "c++17", "test.cpp"), ("g++", "c++20", "test.cpp")]
    {
        let mut arguments: Vec<String> =
            "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
            -Wl,-z,noexecstack -otest"
                .split_whitespace()
                .map(str::to_owned)
                .collect();
        arguments.extend([format!("-std={standard}"), own(&format!("bindings/c/tests/{name}"))]);
        // The models are C, whatever the program is.
        let language = if compiler == "g++" { "-xc" } else { "-xnone" };
        for source in &sources {
            let language = if source.ends_with(".S") { "-xassembler-with-cpp" } else { language };
            arguments.extend([language.into(), source.clone()]);
        }
        arguments.extend(["-xnone".into(), library.to_string_lossy().into_owned()]);
        if compiler == "g++" {
            // Of the arrays' flags only the language matters here; `-std=c++` is no standard of C.
            arguments.retain(|argument| !argument.ends_with(".c"));
            let mut objects = Vec::new();
            for source in sources.iter().filter(|source| source.ends_with(".c")) {
                let object = source.replace(".c", ".host.o");
                compile(
                    "gcc",
                    &["-std=c99".into(), "-c".into(), format!("-o{object}"), source.clone()],
                )?;
                objects.push(object);
            }
            arguments.extend(objects);
        }
        compile(compiler, &arguments)?;
        passes(&mut Command::new(folder().join("test")), name)?;
    }
    Ok(())
}

fn passes(command: &mut Command, name: &str) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be started"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !text.contains("all well") {
        bail!("{name} fails:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// Bad input on an emulated core.
pub fn emulated(core: &Core) -> Result<()> {
    let (name, source) = ("test", "tests/test.c");
    let program = Program { name, source, models: &MODELS, float: core.float, more: Vec::new() };
    let (text, _) = run(core, &build(core, &program, &library(core))?.0)?;
    match text.ends_with("all well\n") {
        true => Ok(()),
        false => bail!("test.c on {}:\n{text}", core.name),
    }
}

/// Beside a second Rust library by another compiler, in both orders, with and without `-flto`; what a C
/// program needs itself still comes from its own libraries.
pub fn beside() -> Result<()> {
    let [core, ..] = &CORES;
    let other = folder().join("libsecond.a");
    let flags =
        "--edition 2024 --crate-type staticlib --target thumbv7em-none-eabi -C panic=abort -O";
    // By another compiler, if one is installed with the target.
    let built = ["+nightly", "+stable", ""].into_iter().find(|toolchain| {
        let mut rustc = Command::new("rustc");
        rustc.args((!toolchain.is_empty()).then_some(toolchain)).args(flags.split(' '));
        rustc.arg(own("bindings/c/tests/second.rs")).arg("-o").arg(&other).current_dir(root());
        rustc.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    built.context("the second library does not compile")?;
    let (ours, other) = (library(core), other.to_string_lossy().into_owned());
    for lto in [false, true] {
        for order in [true, false] {
            let mut more: Vec<String> = Vec::new();
            more.extend(lto.then(|| "-flto".into()));
            more.extend(if order {
                vec![other.clone(), ours.to_string_lossy().into_owned()]
            } else {
                vec![ours.to_string_lossy().into_owned(), other.clone()]
            });
            let program = Program {
                name: "beside",
                source: "tests/beside.c",
                models: &[],
                float: "soft",
                more,
            };
            let (elf, _) = build(core, &program, &ours)?;
            let (text, _) = run(core, &elf)?;
            if text != "1000000007 428571431\n" {
                bail!("beside.c prints {text}");
            }
        }
    }
    Ok(())
}

/// What a program's own functions of memory and division are: the C library's and the compiler's.
pub fn helpers(map: &str) -> Result<()> {
    let entries = map::entries(map);
    for (helper, library) in
        [("memset", "libc_nano"), ("memcpy", "libc_nano"), ("memmove", "libc_nano")]
    {
        let found = entries.iter().filter(|e| e.section == format!(".text.{helper}"));
        if found.clone().any(|entry| !entry.file.contains(library)) {
            bail!("{helper} is not {library}'s: {:?}", found.collect::<Vec<_>>());
        }
    }
    match entries.iter().any(|e| e.file.contains("libgcc") || e.file.contains("libc_nano")) {
        true => Ok(()),
        false => bail!("the map tells nothing of the C library"),
    }
}

/// Where QEMU's micro:bit holds the blob: the flash has 256 KB.
const BLOB: u32 = 0x0002_0000;

/// A blob and an arena at every offset from 0 to 15, on a Cortex-M0, which faults at misaligned loads.
pub fn offsets() -> Result<()> {
    let core = &Core {
        name: "Cortex-M0",
        archive: "cortex-m0plus",
        cpu: "cortex-m0",
        board: "microbit",
        float: "soft",
    };
    let name = "offsets-cortex-m0";
    let script = "MEMORY { FLASH : ORIGIN = 0, LENGTH = 128K\nBLOB : ORIGIN = 0x20000, LENGTH = 128K\n\
                  RAM : ORIGIN = 0x20000000, LENGTH = 16K }\n";
    let sections = std::fs::read_to_string(own("bindings/c/examples/qemu/sections.ld"))?;
    let sections = sections.replace("32K", "4K").replace("64K", "4K").replace("64 KiB", "4 KiB");
    std::fs::write(folder().join(format!("{name}.ld")), script.to_owned() + &sections)?;
    let flags = format!(
        "-mcpu={} -mthumb -std=c99 -Os -ffunction-sections -nostartfiles --specs=nano.specs \
         --specs=rdimon.specs -Wl,--gc-sections -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -include motion.h -DBLOB={BLOB:#x} \
         -DPAINTED=900 -T{name}.ld -o{name}.elf",
        core.cpu
    );
    let mut arguments: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    arguments
        .extend([own("bindings/c/tests/offsets.c"), own("bindings/c/examples/qemu/startup.c")]);
    arguments.push(library(core).to_string_lossy().into_owned());
    compile("arm-none-eabi-gcc", &arguments)?;
    let elf: PathBuf = folder().join(format!("{name}.elf"));
    let mut hash = None;
    for offset in 0..16u32 {
        let blob = format!(
            "loader,file={},addr={:#x},force-raw=on",
            own("models/motion/model.pico"),
            BLOB + offset
        );
        // A file, because the loader's own `data` does not write to flash.
        let number = folder().join("offset.bin");
        std::fs::write(&number, offset.to_le_bytes())?;
        let place = format!("loader,file={},addr={:#x},force-raw=on", number.display(), BLOB - 16);
        let output = Command::new("timeout")
            .args([
                "60",
                "qemu-system-arm",
                "-machine",
                "microbit",
                "-nographic",
                "-monitor",
                "none",
            ])
            .args(["-serial", "none", "-chardev", "stdio,id=text", "-semihosting-config"])
            .args([
                "enable=on,target=native,chardev=text",
                "-device",
                &blob,
                "-device",
                &place,
                "-kernel",
            ])
            .arg(&elf)
            .stdin(Stdio::null())
            .output()
            .context("the emulator cannot be started")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("a blob at offset {offset} of 16:\n{text}");
        }
        if offset % 4 == 0 {
            let line = text.lines().find(|line| line.starts_with("logits ")).map(str::to_owned);
            if line.is_none() || *hash.get_or_insert_with(|| line.clone()) != line {
                bail!("a blob at offset {offset} gives {text}");
            }
        } else if !text.contains(&format!("given {}", offset % 4)) {
            bail!("a blob at offset {offset}:\n{text}");
        }
    }
    Ok(())
}
