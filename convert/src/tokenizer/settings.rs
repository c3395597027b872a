//! What the files beside `tokenizer.json` change in it: `tokenizer_config.json` and
//! `special_tokens_map.json`.

use super::added::SPELLED;
use super::section::parts;
use crate::account::{Document, known};
use crate::checkpoint::Checkpoint;
use crate::error::{self, Result};
use crate::import::{family, lower_case};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Keys that name a token for a role. Such a token is never in a text that users write.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
/// The names that these roles usually have.
const NAMES: [&str; 15] = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "<s>",
    "</s>",
    "<unk>",
    "<pad>",
    "<mask>",
    "<|endoftext|>",
    "<bos>",
    "<eos>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
];

/// Classes of transformers that are BERT's, with its settings; each may have `Fast` behind its name.
const BERTS: &[&str] = &[
    "BertTokenizer",
    "ConvBertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MobileBertTokenizer",
    "SqueezeBertTokenizer",
];
/// Classes whose texts become tokens by the files alone. Others do something of their own, such as to split
/// Japanese words.
const CLASSES: &[&str] = &[
    "PreTrainedTokenizer",
    "TokenizersBackend",
    "MPNetTokenizer",
    "GPT2Tokenizer",
    "GPTNeoXTokenizer",
    "Qwen2Tokenizer",
    "CodeGenTokenizer",
    "RobertaTokenizer",
    "BartTokenizer",
    "LlamaTokenizer",
    "CodeLlamaTokenizer",
    "T5Tokenizer",
    "MT5Tokenizer",
    "AlbertTokenizer",
    "XLMRobertaTokenizer",
    "MarianTokenizer",
    "ByT5Tokenizer",
];

/// The settings of a checkpoint's tokenizer.
#[derive(Debug)]
pub struct Settings {
    family: String,
    /// `tokenizer_config.json` names BERT's class, or nothing and the model is a BERT.
    bert: bool,
    /// `do_lower_case`, `strip_accents` and `tokenize_chinese_chars`, for BERT's class.
    rules: [Value; 3],
    /// Tokens for roles.
    roles: BTreeSet<String>,
    /// Tokens that the side files add, with their ids where they say them.
    added: Vec<(String, Option<u64>)>,
    /// The text is lower-cased before everything (sentence-transformers).
    lower_case: bool,
    /// Special tokens are found in a text.
    special_tokens: bool,
    /// `add_bos_token` and `add_eos_token`.
    around: [Option<bool>; 2],
    /// `extra_ids`: sentinels of T5's classes.
    extra_ids: Option<usize>,
    /// The class of transformers, without `Fast`; empty where no file names one.
    class: String,
    /// `clean_up_tokenization_spaces`: the original takes spaces out of what it writes.
    cleans: bool,
}

impl Settings {
    /// Reads them from a checkpoint's folder.
    ///
    /// # Errors
    /// A key that is not accounted for, or of the wrong type.
    pub fn read(folder: &Path, checkpoint: &Checkpoint) -> Result<Self> {
        let ignored = &checkpoint.options.ignored;
        let config = Document::open(folder, "tokenizer_config.json", ignored)?;
        let map = Document::open(folder, "special_tokens_map.json", ignored)?;
        let mut roles: BTreeSet<String> = NAMES.map(String::from).into();
        let mut added = Vec::new();
        for document in [&config, &map] {
            for key in ROLES {
                roles.extend(token(document, key)?);
            }
            for key in ["additional_special_tokens", "extra_special_tokens"] {
                listed(document, key, &mut added)?;
            }
        }
        if let Some(decoder) = config.inner("added_tokens_decoder")? {
            for (id, entry) in decoder.root().as_object().into_iter().flatten() {
                let content = entry["content"].as_str();
                let (Some(content), Ok(id)) = (content, id.parse()) else {
                    return Err(config.wrong("added_tokens_decoder", "tokens by their ids"));
                };
                added.push((content.to_owned(), Some(id)));
            }
        }
        let family = family(&checkpoint.config)?.to_owned();
        let class = config.text("tokenizer_class")?.unwrap_or(match family.as_str() {
            "bert" => "BertTokenizer",
            _ => "",
        });
        let class = class.strip_suffix("Fast").unwrap_or(class);
        if !class.is_empty() && !CLASSES.contains(&class) && !BERTS.contains(&class) {
            return Err(config.refuse("tokenizer_class", [BERTS, CLASSES].concat().join(", ")));
        }
        let bert = BERTS.contains(&class);
        let lower = config.flag("do_lower_case")?.unwrap_or(true);
        let accents = config.flag("strip_accents")?;
        let chinese = config.flag("tokenize_chinese_chars")?.unwrap_or(true);
        // Where there is a template, it says which tokens stand around a text.
        let around = [config.flag("add_bos_token")?, config.flag("add_eos_token")?];
        let extra_ids = config.count("extra_ids")?;
        config.flag("legacy")?;
        config.positive("model_max_length")?;
        let prefix = config.flag("add_prefix_space")?;
        if prefix == Some(true) && matches!(family.as_str(), "gpt2" | "bart") {
            return Err(config.refuse("add_prefix_space", "false"));
        }
        let cleans = config.flag("clean_up_tokenization_spaces")?.unwrap_or(false);
        config.finish(&[known::TOKENIZER_CONFIG])?;
        map.finish(&[])?;
        Ok(Self {
            family,
            bert,
            rules: [json!(lower), json!(accents), json!(chinese)],
            roles,
            added,
            lower_case: lower_case(checkpoint)?,
            special_tokens: checkpoint.options.special_tokens,
            around,
            extra_ids,
            class: class.to_owned(),
            cleans,
        })
    }

