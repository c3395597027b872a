"""A Llama (Touvron et al. 2023) with the parameter names of Hugging Face's, made for training on one CPU core.

Queries, keys and values are one product, gate and up another; products run in bfloat16 under autocast.
`state_dict()` fits `LlamaForCausalLM` of the same configuration with tied embeddings.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), 1e-5)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, size = config.hidden_size, config.head_dim
        self.heads, self.groups, self.size = config.num_attention_heads, config.num_key_value_heads, size
        self.q_proj = nn.Linear(d, self.heads * size, bias=False)
        self.k_proj = nn.Linear(d, self.groups * size, bias=False)
        self.v_proj = nn.Linear(d, self.groups * size, bias=False)
        self.o_proj = nn.Linear(self.heads * size, d, bias=False)

    def forward(self, x, cos, sin):
        b, t, _ = x.shape
        rows = F.linear(x, torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight]))
        rows = rows.view(b, t, -1, self.size).transpose(1, 2)
        turned, v = rows[:, : self.heads + self.groups], rows[:, self.heads + self.groups :]
        a, c = turned.chunk(2, 3)
        turned = torch.cat([a * cos - c * sin, c * cos + a * sin], 3)
        q, k = turned[:, : self.heads], turned[:, self.heads :]
        repeat = self.heads // self.groups
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        # On a CPU, and for windows this short, half the time of PyTorch's fused attention.
        later = torch.full((t, t), -1e4, dtype=x.dtype).triu(1)
        out = torch.softmax((q * self.size**-0.5) @ k.transpose(2, 3) + later, -1) @ v
        return self.o_proj(out.transpose(1, 2).reshape(b, t, -1))


class FeedForward(nn.Module):
    def __init__(self, config):
        super().__init__()
        d, f = config.hidden_size, config.intermediate_size
        self.gate_proj = nn.Linear(d, f, bias=False)
        self.up_proj = nn.Linear(d, f, bias=False)
        self.down_proj = nn.Linear(f, d, bias=False)

    def forward(self, x):
        gate, up = F.linear(x, torch.cat([self.gate_proj.weight, self.up_proj.weight])).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class Layer(nn.Module):
    def __init__(self, config, dropout):
        super().__init__()
        self.self_attn, self.mlp = Attention(config), FeedForward(config)
        self.input_layernorm, self.post_attention_layernorm = Norm(config.hidden_size), Norm(config.hidden_size)
        self.dropout = dropout

    def forward(self, x, cos, sin):
        x = x + F.dropout(self.self_attn(self.input_layernorm(x), cos, sin), self.dropout, self.training)
        return x + F.dropout(self.mlp(self.post_attention_layernorm(x)), self.dropout, self.training)


class Trunk(nn.Module):
    def __init__(self, config, dropout):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config.num_hidden_layers))
        self.norm = Norm(config.hidden_size)


class Llama(nn.Module):
    def __init__(self, config, dropout=0.0):
        super().__init__()
        self.model = Trunk(config, dropout)
        angles = torch.outer(torch.arange(config.max_position_embeddings).float(),
                             10000.0 ** (-torch.arange(0, config.head_dim, 2).float() / config.head_dim))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids):
        """Logits of the token after each of `ids`."""
        low = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
        x = self.model.embed_tokens(ids).to(low)
        cos, sin = self.cos[: ids.shape[1]].to(low), self.sin[: ids.shape[1]].to(low)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return F.linear(self.model.norm(x), self.model.embed_tokens.weight)
