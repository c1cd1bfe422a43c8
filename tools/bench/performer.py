"""Two layers of a Performer on 64 tokens: what `startup.py` compiles."""

import models
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(models.PerformerLayer(), models.PerformerLayer()).eval()
example_inputs = (torch.randn(4, 64, 64),)
