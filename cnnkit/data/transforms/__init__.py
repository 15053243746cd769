"""Transforms of images between the dataset and the network, as torchvision's: of one image or of a batch.

A *picture* is a uint8 or uint16 array (H, W) or (H, W, C) of values from 0 to 255 or 65535, or a Pillow
image; `ToTensor` makes it a float32 array (C, H, W), which is what the network takes. `Normalize`, `MixUp`,
`CutMix` and `LinearTransformation` take floats only; the others take both, and give what they were given. A
transform with a method `transform_batch` also takes many images at once, and the law is
``t.transform_batch(images)[i] == t(images[i])``, bit for bit, where nothing is random.

The random ones change arrays of any library, on their device, with numbers that are the same everywhere;
their law is that image i depends on the key, on i, and on itself (and, where images are mixed, on the
one before it). ``DataLoader(augment=...)`` and ``train.fit(augment=...)`` give them each batch, with a
key of its own.
"""

from cnnkit.data.transforms.affine import RandomAffine, RandomRotation
from cnnkit.data.transforms.blur import GaussianBlur
from cnnkit.data.transforms.choices import RandomApply, RandomChoice, RandomOrder
from cnnkit.data.transforms.color import ColorJitter
from cnnkit.data.transforms.compose import Compose
from cnnkit.data.transforms.convert import ConvertImageDtype, Lambda
from cnnkit.data.transforms.crop import RandomCrop, RandomResizedCrop
from cnnkit.data.transforms.erasing import RandomErasing
from cnnkit.data.transforms.flip import RandomHorizontalFlip, RandomVerticalFlip
from cnnkit.data.transforms.frame import CenterCrop, FiveCrop, Pad, TenCrop
from cnnkit.data.transforms.linear import LinearTransformation
from cnnkit.data.transforms.mixing import CutMix, MixUp
from cnnkit.data.transforms.named import NAMES, named, numbers_by_name
from cnnkit.data.transforms.normalize import Normalize
from cnnkit.data.transforms.perspective import RandomPerspective
from cnnkit.data.transforms.picture import PILToTensor, ToPILImage, ToTensor
from cnnkit.data.transforms.policies import (
    AugMix,
    AutoAugment,
    AutoAugmentPolicy,
    RandAugment,
    TrivialAugmentWide,
)
from cnnkit.data.transforms.random_tone import (
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPosterize,
    RandomSolarize,
)
from cnnkit.data.transforms.random_transform import FixedTransform, RandomTransform
from cnnkit.data.transforms.resize import InterpolationMode, Resize

__all__ = ["NAMES", "AugMix", "AutoAugment", "AutoAugmentPolicy", "CenterCrop", "ColorJitter", "Compose",
           "ConvertImageDtype", "CutMix", "FiveCrop", "FixedTransform", "GaussianBlur", "Grayscale",
           "InterpolationMode", "Lambda", "LinearTransformation", "MixUp", "Normalize", "PILToTensor",
           "Pad", "RandAugment", "RandomAdjustSharpness", "RandomAffine", "RandomApply",
           "RandomAutocontrast", "RandomChoice", "RandomCrop", "RandomEqualize", "RandomErasing",
           "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomPerspective",
           "RandomPosterize", "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomTransform",
           "RandomVerticalFlip", "Resize", "TenCrop", "ToPILImage", "ToTensor", "TrivialAugmentWide",
           "named", "numbers_by_name"]