    /// The family of the model.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// Whether a token stands before a text and one after it, where a file says so.
    pub(super) fn around(&self) -> [Option<bool>; 2] {
        self.around
    }

    /// The number of sentinels that T5's classes have, where a file says it.
    pub(super) fn extra_ids(&self) -> Option<usize> {
        self.extra_ids
    }

    /// The texts of the tokens that have a role.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str)
    }

    /// The rules for BERT's class: lower case, accents, Chinese characters.
    pub(super) fn rules(&self) -> &[Value; 3] {
        &self.rules
    }

    /// Changes a tokenizer's JSON as the original does when it loads it.
    ///
    /// # Errors
    /// Tokens of the side files that the tokenizer does not have.
    pub(super) fn apply(&self, json: &mut Value, notes: &mut Vec<String>) -> Result<()> {
        let normalizer = &mut json["normalizer"];
        if self.bert && normalizer["type"] == "BertNormalizer" {
            let keys = ["lowercase", "strip_accents", "handle_chinese_chars"];
            for (key, rule) in keys.into_iter().zip(&self.rules) {
                if normalizer[key] != *rule {
                    notes.push(format!(
                        "tokenizer.json: `{key}` {} becomes {rule}, as tokenizer_config.json (or the class's \
                         default) says",
                        normalizer[key]
                    ));
                }
                normalizer[key] = rule.clone();
            }
        }
        if self.lower_case && normalizer["lowercase"] != true {
            let mut list = vec![json!({ "type": "Lowercase" })];
            list.extend(parts(normalizer, "normalizers"));
            *normalizer = json!({ "type": "Sequence", "normalizers": list });
        }
        for (content, id) in &self.added {
            let known = added_tokens(json).any(|token| token["content"] == **content);
            if !known && !self.roles.contains(content) {
                let found = match id {
                    Some(id) => format!("{id}: \"{content}\""),
                    None => format!("\"{content}\""),
                };
                return Err(error::unsupported(
                    "tokenizer_config.json",
                    "added_tokens_decoder",
                    found,
                    "tokens that tokenizer.json lists too; re-save the tokenizer",
                ));
            }
        }
        let prepends = |part: &Value| part["type"] == "Prepend" && part["prepend"] == "\u{2581}";
        // Transformers 5 makes these classes' normalizer anew.
        let llama = matches!(self.class.as_str(), "LlamaTokenizer" | "CodeLlamaTokenizer");
        if llama && parts(&json["normalizer"], "normalizers").iter().any(prepends) {
            notes.push(
                "tokenizer.json rules, as in transformers 4; the class LlamaTokenizer of transformers 5 puts no \
                 space before a text that begins with one"
                    .into(),
            );
        }
        if self.cleans && !matches!(self.family.as_str(), "bert") {
            notes.push(
                "tokenizer_config.json: `clean_up_tokenization_spaces` is true; the blob writes every space \
                 that the tokens spell"
                    .into(),
            );
        }
        Ok(())
    }

    /// Marks the special tokens that have a role as ordinary text: whoever writes a text to a device cannot end
    /// it or mask it. With `--special-tokens` they are found as in the original.
    pub(super) fn spell(&self, json: &mut Value, notes: &mut Vec<String>) {
        if self.special_tokens {
            if self.class == "ByT5Tokenizer" {
                notes.push(
                    "a text that ends with </s> has it twice; the original's class puts none behind it then".into(),
                );
            }
            return;
        }
        let mut names = Vec::new();
        for token in json["added_tokens"].as_array_mut().into_iter().flatten() {
            let content = token["content"].as_str().unwrap_or_default().to_owned();
            if token["special"] == true && self.roles.contains(&content) {
                token[SPELLED] = true.into();
                names.push(content);
            }
        }
        if !names.is_empty() {
            notes.push(format!(
                "{} in a text are ordinary text, as a user may type them; with --special-tokens they are these \
                 tokens, as in the original",
                names.join(", ")
            ));
        }
    }
}

/// The tokens added to a vocabulary.
fn added_tokens(json: &Value) -> impl Iterator<Item = &Value> {
    json["added_tokens"].as_array().into_iter().flatten()
}

/// The content of a token that is a text or an object.
fn token(document: &Document, key: &str) -> Result<Option<String>> {
    let Some(value) = document.get(key) else { return Ok(None) };
    let content = value.as_str().or_else(|| value["content"].as_str());
    content.map(|text| Some(text.to_owned())).ok_or_else(|| document.wrong(key, "a token"))
}

/// The tokens in a list, or in an object by role.
fn listed(document: &Document, key: &str, to: &mut Vec<(String, Option<u64>)>) -> Result<()> {
    let values: Vec<&Value> = match document.get(key) {
        None => return Ok(()),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(Value::Object(map)) => map.values().collect(),
        Some(_) => return Err(document.wrong(key, "a list of tokens")),
    };
    for value in values {
        match value.as_str().or_else(|| value["content"].as_str()) {
            Some(text) => to.push((text.to_owned(), None)),
            None => return Err(document.wrong(key, "a list of tokens")),
        }
    }
    Ok(())
}
