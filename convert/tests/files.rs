//! Files and processes: a blob is written whole or not at all, never over what it was made from; pipes that
//! close and outputs that are full are no panic; `tokenize`; what one label and two of a name are called.

mod common;

use common::checkpoints::copy;
use common::root;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_picoformer"));
    command.env("NO_COLOR", "1");
    command
}

fn run<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    command().args(arguments).output().unwrap()
}

/// Standard error in one line.
fn error(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).replace(['│', '╰', '─', '▶', '×'], " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn answer<S: AsRef<OsStr>>(arguments: &[S]) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{}", error(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn shipped(name: &str) -> String {
    root().join("models").join(name).join("model.pico").to_str().unwrap().to_owned()
}

#[test]
fn inputs_are_never_overwritten() {
    let folder = copy("bert-mean");
    let weights = folder.0.join("model.safetensors");
    let before = std::fs::read(&weights).unwrap();
    let link = folder.0.join("link.pico");
    std::os::unix::fs::symlink(&weights, &link).unwrap();
    for target in [&weights, &link, &folder.0] {
        let output = run(&[
            OsStr::new("convert"),
            folder.0.as_os_str(),
            OsStr::new("-o"),
            target.as_os_str(),
        ]);
        assert!(!output.status.success(), "{}", target.display());
        assert_eq!(std::fs::read(&weights).unwrap(), before);
    }
    // A blob beside the weights is none of them, and stays whole when the next is refused.
    let blob = folder.0.join("model.pico");
    let convert = [OsStr::new("convert"), folder.0.as_os_str(), OsStr::new("-o"), blob.as_os_str()]
        .map(OsStr::to_owned);
    assert!(run(&convert).status.success() && run(&convert).status.success());
    let good = std::fs::read(&blob).unwrap();
    let folder = folder.set("is_decoder", json!(true));
    assert!(!run(&convert).status.success());
    assert_eq!(std::fs::read(&blob).unwrap(), good);
    let left = std::fs::read_dir(&folder.0).unwrap().filter_map(Result::ok);
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".part")));
}

#[test]
fn names_need_not_be_utf_8() {
    let folder = copy("bert-mean");
    let blob = folder.0.join(OsStr::from_bytes(b"m\xff.pico"));
    let bill = answer(&[
        OsStr::new("convert"),
        folder.0.as_os_str(),
        OsStr::new("-o"),
        blob.as_os_str(),
        OsStr::new("--json"),
    ]);
    assert!(bill["output"].as_str().unwrap().ends_with("m\u{fffd}.pico"));
    assert_eq!((&bill["ignored_keys"], &bill["notes"]), (&json!([]), &json!([])));
    assert!(blob.is_file());
}

#[test]
fn closed_pipes_and_full_outputs_are_no_panic() {
    let lines = copy("bert-mean").write("lines.txt", "set a timer\n".repeat(200));
    let file = lines.0.join("lines.txt");
    let arguments = [
        OsStr::new("tokenize"),
        OsStr::new(&shipped("intent")),
        OsStr::new("--file"),
        file.as_os_str(),
    ]
    .map(OsStr::to_owned);
    let mut child =
        command().args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!error(&output).contains("panicked"), "{}", error(&output));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command().args(&arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert!(
        !output.status.success() && error(&output).contains("standard output"),
        "{}",
        error(&output)
    );
    assert!(!error(&output).contains("panicked"));
}

