"""A network for inference alone: each batch normalisation put into the layer before it.

In evaluation a batch normalisation is an affine map of each channel, so its factor and offset can
be multiplied into the weights of the convolution or linear layer that feeds it (Jacob et al., CVPR
2018, section 3.2). The function stays the same but for rounding, and the features are read and
written once less for each of them.
"""

from __future__ import annotations

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval


def fold_batch_norms(network: nn.Module) -> None:
    """Fold every batch normalisation that directly follows a convolution or a linear layer.

    Layers are taken to run in the order in which their module names them, as they do in
    torchvision's residual networks; others stay as they are.

    Args:
        network: in evaluation mode; it is changed, and can't be trained afterwards.
    """
    before: tuple[str, nn.Module] | None = None
    for name, layer in list(network.named_children()):
        fold_batch_norms(layer)
        if before is not None and isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            place, feeding = before
            if isinstance(feeding, nn.Conv2d):
                setattr(network, place, fuse_conv_bn_eval(feeding, layer))
                setattr(network, name, nn.Identity())
            elif isinstance(feeding, nn.Linear):
                setattr(network, place, fuse_linear_bn_eval(feeding, layer))
                setattr(network, name, nn.Identity())
        before = name, layer
