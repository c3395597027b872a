//! Keys that change nothing in what a blob answers, and why. Everything else is used or refused.

/// When a key changes nothing.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Whatever its value.
    Always,
    /// With one of these values, as JSON texts; any other is refused.
    Only(&'static [&'static str]),
}

/// A key, when it changes nothing, and why.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name.
    pub key: &'static str,
    /// When it changes nothing.
    pub when: When,
    /// Why.
    pub why: &'static str,
}

impl Known {
    /// Whatever its value.
    pub const fn always(key: &'static str, why: &'static str) -> Self {
        Self { key, when: When::Always, why }
    }

    /// With these values alone.
    pub const fn only(
        key: &'static str,
        values: &'static [&'static str],
        why: &'static str,
    ) -> Self {
        Self { key, when: When::Only(values), why }
    }
}

macro_rules! known {
    ($name:ident: $doc:literal; $($why:literal: $($key:literal $(= $($value:literal)|+)?),+;)+) => {
        #[doc = $doc]
        pub const $name: &[Known] = &[$($(known!(@ $key, $why $(, $($value)|+)?),)+)+];
    };
    (@ $key:literal, $why:literal) => { Known::always($key, $why) };
    (@ $key:literal, $why:literal, $($value:literal)|+) => {
        Known::only($key, &[$($value),+], $why)
    };
}

known! { CONFIG: "`config.json` of every family (`PretrainedConfig` of transformers 4 and 5).";
    "where the checkpoint comes from":
        "_name_or_path", "name_or_path", "transformers_version", "_commit_hash", "finetuning_task";
    "the type of the weights stands in their file": "torch_dtype", "dtype";
    "how the original computes, not what": "use_cache", "torchscript", "use_bfloat16", "tf_legacy_loss",
        "_attn_implementation", "_attn_implementation_autoset", "attn_implementation",
        "_attn_implementation_internal", "_experts_implementation",
        "chunk_size_feed_forward", "gradient_checkpointing", "pretraining_tp", "output_past";
    "what the original returns beside the answer":
        "return_dict", "output_hidden_states", "output_attentions", "output_scores",
        "return_dict_in_generate", "use_return_dict";
    "training": "attention_dropout", "dropout", "initializer_range", "initializer_factor", "init_std",
        "classifier_dropout", "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout_rate",
        "activation_dropout", "embd_pdrop", "attn_pdrop", "resid_pdrop", "encoder_layerdrop",
        "decoder_layerdrop", "classif_dropout", "layerdrop";
    "the tokenizer's files say how a text becomes tokens": "tokenizer_class", "bos_token_id",
        "pad_token_id", "sep_token_id", "cls_token_id", "mask_token_id", "unk_token_id";
    "pipelines put it before a text, `generate` and the engine do not": "prefix", "task_specific_params";
    "another architecture": "is_decoder" = "false", "add_cross_attention" = "false",
        "cross_attention_hidden_size", "tie_encoder_decoder" = "false";
    "heads or layers left out": "pruned_heads" = "{}";
    "weights that are not plain": "quantization_config" = "null", "auto_map" = "null";
}

known! { HEADLESS: "Keys of heads that are not converted.";
    "a head that is not converted": "id2label", "label2id", "num_labels", "_num_labels", "problem_type";
}

known! { BERT: "`config.json` of BERT.";
    "of the authors' first files, never read": "directionality", "pooler_fc_size",
        "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type",
        "attention_type", "output_past";
    "an encoder's embedding has no second use": "tie_word_embeddings";
    "it writes nothing": "eos_token_id", "is_encoder_decoder" = "false";
}

known! { GPT2: "`config.json` of GPT-2.";
    "`n_positions` is read": "n_ctx";
    "the order of two exact operations": "reorder_and_upcast_attn";
    "a head that no model is read with": "summary_activation", "summary_first_dropout",
        "summary_proj_to_labels", "summary_type", "summary_use_proj", "summary_last_dropout";
    "one side": "is_encoder_decoder" = "false";
}

known! { LLAMA: "`config.json` of Llama and Mistral.";
    "one side": "is_encoder_decoder" = "false";
    "dimensions that are not rotated": "partial_rotary_factor" = "1.0";
    "the limit before a scaling": "original_max_position_embeddings";
}

known! { LLAMA_ALONE: "`config.json` of Llama alone.";
    "Llama has no window; the original does not read it": "sliding_window", "max_window_layers",
        "use_sliding_window";
}