#[test]
fn tokens_are_shown_whatever_the_context() {
    let text = "Set a timer! ".repeat(200);
    let tokens = answer(&["tokenize", &shipped("intent"), &text, "--json"]);
    let (ids, pieces) = (tokens["ids"].as_array().unwrap(), tokens["pieces"].as_array().unwrap());
    assert_eq!((ids.len(), pieces.len()), (802, 802));
    assert_eq!(pieces[..4], [json!("[CLS]"), json!("set"), json!("a"), json!("timer")]);
    let empty = answer(&["tokenize", &shipped("intent"), "", "--json"]);
    assert_eq!(empty["pieces"], json!(["[CLS]", "[SEP]"]));
    let output = run(&["tokenize", &shipped("intent"), "set a timer"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 5);
    let folder = copy("gpt2-tied");
    let blob = folder.0.join("ids.pico");
    let convert = [OsStr::new("convert"), folder.0.as_os_str(), OsStr::new("-o"), blob.as_os_str()];
    let output = run(&convert);
    assert!(output.status.success(), "{}", error(&output));
    let output = run(&[OsStr::new("tokenize"), blob.as_os_str(), OsStr::new("x")]);
    assert!(error(&output).contains("no tokenizer"));
}

/// One label is there or not: its score is the sigmoid of the logit. Two labels of one name are two.
#[test]
fn scores_mean_what_they_say() {
    let rows = |n: usize| {
        copy("bert-classifier").unset("label2id").unset("id2label").weights(move |tensors| {
            for (name, (_, shape, data)) in tensors {
                if name.starts_with("classifier.") {
                    shape[0] = n;
                    let size = shape.iter().product::<usize>() * 4;
                    data.truncate(size);
                }
            }
        })
    };
    let scores = |folder: &common::checkpoints::Folder| {
        let blob = folder.0.join("x.pico");
        run(&[OsStr::new("convert"), folder.0.as_os_str(), OsStr::new("-o"), blob.as_os_str()]);
        let arguments = [
            OsStr::new("run"),
            blob.as_os_str(),
            OsStr::new("--ids"),
            OsStr::new("3,1,4"),
            OsStr::new("--json"),
        ];
        answer(&arguments)
    };
    let one = scores(&rows(1));
    let logit = one["logits"][0].as_f64().unwrap();
    let expected = 1.0 / (1.0 + (-logit).exp());
    assert!((one["scores"]["LABEL_0"].as_f64().unwrap() - expected).abs() < 1e-9);
    assert!((expected - 1.0).abs() > 1e-3, "not the softmax of one");
    let twins = rows(2).set("id2label", json!({ "0": "same", "1": "same" }));
    let two = scores(&twins);
    assert_eq!(two["scores"].as_object().unwrap().len(), 2);
    assert!(two["scores"]["same [1]"].is_number(), "{two}");
}

/// A context that this host's kernels do not reach is no reason not to convert: a device's may.
#[test]
fn contexts_beyond_the_hosts_kernels_are_converted() {
    let folder = copy("llama-bias").set("max_position_embeddings", json!(1 << 18));
    let blob = folder.0.join("x.pico");
    let words = ["convert".as_ref(), folder.0.as_os_str(), "-o".as_ref(), blob.as_os_str()];
    let output = run(&words);
    assert!(output.status.success(), "{}", error(&output));
    let words = ["run".as_ref(), blob.as_os_str(), "--ids".as_ref(), "1".as_ref()];
    let output = run(&words);
    assert!(!output.status.success());
    assert!(error(&output).contains("the kernels to"), "{}", error(&output));
}

/// A host that does not have the memory says so.
#[test]
fn memory_that_is_not_there_is_told() {
    let folder = copy("llama-bias").set("max_position_embeddings", json!(1 << 20));
    let blob = folder.0.join("x.pico");
    let output =
        run(&[OsStr::new("convert"), folder.0.as_os_str(), OsStr::new("-o"), blob.as_os_str()]);
    assert!(output.status.success(), "{}", error(&output));
    let shell = format!(
        "ulimit -v 60000; exec '{}' run '{}' --ids 1 --max-tokens 1",
        env!("CARGO_BIN_EXE_picoformer"),
        blob.display()
    );
    let output = Command::new("bash").args(["-c", &shell]).env("NO_COLOR", "1").output().unwrap();
    assert!(!output.status.success());
    assert!(
        error(&output).contains("bytes of memory, which this host does not have"),
        "{}",
        error(&output)
    );
}
