"""Attributions: which pixels a network's score rests on, and the check that such maps can be trusted.

All take ``(model, images, target)``, and give one number for each number of the images. The model's
parameters, gradients and modes stay as they are.
"""

from cnnkit.attribution.gradients import integrated_gradients, saliency, smooth_grad
from cnnkit.attribution.layers import grad_cam
from cnnkit.attribution.occluding import occlusion
from cnnkit.attribution.sanity import Randomised, sanity_check

__all__ = ["Randomised", "grad_cam", "integrated_gradients", "occlusion", "saliency", "sanity_check",
           "smooth_grad"]