known! { SEQ2SEQ: "`config.json` of BART, Marian and T5.";
    "two sides": "is_encoder_decoder" = "true";
    "the number of the encoder's layers again": "num_hidden_layers";
    "of the authors' first files, never read": "add_bias_logits" = "false", "force_bos_token_to_be_generated",
        "add_final_layer_norm" = "false", "normalize_before" = "false", "normalize_embedding",
        "static_position_embeddings", "extra_pos_embeddings", "save_step", "model_max_length",
        "do_blenderbot_90_layernorm" = "false", "vocab_size_or_config_json_file";
}

known! { GENERATION: "`generation_config.json` of every family, and its keys in an older `config.json`.";
    "where it comes from": "_from_model_config", "transformers_version", "_commit_hash";
    "what the original returns beside the answer": "output_attentions", "output_hidden_states",
        "output_scores", "output_logits", "return_dict_in_generate", "num_return_sequences" = "1",
        "return_legacy_cache";
    "how the original computes, not what": "use_cache", "cache_implementation", "cache_config",
        "low_memory", "disable_compile", "compile_config", "prefill_chunk_size", "is_assistant",
        "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
        "assistant_early_exit", "assistant_lookbehind", "target_lookbehind", "prompt_lookup_num_tokens",
        "max_matching_ngram_size", "continuous_batching_config";
    "batches": "pad_token_id";
    "the prompt's tokens come from the tokenizer": "bos_token_id";
    "no finite logits are lost": "remove_invalid_values" = "false" | "true";
    "another search": "num_beam_groups" = "1" | "null", "diversity_penalty" = "0.0",
        "penalty_alpha" = "null", "dola_layers" = "null", "constraints" = "null" | "[]",
        "force_words_ids" = "null" | "[]", "custom_generate" = "null";
    "another distribution": "encoder_repetition_penalty" = "1.0",
        "encoder_no_repeat_ngram_size" = "0", "exponential_decay_length_penalty" = "null",
        "sequence_bias" = "null" | "{}", "token_healing" = "false", "guidance_scale" = "1.0",
        "watermarking_config" = "null", "renormalize_logits" = "false";
    "another end": "stop_strings" = "null" | "[]", "max_time" = "null";
}

known! { TOKENIZER_CONFIG: "`tokenizer_config.json`.";
    "where it comes from": "name_or_path", "special_tokens_map_file", "tokenizer_file", "processor_class",
        "backend", "is_local", "transformers_version", "from_slow", "local_files_only", "_from_auto";
    "`tokenizer.json` says it": "model_input_names", "trim_offsets", "errors", "sp_model_kwargs",
        "vocab_size", "wordpieces_prefix", "unicode_normalizer", "do_basic_tokenize" = "true",
        "never_split" = "null" | "[]", "use_default_system_prompt", "spaces_between_special_tokens",
        "spm_precompiled_charsmap", "mask_token_sent", "offset", "use_fast", "do_split_on_punc" = "true",
        "special_tokens_map", "vocab_file", "merges_file", "return_token_type_ids", "stride",
        "extra_ids", "separate_vocabs" = "false";
    "batches": "padding_side", "truncation_side", "padding", "truncation", "pad_to_multiple_of",
        "pad_token_type_id", "max_length", "truncation_strategy";
    "the caller's text is a whole prompt": "chat_template", "default_prompt", "response_schema";
    "languages by name": "source_lang", "target_lang";
    "within a text special tokens are text": "split_special_tokens" = "false";
    "code of the checkpoint's own": "auto_map" = "null";
}

known! { SENTENCE_BERT: "`sentence_bert_config.json`.";
    "how the original loads": "model_args", "config_args", "tokenizer_args", "model_name_or_path",
        "cache_dir", "transformer_task" = "\"feature-extraction\"", "module_output_name" = "\"token_embeddings\"",
        "modality_config", "method_output_name", "message_format", "processing_kwargs", "backend",
        "unpad_inputs";
}

known! { SENTENCE_TRANSFORMERS: "`config_sentence_transformers.json`.";
    "where it comes from": "__version__", "model_type" = "\"SentenceTransformer\"";
    "how the caller compares embeddings": "similarity_fn_name";
    "a prompt that the caller's text brings along": "prompts";
}

known! { POOLING: "`1_Pooling/config.json`.";
    "without prompts there is nothing to leave out": "include_prompt";
}
