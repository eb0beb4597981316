r"""An encoder with attention and no recurrence.

References:
    | Attention is all you need (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762
    | On layer normalization in the transformer architecture (Xiong et al., 2020),
    | https://arxiv.org/abs/2002.04745, for the norm before each layer
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

import drawzoo
from drawzoo_transformer.settings import TransformerConfig

__all__ = ["TransformerEncoder"]


class TransformerEncoder(drawzoo.Encoder):
    r"""One block of a transformer over the glimpses of steps 1…t, in the place of eq. 5.

    Glimpse and h_dec, which says where the glimpse was read, are embedded together. Query, key and
    value are linear in the embedding \(e_t\). The query is the present step's alone, and each head
    attends over all steps so far:

    \[a = \sum_{s ≤ t} \mathrm{softmax}_s(q_t k_s / \sqrt{d} + b_{t - s})\, v_s, \quad
      y = e_t + W a, \quad h^{enc}_t = \mathrm{norm}(y + \mathrm{MLP}(\mathrm{norm}(y)))\]

    A learned bias b for each head and age t − s, as in T5 (Raffel et al., 2020), tells old glimpses
    from new ones.

    The state has a fixed size: key and value of the last M = `memory` steps, [B, M, 2 U], the
    present one last, and which of the M there have been, [B, M]. From step M + 1 on the oldest
    glimpse is forgotten at each step.
    """

    Config = TransformerConfig

    def __init__(self, config: TransformerConfig, sizes: drawzoo.Sizes) -> None:
        super().__init__()
        units = self.out_features = config.units
        self.heads, self.memory = config.heads, config.memory
        self.embed = _Matrix(sizes.glimpse + sizes.decoder, units)
        self.first_norm, self.second_norm, self.last_norm = (nn.LayerNorm(units) for _ in range(3))
        self.of_token = _Three(units, 3 * units)
        self.age = nn.Parameter(torch.zeros(config.memory, config.heads))
        self.mix = _Matrix(units, units)
        self.mlp = nn.Sequential(_Matrix(units, 2 * units), nn.GELU(), _Matrix(2 * units, units))

    def initial_state(self, batch: int) -> drawzoo.EncoderState:
        nothing = self.age.new_zeros(batch, self.memory, 2 * self.out_features)
        return nothing, self.age.new_zeros(batch, self.memory)

    def forward(
        self, glimpse: Tensor, h_dec: Tensor, state: drawzoo.EncoderState, context: Tensor | None
    ) -> tuple[Tensor, drawzoo.EncoderState]:
        token = self.embed(torch.cat([glimpse, h_dec], dim=1))
        query, new = self.of_token(self.first_norm(token)).tensor_split([self.out_features], dim=1)
        past, there = _push(state[0], new), _push(state[1], torch.ones_like(state[1][:, 0]))
        y = token + self.mix(self._attend(query, past, there))
        h = self.last_norm(y + self.mlp(self.second_norm(y)))
        return h, (past, there)

    def _attend(self, query: Tensor, past: Tensor, there: Tensor) -> Tensor:
        """Query [B, U], past keys and values [B, M, 2 U], there [B, M] → [B, U]."""
        keys, values = past.chunk(2, dim=2)
        scores = self._by_head(query.unsqueeze(1) * keys).sum(dim=3)
        scores = scores * (self.heads / self.out_features) ** 0.5 + self.age
        # The present glimpse is always there, so that no row is −∞ throughout.
        weights = scores.masked_fill(there.unsqueeze(2) == 0, -torch.inf).softmax(dim=1)
        attended: Tensor = weights.unsqueeze(3) * self._by_head(values)
        return attended.sum(dim=1).flatten(1)

    def _by_head(self, features: Tensor) -> Tensor:
        """[B, M, U] → [B, M, heads, U / heads]."""
        return features.view(*features.shape[:2], self.heads, -1)


def _push(memory: Tensor, new: Tensor) -> Tensor:
    """Memory [B, M, …] with the new [B, …] at its end, and without its first."""
    return torch.cat([memory[:, 1:], new.unsqueeze(1)], dim=1)


class _Matrix(nn.Linear):
    """A linear map that suits Muon."""

    matrix_blocks: ClassVar[dict[str, int]] = {"weight": 1}


class _Three(nn.Linear):
    """The maps to query, key and value, one below the other."""

    matrix_blocks: ClassVar[dict[str, int]] = {"weight": 3}
