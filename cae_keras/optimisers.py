"""What a step does with the gradients: Adam, or Muon for what is a matrix."""

import math

import keras
import torch
from torch.optim.adam import adam


class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam by torch's fused routine: one pass over the weights, not ten.

    Torch adds epsilon to the root of the unbiased second moment, Keras to that of the
    biased one; hence the division below.

    References:
        Kingma & Ba, Adam (2015), arXiv:1412.6980, algorithm 1
    """

    def __init__(self, learning_rate):  # it takes no clipping, decay or averages
        super().__init__(learning_rate)

    def build(self, variables):
        if not self.built:
            super().build(variables)
            groups = variables, self._momentums, self._velocities
            self.weights, *self.moments = (
                [variable.value for variable in group] for group in groups
            )
            self.by_adam = range(len(self.weights))

    @torch.no_grad()
    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(list(trainable_variables))
        rate, done = float(self.learning_rate), int(self.iterations)
        weights, *moments = (
            [each[i] for i in self.by_adam] for each in (self.weights, *self.moments)
        )
        adam(
            weights,
            [grads[i].contiguous() for i in self.by_adam],  # it trusts in the layout
            *moments,
            max_exp_avg_sqs=[],
            state_steps=[*self.weights[0].new_full((len(weights),), done)],
            fused=True, amsgrad=False, maximize=False,
            beta1=self.beta_1, beta2=self.beta_2, lr=rate, weight_decay=0.0,
            eps=self.epsilon / math.sqrt(1 - self.beta_2 ** (done + 1)),
        )  # fmt: skip
        self.iterations.value.add_(1)


class FusedMuon(FusedAdam):
    """Keras' Muon, for convolutions' kernels, too; what is no matrix goes by Adam.

    A matrix moves along its momentum M = U Σ Vᵀ made orthogonal, about U Vᵀ: as far in
    every direction. Times 0.2 √(longer side) a step is as large as one of Adam, so one
    learning rate serves both.

    Matrices are the kernels of dense layers, and of convolutions from maps to maps with
    the last axis against all others: filters × (inputs × pixels), in a transposed one
    inputs × (filters × pixels). Those that read or write the one channel of an image,
    biases, γ and β are left to Adam. Matrices of one shape are computed as one stack.

    References:
        Jordan et al., Muon (2024), https://kellerjordan.github.io/posts/muon/; Liu et
        al., Muon is Scalable for LLM Training (2025), arXiv:2502.16982, equation 4:
        the scale
    """

    momentum, scale = 0.95, 0.2

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        stacks = {}  # of matrices, by their sides
        for i, weight in enumerate(self.weights):
            if weight.ndim > 1 and 1 not in weight.shape[-2:]:
                sides = tuple(_as_matrix(weight).shape)
                stacks.setdefault(sides, []).append(i)
        self.stacks = [
            (members, self.weights[0].new_zeros(len(members), *sides))
            for sides, members in stacks.items()
        ]
        by_muon = {i for members, _ in self.stacks for i in members}
        self.by_adam = [i for i in self.by_adam if i not in by_muon]

    @torch.no_grad()
    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(list(trainable_variables))
        rate = float(self.learning_rate)
        super().apply(grads)
        self.turn(grads, rate)

    @torch.no_grad()
    def turn(self, grads, rate):
        """Moves the matrices; the rate is a number, or a tensor with one."""
        for members, momenta in self.stacks:
            now = torch.stack([_as_matrix(grads[i]) for i in members])
            momenta.mul_(self.momentum).add_(now)
            steps = orthogonalise(now.add_(momenta, alpha=self.momentum))  # Nesterov's
            steps *= rate * self.scale * math.sqrt(steps.shape[-1])
            for i, step in zip(members, steps, strict=True):
                _as_matrix(self.weights[i]).sub_(step)


def _as_matrix(kernel):
    """Returns a kernel with its last axis against all others, the longer side last."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    return matrix.mT if len(matrix) > kernel.shape[-1] else matrix


def orthogonalise(matrices):
    """Returns about U Vᵀ of each matrix U Σ Vᵀ, by Newton and Schulz's iteration.

    Each of the five rounds takes every singular value s, at most 1 at first, to
    3.4445 s − 4.775 s³ + 2.0315 s⁵: all but the smallest end between 0.7 and 1.2. What
    the rounds multiply X by is computed from X Xᵀ alone, which is smaller than X.

    References:
        Jordan et al., Muon (2024), https://kellerjordan.github.io/posts/muon/

    Example:
        >>> near = orthogonalise(torch.tensor([[[3.0, 0.0], [0.0, 0.5]]]))
        >>> near.diagonal(dim1=1, dim2=2).round(decimals=1)
        tensor([[0.7000, 1.0000]])
    """
    x = matrices / (torch.linalg.matrix_norm(matrices, keepdim=True) + 1e-7)
    square = x @ x.mT
    factor = torch.eye(square.shape[-1], dtype=x.dtype, device=x.device)
    factor = factor.expand_as(square)
    for _ in range(5):
        part = torch.baddbmm(square, square, square, beta=-4.775, alpha=2.0315)
        factor = torch.baddbmm(factor, part, factor, beta=3.4445)
        square = torch.baddbmm(square, part, square, beta=3.4445)  # from one side
        square = torch.baddbmm(square, square, part, beta=3.4445)  # and from the other
    return factor @ x
