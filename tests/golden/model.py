import torch
from torch import nn


def numbers(*shape):
    count = torch.Size(shape).numel()
    return ((torch.arange(count) * 5 % 9) - 4).reshape(shape) / 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(12, 10)
        self.norm = nn.BatchNorm1d(10, affine=False)
        self.register_buffer("features", numbers(6, 10))
        self.heads = nn.Parameter(numbers(2, 3, 4))
        with torch.no_grad():
            self.first.weight.copy_(numbers(10, 12))
            self.first.bias.copy_(numbers(10))

    def forward(self, x):
        h = torch.relu(self.norm(self.first(x)))
        f = (h @ (self.features.t() * 0.5)).cos()
        per_head = torch.einsum("bhd,hdm->bhm", f.view(f.shape[0], 2, 3), self.heads)
        return per_head.flatten(1) - 0.25


model = Net()
example_inputs = (numbers(5, 12),)
