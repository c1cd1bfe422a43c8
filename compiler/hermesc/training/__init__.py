"""Train models for the chip: `harden` a plain nn.Module, train it in any loop, compile it.

hardened = hermesc.training.harden(model, example_inputs, recipe="rasch")
...                                                    # the loop that trained it before
model.load_state_dict(hardened.state_dict())           # the user's names
program = hermesc.training.program_of(hardened)        # with its learned ranges
"""

from hermesc.training.adversarial import second_loss as second_loss
from hermesc.training.build import harden as harden
from hermesc.training.clipping import clip_weights as clip_weights
from hermesc.training.evaluation import learned_ranges as learned_ranges
from hermesc.training.evaluation import program_of as program_of
from hermesc.training.evaluation import set_chip as set_chip
from hermesc.training.fit import FitOptions as FitOptions
from hermesc.training.from_aihwkit import Converted as Converted
from hermesc.training.from_aihwkit import from_aihwkit as from_aihwkit
from hermesc.training.lora import adapters as adapters
from hermesc.training.lora import merged as merged
from hermesc.training.lora import programmed as programmed
from hermesc.training.norms import freeze_norms as freeze_norms
from hermesc.training.norms import settle_norms as settle_norms
from hermesc.training.recipes import ADVERSARIAL as ADVERSARIAL
from hermesc.training.recipes import CHIP as CHIP
from hermesc.training.recipes import JOSHI as JOSHI
from hermesc.training.recipes import MURRAY as MURRAY
from hermesc.training.recipes import NONE as NONE
from hermesc.training.recipes import PAPER as PAPER
from hermesc.training.recipes import RASCH as RASCH
from hermesc.training.recipes import RECIPES as RECIPES
from hermesc.training.recipes import Adversarial as Adversarial
from hermesc.training.recipes import Clip as Clip
from hermesc.training.recipes import InputCode as InputCode
from hermesc.training.recipes import OutputCode as OutputCode
from hermesc.training.recipes import OutputNoise as OutputNoise
from hermesc.training.recipes import Recipe as Recipe
from hermesc.training.recipes import WeightNoise as WeightNoise
from hermesc.training.recipes import combined as combined
from hermesc.training.redraw import MidRedrawWarning as MidRedrawWarning
from hermesc.training.redraw import fix_features as fix_features
