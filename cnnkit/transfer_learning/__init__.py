"""Transfer learning: a network that others have trained, with a new head, for few images of one's own."""

from cnnkit.transfer_learning.features import Features, features_at
from cnnkit.transfer_learning.freezing import freeze, frozen_names, unfreeze
from cnnkit.transfer_learning.groups import parameter_groups
from cnnkit.transfer_learning.head import head_of
from cnnkit.transfer_learning.transfer import transfer
from cnnkit.transfer_learning.unfreezing import Unfreeze

__all__ = ["Features", "Unfreeze", "features_at", "freeze", "frozen_names", "head_of", "parameter_groups",
           "transfer", "unfreeze"]
